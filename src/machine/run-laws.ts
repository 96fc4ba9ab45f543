import type { DropReason } from '../../nic/counters.js';
import type { FairnessReport } from './fairness-meter.js';
import type { GuestRun } from './guest-run.js';
import type { Machine } from './machine.js';
import type { PostedVerdict } from './posted-fairness.js';
import { requestLaw } from './request-law.js';
import type { LawResult } from './run-result.js';

/** Frames of real guests, whose drivers are their own: handed to the card, and of those not reported as sent. */
export interface RealGuestFrames {
  readonly posted: number;
  readonly held: number;
}

/** Guests that are below their due, and not because others are ahead: the law is not about them. */
export interface LimitedGuests {
  readonly cpuLimited: readonly string[];
  readonly ringLimited: readonly string[];
}

/** Checks the invariants of a whole machine at the end of its run, or of a session of real guests. */
export function checkLaws(
  machine: Machine,
  transmit: FairnessReport,
  receive: FairnessReport,
  fromDoorbell: PostedVerdict | undefined,
  { cpuLimited, ringLimited }: LimitedGuests,
  framesFromNic: number,
  real: RealGuestFrames = { posted: 0, held: 0 },
): LawResult[] {
  const { host } = machine;
  const laws = conservationLaws(machine, framesFromNic, real);
  const requests = requestLaw(machine);
  if (requests !== undefined) laws.push(requests);
  const law = lawsInto(laws);
  const { references } = host.pages;
  const pinsBalance = host.pages.pinsTaken - host.pages.pinsReleased;
  law(
    'pins',
    pinsBalance === references,
    `${pinsBalance} references taken and not released, ${references} held on ${host.pages.pinnedPages} pages`,
  );
  law(
    'transmit-fairness',
    transmit.broken === 0 && (fromDoorbell?.broken ?? 0) === 0,
    (fromDoorbell === undefined ? describeBound(transmit) : describePosted(transmit, fromDoorbell)) +
      (cpuLimited.length === 0 ? '' : `; CPU-limited: ${cpuLimited.join(', ')}`) +
      (ringLimited.length === 0 ? '' : `; ring-limited: ${ringLimited.join(', ')}`),
  );
  law('receive-fairness', receive.broken === 0, describeBound(receive));
  try {
    machine.checkInvariants();
    law('invariants', true, 'every part is in the state that it should be in');
  } catch (error) {
    law('invariants', false, error instanceof Error ? error.message : String(error));
  }
  return laws;
}

/** No frame vanishes: on the wire, from the guests, to the guests, from the far end. */
function conservationLaws(machine: Machine, framesFromNic: number, real: RealGuestFrames): LawResult[] {
  const { host, partner } = machine;
  const counters = host.nic.counters;
  const laws: LawResult[] = [];
  const law = lawsInto(laws);

  const sum = (of: (guest: GuestRun) => number) =>
    machine.guests.reduce((total, guest) => total + of(guest), 0);
  const drops = (reasons: readonly DropReason[]) =>
    reasons.reduce((total, reason) => total + counters.dropRow(reason).reduce((a, b) => a + b, 0), 0);

  const sent = counters.total('framesTransmitted');
  law(
    'wire-conservation',
    framesFromNic + counters.total('framesSwitched') >= sent && framesFromNic <= sent,
    `${sent} frames transmitted, ${framesFromNic} seen at the far end, ${counters.total('framesSwitched')} switched inside`,
  );
  const posted = sum(({ driver }) => driver.framesPosted) + real.posted;
  // Still in a ring, dropped when its port was closed, or dropped by the card: each is counted somewhere.
  const held = sum(({ driver }) => driver.framesQueued + driver.drops['port-closed']) + real.held;
  // An intermediary between guests and card accounts for its own part; `invariants` holds it to that.
  const between = host.protection.intermediary?.framesBetween ?? 0;
  const dropped = drops(['source-mac-spoofed', 'mac-control', 'dma-abort', 'context-stopped']);
  law(
    'transmit-conservation',
    sent <= posted && posted <= sent + held + dropped + between,
    `${posted} frames handed to the card, ${sent} transmitted, ${dropped} dropped, ${held} in rings (handed over or about to be), ${between} between`,
  );
  const { receive: inside, switching } = host.nic.framesInside;
  const arrived = partner.framesToNic + counters.total('framesSwitched') - switching;
  const { copies, framesDropped: givenUp } = host.nic.frameTally;
  const received = counters.total('framesReceived');
  law(
    'receive-conservation',
    // A frame for several contexts has an outcome for each of them.
    arrived + copies === received + givenUp.receive + inside &&
      givenUp.transmit + givenUp.receive === counters.totalDrops(),
    `${arrived} frames arrived, ${copies} copied, ${received} received, ${givenUp.receive} dropped by name, ${inside} inside`,
  );
  const offered = partner.framesOffered;
  const accounted = partner.framesToNic + partner.droppedFull + partner.framesWaiting;
  law(
    'far-end-conservation',
    offered === accounted,
    `${offered} frames offered by the far end, ${accounted} accounted for`,
  );
  return laws;
}

function lawsInto(laws: LawResult[]): (name: string, held: boolean, detail: string) => void {
  return (name, held, detail) => {
    laws.push({ law: name, held, detail });
  };
}

/** From the doorbell to the last take: what was measured, what is added to the bound of the discipline, and what broke. */
export function describePosted(known: FairnessReport, verdict: PostedVerdict): string {
  const broken = brokenParts(known, verdict);
  const ending = broken.length === 0 ? '' : `; broken: ${broken.join(', ')}`;
  return `${describeGap(known, verdict)}${ending}`;
}

function describeGap(known: FairnessReport, { largest, prefetchNs, longRun }: PostedVerdict): string {
  if (largest === undefined) return describeBound(known);
  const { gapBytes, boundBytes, addendBytes } = largest;
  const isBound = Number.isFinite(boundBytes);
  const bound = isBound
    ? `bound ${Math.round(boundBytes)} and ${Math.round(addendBytes)} for the FIFO and a prefetch of ${prefetchNs} ns`
    : 'no bound promised';
  const shares =
    longRun === undefined
      ? ''
      : `; ${longRun.contexts} contexts with frames all the time got ${longRun.least.toFixed(3)} to ${longRun.most.toFixed(3)} of equal shares by weight`;
  return `${isBound ? 'gap closest to its bound' : 'largest gap'} from the doorbell on ${Math.round(gapBytes)} bytes per unit of weight, ${bound}${shares}`;
}

/** Which parts of the law were broken, and how often. */
function brokenParts(known: FairnessReport, verdict: PostedVerdict): string[] {
  const pairs = (count: number) => `${count} ${count === 1 ? 'pair' : 'pairs'}`;
  return [
    ...(verdict.brokenPairs === 0 ? [] : [`${pairs(verdict.brokenPairs)} from the doorbell on`]),
    ...(verdict.brokenBefore === 0
      ? []
      : [`${pairs(verdict.brokenBefore)} before the window or a change of weights`]),
    ...(verdict.brokenShares === 0 ? [] : ['the shares of the window']),
    ...(known.broken === 0 ? [] : [`${pairs(known.broken)} from the arrival of descriptors on`]),
  ];
}

function describeBound(report: FairnessReport): string {
  if (report.pair === undefined) return 'no two contexts were backlogged together';
  const bound =
    report.boundBytes === undefined ? 'no bound promised' : `bound ${Math.round(report.boundBytes)}`;
  return `largest gap ${Math.round(report.largestGapBytes)} bytes per unit of weight, ${bound}`;
}

import { present } from '../../../scheduler/present.js';
import { tallyIn, total } from '../../../scheduler/tally.js';
import { documentLine } from '../../report/document-text.js';
import { type DocumentHead, documentHead } from '../../report/json-document.js';
import type { LiveMachine } from '../live-machine.js';
import { countsSince, type MappingCounts, mappingCounts, perFrame } from '../mapping-counts.js';

/** One guest over the last second, or however long it was. */
export interface GuestSample {
  readonly name: string;
  readonly state: 'waiting' | 'attached' | 'running' | 'paused' | 'stopped' | 'killed';
  readonly weight: number;
  /** Bits per second that it put on the wire, with preamble, FCS and gap, and that it received. */
  readonly sentBps: number;
  readonly receivedBps: number;
  /** Of what the card put on the wire, 0 to 1: emulated guests have a part that is listed nowhere. */
  readonly share: number;
  /** Of the time, 0 to 1; undefined where guests have no context of their own. */
  readonly backlogged: number | undefined;
  /** Frames dropped, and faults of the driver, of the hypervisor's log and of the session, since the start. */
  readonly drops: number;
  readonly faults: number;
}

/** The card over the last second. */
export interface LiveSample {
  readonly atNs: number;
  /** Bits per second that the card put on the wire, for emulated guests and for itself too. */
  readonly wireBps: number;
  readonly guests: readonly GuestSample[];
  /** CPU time that the modelled hypervisor took, 0 to 1 of one core, and what it was for. */
  readonly hypervisorCpu: number;
  readonly hypercalls: number;
  readonly pinnedPages: number;
  /** What the IOMMU was asked to do for each frame that real guests sent or received; absent where none was, or no IOMMU is. */
  readonly mappingsPerFrame?: MappingCounts;
}

/** A line of `serve --json`; scenarios/serve-document.schema.json is made from this type. */
export interface ServeDocumentJson extends DocumentHead<'serve'>, LiveSample {}

/** A sample as a line of JSON. */
export function sampleLine(sample: LiveSample): string {
  return documentLine(documentHead('serve'), { ...sample });
}

interface Before {
  readonly atNs: number;
  readonly allWireBytes: number;
  readonly wireBytes: readonly number[];
  readonly bytesReceived: readonly number[];
  readonly backloggedNs: readonly number[];
  readonly hypervisorNs: number;
  readonly hypercalls: number;
  readonly frames: number;
  readonly mappings: MappingCounts | undefined;
}

/** Takes samples of a live machine, each over the time since the last. */
export class LiveSampler {
  readonly #machine: LiveMachine;
  readonly #faults: number[];
  #before: Before;

  constructor(machine: LiveMachine) {
    this.#machine = machine;
    this.#faults = machine.guests.map(() => 0);
    machine.host.hypervisor.faults$.subscribe(({ domain }) => {
      const index = machine.guests.findIndex(({ name }) => name === domain);
      if (index >= 0) tallyIn(this.#faults, index);
    });
    this.#before = this.#now();
  }

  sample(): LiveSample {
    const before = this.#before;
    const now = this.#now();
    this.#before = now;
    const { guests, tallies, host } = this.#machine;
    const ns = Math.max(1, now.atNs - before.atNs);
    const gained = (of: 'wireBytes' | 'bytesReceived' | 'backloggedNs', index: number) =>
      present(now[of][index]) - present(before[of][index]);
    const all = now.allWireBytes - before.allWireBytes;
    const mappingsPerFrame = perFrame(countsSince(now.mappings, before.mappings), now.frames - before.frames);
    const ownContexts = host.protection.intermediary === undefined;
    return {
      atNs: now.atNs,
      wireBps: (all * 8e9) / ns,
      guests: guests.map((guest, index) => {
        const counts = tallies[index]?.counts(now.atNs);
        return {
          name: guest.name,
          state: stateOf(guest),
          weight: guest.device.share.now.weight,
          sentBps: (gained('wireBytes', index) * 8e9) / ns,
          receivedBps: (gained('bytesReceived', index) * 8e9) / ns,
          share: all === 0 ? 0 : gained('wireBytes', index) / all,
          backlogged: ownContexts ? Math.min(1, gained('backloggedNs', index) / ns) : undefined,
          drops: Object.values(counts?.drops ?? {}).reduce((sum, count) => sum + count, 0),
          faults: present(this.#faults[index]) + total(guest.device.faults) + total(guest.sessionFaults),
        };
      }),
      hypervisorCpu: (now.hypervisorNs - before.hypervisorNs) / ns,
      hypercalls: now.hypercalls - before.hypercalls,
      pinnedPages: host.pages.pinnedPages,
      ...(mappingsPerFrame === undefined ? {} : { mappingsPerFrame }),
    };
  }

  #now(): Before {
    const { kernel, tallies, host } = this.#machine;
    const atNs = kernel.nowNs;
    const counts = tallies.map((tally) => tally.counts(atNs));
    return {
      atNs,
      allWireBytes: this.#machine.wireBytesSent,
      wireBytes: counts.map(({ wireBytesSent }) => wireBytesSent),
      bytesReceived: counts.map(({ bytesReceived }) => bytesReceived),
      backloggedNs: counts.map(({ backloggedNs }) => backloggedNs),
      hypervisorNs: host.processor.nsOf(host.hypervisor.account),
      hypercalls: host.hypervisor.hypercalls,
      frames: counts.reduce((sum, { framesSent, framesReceived }) => sum + framesSent + framesReceived, 0),
      mappings: mappingCounts(host.protection),
    };
  }
}

/** What the virtual machine of a guest is doing. */
export function stateOf(guest: LiveMachine['guests'][number]): GuestSample['state'] {
  if (guest.domain.state === 'killed') return 'killed';
  if (guest.session === undefined) return 'waiting';
  if (guest.device.port !== undefined) return 'running';
  if (guest.device.pausable?.paused === true) return 'paused';
  return guest.device.lastFault === undefined ? 'attached' : 'stopped';
}

import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { present } from '../../scheduler/present.js';
import { LawBook } from './law-book.js';
import { type CapturedPass, type LabPlan, runLab, WIRE_OVERHEAD_BYTES } from './nic-fairness-lab.js';
import {
  BOUNDED,
  holdToBound,
  onWire,
  PROTECTIONS,
  padded,
  sender,
  transmitAddition,
  transmitPlan,
} from './nic-fairness-plans.js';

const laws = new LawBook('fairness beside a context that misbehaves');

/** When the guest that was made last misbehaves, ns. */
const MISBEHAVES_NS = 1_000_000;
const LASTS_NS = 4_000_000;

type Machine = Parameters<NonNullable<LabPlan['prepare']>>[0];

/** Ways to misbehave, each done by the guest that was made last. */
const MISBEHAVIOURS: Readonly<Record<string, (machine: Machine) => void>> = {
  'asks for more than its ring holds, and faults': ({ host, kernel, guests }) => {
    const villain = guests.at(-1);
    if (villain === undefined) throw new Error('no guest to misbehave');
    const ring = kernel.register('test.villain', () => {
      expect(host.window.write(villain.domain.id, villain.port.context, TX_PRODUCER, 0x7fff_ffff)).toBe(
        'done',
      );
    });
    kernel.scheduleAt(MISBEHAVES_NS, ring);
  },
  'is revoked': ({ host, kernel, guests }) => {
    const { context } = present(guests.at(-1)).port;
    const revoke = kernel.register('test.villain', () => host.hypervisor.revokeContext(context));
    kernel.scheduleAt(MISBEHAVES_NS, revoke);
  },
  'rings its doorbell every 100 ns': ({ host, kernel, guests }) => {
    const page = guests.at(-1)?.port.context ?? 0;
    const storm = kernel.register('test.villain', () => {
      // The value that is there: a doorbell that tells nothing new.
      host.window.writeNow(page, TX_PRODUCER, host.window.readNow(page, TX_PRODUCER));
      kernel.schedule(100, storm);
    });
    kernel.scheduleAt(MISBEHAVES_NS, storm);
  },
};

/** Offset in a context's page. */
const TX_PRODUCER = 0x00;

describe('a context that misbehaves does not move the shares of the others', () => {
  for (const [what, misbehave] of Object.entries(MISBEHAVIOURS)) {
    laws.law(
      what,
      fc.record({
        senders: fc.array(
          sender.map((one) => ({ ...one, weight: (one.weight % 9) + 1, bursts: false, startNs: 0 })),
          {
            minLength: 3,
            maxLength: 8,
          },
        ),
        quantumBytes: fc.constantFrom(500, 1514),
        creditBytes: fc.constantFrom(9018, 16_384),
        discipline: fc.constantFrom(...BOUNDED),
        protection: fc.constantFrom(...PROTECTIONS),
        seed: fc.nat({ max: 2 ** 31 - 1 }),
      }),
      6,
      (contest, substance) => {
        const { senders, creditBytes } = contest;
        const plan = transmitPlan(contest, LASTS_NS);
        const { transmitted, transmitWatch, machine } = runLab({ ...plan, prepare: misbehave });
        const villain = senders.length - 1;
        const smallest = Math.min(...senders.map(({ frameBytes }) => padded(frameBytes)));
        // Over intervals from before the moment to after it too, and the villain among them for as long as it waits.
        const { pairs } = holdToBound(
          transmitted,
          transmitWatch,
          (context) => onWire(senders[context]?.frameBytes ?? 60),
          (wi, wj) => transmitAddition(creditBytes, smallest, wi, wj),
        );
        // Nor does it cost them wire: from then on it is as busy as beside a context that behaves.
        const busy = (passes: readonly CapturedPass[]) =>
          passes.filter(({ atNs }) => atNs > MISBEHAVES_NS).reduce((sum, { bytes }) => sum + bytes * 8, 0);
        const control = runLab(plan);
        const inFifo = 8 * (creditBytes + Math.ceil(creditBytes / 60) * WIRE_OVERHEAD_BYTES);
        expect(busy(transmitted)).toBeGreaterThanOrEqual(0.98 * busy(control.transmitted) - inFifo);
        const after = transmitted.filter(({ atNs }) => atNs > MISBEHAVES_NS + 500_000);
        const faulted = machine.host.nic.contexts[villain]?.state !== 'open';
        if (faulted) expect(after.filter(({ context }) => context === villain)).toEqual([]);
        const storms = what.startsWith('rings');
        if (pairs > 1 && faulted !== storms && after.length > 10) substance();
      },
    );
  }

  laws.close();
});

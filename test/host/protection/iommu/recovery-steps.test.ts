import { describe, expect, it } from 'vitest';
import { QueueRecovery, SILENCE_LIMIT } from '../../../../host/protection/iommu/queue-recovery.js';
import type { UnitQueue } from '../../../../host/protection/iommu/unit-queue.js';
import type { QueueError, VendorOperations } from '../../../../host/protection/iommu/vendor-operations.js';
import { type RequesterId, requesterId } from '../../../../nic/addresses.js';

const [ONE, TWO] = [requesterId(0x100), requesterId(0x101)];
const GLOBAL_NS = 700;
const DEVICE_NS = 30;
/** Refusals in a row after which the queue is left alone. */
const REFUSALS = 16;

interface Command {
  readonly what: string;
}

/** A queue and a vendor's operations that write down what is asked of them; the test says what error there is. */
function bench(devices: readonly RequesterId[] = [ONE, TWO], ever = devices.length > 0) {
  const log: unknown[][] = [];
  let error: QueueError | undefined;
  const asked: boolean[] = [];
  const queue = {
    takeBack: (...all: readonly unknown[]) => log.push(['takeBack', ...all]),
    submit: ({ what }: Command, takesNs: number) => log.push([what, takesNs]),
    waitAgain: () => log.push(['wait']),
  };
  const operations = {
    queueError: (deviceTlbs: boolean) => {
      asked.push(deviceTlbs);
      return error;
    },
    resumeQueue: (of: QueueError) => log.push(['resume', of.kind]),
    invalidateDeviceTlb: (id: RequesterId, address: number, order: number | undefined) => ({
      what: `device ${id.toString(16)} from ${address}${order === undefined ? ', all' : ''}`,
    }),
    invalidateEverything: () => [{ what: 'contexts' }, { what: 'pages' }],
  };
  const recovery = new QueueRecovery<Command>(
    queue as unknown as UnitQueue<Command>,
    operations as unknown as VendorOperations<Command>,
    {
      giveUp: (id) => log.push(['give up', id]),
      devices: () => devices,
      everAnyDevice: () => ever,
      globalNs: GLOBAL_NS,
      deviceNs: DEVICE_NS,
    },
  );
  return {
    recovery,
    asked,
    /** Lets an error happen; returns what was done about it. */
    fail: (of: QueueError) => {
      error = of;
      const found = recovery.check();
      error = undefined;
      expect(found).toBe(true);
      return log.splice(0);
    },
    set: (of: QueueError | undefined) => {
      error = of;
    },
  };
}

const EVERYTHING = [['contexts', GLOBAL_NS], ['pages', GLOBAL_NS], ['wait']];
const silent = (id: RequesterId): QueueError => ({ kind: 'timed-out', requesterId: id });

describe('what the hypervisor does about an error of the queue', () => {
  it('is nothing without one, and what was reported is believed', () => {
    const { recovery, asked } = bench();
    expect([recovery.check(), recovery.counters, recovery.pending]).toEqual([
      false,
      { errors: 0, devicesStopped: 0 },
      false,
    ]);
    expect(asked[0]).toBe(true);
    expect(bench([], false).recovery.check()).toBe(false);
  });

  it('asks for silent devices only where there has been a device that may be silent', () => {
    const none = bench([], false);
    none.recovery.check();
    const gone = bench([], true);
    gone.recovery.check();
    expect([none.asked, gone.asked]).toEqual([[false], [true]]);
  });

  it('for a command that was refused (Linux, qi_check_fault): it is replaced, and everything is asked for anew', () => {
    const { fail, recovery } = bench();
    expect(fail({ kind: 'refused' })).toEqual([
      ['takeBack', true, undefined],
      ['resume', 'refused'],
      ...EVERYTHING,
    ]);
    expect(recovery.counters).toEqual({ errors: 1, devicesStopped: 0 });
  });

  it('for a device that is silent: it is asked again for all that it holds, before everything else', () => {
    const { fail } = bench();
    expect(fail(silent(TWO))).toEqual([
      ['takeBack', false, TWO],
      ['resume', 'timed-out'],
      ['device 101 from 0, all', DEVICE_NS],
      ...EVERYTHING,
    ]);
  });

  it('for an event that a full log has lost: every device is asked again', () => {
    const { fail } = bench();
    expect(fail({ kind: 'unknown' })).toEqual([
      ['takeBack', false, undefined],
      ['resume', 'unknown'],
      ['device 100 from 0, all', DEVICE_NS],
      ['device 101 from 0, all', DEVICE_NS],
      ...EVERYTHING,
    ]);
  });

  it('at the third silence in a row (Xen, XSA-373): the device is asked no more and given up, after all else was asked', () => {
    const { fail, recovery } = bench();
    for (let turn = 1; turn < SILENCE_LIMIT; turn += 1)
      expect(fail(silent(ONE)).some(([what]) => what === 'give up')).toBe(false);
    expect(fail(silent(ONE))).toEqual([
      ['takeBack', false, ONE],
      ['resume', 'timed-out'],
      ...EVERYTHING,
      ['give up', ONE],
    ]);
    expect(recovery.counters).toEqual({ errors: 3, devicesStopped: 1 });
    // Its next user begins at 0.
    expect(fail(silent(ONE)).some(([what]) => what === 'give up')).toBe(false);
  });

  it('counts the silences of each device for itself, and forgets them with a report that can be believed', () => {
    const { fail, recovery } = bench();
    const gaveUp = (id: RequesterId) => fail(silent(id)).some(([what]) => what === 'give up');
    expect([gaveUp(ONE), gaveUp(TWO), gaveUp(ONE), gaveUp(TWO)]).toEqual([false, false, false, false]);
    recovery.onReported();
    expect([gaveUp(ONE), gaveUp(ONE), gaveUp(ONE)]).toEqual([false, false, true]);
  });

  it('leaves a queue alone that refuses again and again: nothing is asked of it any more, and nothing believed', () => {
    const { fail, recovery, set } = bench();
    for (let turn = 0; turn < REFUSALS; turn += 1) expect(fail({ kind: 'refused' })).toHaveLength(5);
    expect(recovery.pending).toBe(false);
    expect(fail({ kind: 'refused' })).toEqual([['takeBack', true, undefined]]);
    expect([recovery.pending, recovery.check(), recovery.counters.errors]).toEqual([
      true,
      true,
      REFUSALS + 1,
    ]);
    set({ kind: 'refused' });
    expect([recovery.check(), recovery.counters.errors]).toEqual([true, REFUSALS + 1]);
  });

  it('counts refusals in a row: a report between begins anew, other errors do not count', () => {
    const { fail, recovery } = bench();
    for (let turn = 0; turn < REFUSALS; turn += 1) fail({ kind: 'refused' });
    recovery.onReported();
    for (let turn = 0; turn < REFUSALS; turn += 1) expect(fail({ kind: 'refused' })).toHaveLength(5);
    expect(fail({ kind: 'unknown' })).toHaveLength(7);
    expect(fail({ kind: 'refused' })).toHaveLength(1);
  });

  it('is pending from the moment at which the unit stands still until it is dealt with', () => {
    const { recovery, set, asked } = bench();
    set({ kind: 'refused' });
    expect([recovery.pending, asked]).toEqual([true, [false]]);
    recovery.check();
    set(undefined);
    expect(recovery.pending).toBe(false);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { QueueLock, type QueueLockOptions } from '../../../../host/protection/iommu/queue-lock.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { Machine } from '../../support/machine.js';
import { IommuLab, sendFrom } from './lab.js';

/** A machine with a lock and a guest per core, whose work can take it. */
class LockLab {
  readonly machine: Machine;
  readonly lock: QueueLock;
  readonly accounts: readonly number[];

  constructor(cores: number, options: Partial<QueueLockOptions>) {
    this.machine = new Machine(new PlainDma(), { host: { cores, hertz: 1e9 } });
    const { host } = this.machine;
    this.lock = new QueueLock(host, options);
    this.accounts = Array.from(
      { length: cores },
      (_, core) => host.createGuest(`core ${core}`, core).account,
    );
    // Set-up takes no time; what follows does.
    host.kernel.schedule(
      1,
      host.kernel.register('test', () => undefined),
    );
    this.machine.run(10);
  }

  /** A core runs for `beforeNs`, then takes the lock; answers in `after` when it has let go of it. */
  take(core: number, beforeNs: number, after: number[], how: 'submit' | 'map' = 'submit'): void {
    const { kernel, processor } = this.machine.host;
    const startNs = kernel.nowNs;
    const account = this.accounts[core] ?? 0;
    processor.post(account, () => {
      processor.spin(account, beforeNs);
      this.lock[how]();
      after[core] = kernel.nowNs + processor.elapsedNs - startNs;
    });
  }
}

describe('the lock of the queue', () => {
  test('costs a core that finds it free the time for which it is held', () => {
    const lab = new LockLab(1, { submissionNs: 300, tailWriteNs: 7_000 });
    const after: number[] = [];
    lab.take(0, 100, after);
    lab.machine.run(100_000);
    expect(after).toEqual([7_400]);
    expect(lab.lock.counters).toEqual({
      lockAcquisitions: 1,
      lockContended: 0,
      lockAbsences: 0,
      lockHeldNs: 7_300,
      lockWaitedNs: 0,
    });
  });

  test('is held by one core at a time: others spin in the order in which they asked', () => {
    const lab = new LockLab(3, { submissionNs: 1_000 });
    const after: number[] = [];
    for (const core of [0, 1, 2]) lab.take(core, 10 * core, after);
    lab.machine.run(100_000);
    expect(after).toEqual([1_000, 2_000, 3_000]);
    expect(lab.lock.counters).toMatchObject({ lockContended: 2, lockWaitedNs: 990 + 1_980 });
  });

  test('gives a gap that is long enough to a core that asks for an earlier moment, and no shorter one', () => {
    const lab = new LockLab(3, { submissionNs: 1_000, mapNs: 200 });
    const after: number[] = [];
    lab.take(0, 5_000, after);
    lab.take(1, 4_500, after);
    lab.take(2, 4_500, after, 'map');
    lab.machine.run(100_000);
    // The submission does not fit before 5,000; the map does.
    expect(after).toEqual([6_000, 7_000, 4_700]);
  });

  test('stands idle for a waiter that has left the guest, until it is back', () => {
    const lab = new LockLab(3, { submissionNs: 1_000, spinLimitNs: 1_500, returnNs: 40_000 });
    const after: number[] = [];
    for (const core of [0, 1, 2]) lab.take(core, 0, after);
    lab.machine.run(200_000);
    // The second waits for 1,000 ns and stays; the third has waited for 2,000 when its turn comes.
    expect(after).toEqual([1_000, 2_000, 43_000]);
    expect(lab.lock.counters.lockAbsences).toBe(1);
  });

  test('is left by a waiter after longer than its limit, counted from when it asked, late in a run too', () => {
    const lab = new LockLab(3, { submissionNs: 1_000, spinLimitNs: 1_000, returnNs: 40_000 });
    lab.machine.run(1_000_000);
    const after: number[] = [];
    for (const core of [0, 1, 2]) lab.take(core, 0, after);
    lab.machine.run(200_000);
    // The second has waited for exactly its limit.
    expect(after).toEqual([1_000, 2_000, 43_000]);
  });

  test('has a gap that is just long enough', () => {
    const lab = new LockLab(2, { submissionNs: 1_000, mapNs: 200, spinLimitNs: 10_000, returnNs: 40_000 });
    lab.machine.run(1_000_000);
    const after: number[] = [];
    lab.take(0, 5_000, after);
    lab.take(1, 4_800, after, 'map');
    lab.machine.run(100_000);
    expect(after).toEqual([6_000, 5_000]);
  });

  test('is taken by a batch of maps only where that is said', () => {
    const lab = new LockLab(1, { submissionNs: 1_000 });
    const after: number[] = [];
    lab.take(0, 0, after, 'map');
    lab.machine.run(10_000);
    expect(after).toEqual([0]);
    expect(lab.lock.counters.lockAcquisitions).toBe(0);
  });

  test('is never held twice, whenever cores ask, and what it counts adds up', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ core: fc.nat(3), waitNs: fc.nat(5_000), map: fc.boolean() }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 3_000 }),
        fc.integer({ min: 1, max: 20_000 }),
        (asks, submissionNs, spinLimitNs) => {
          const lab = new LockLab(4, { submissionNs, mapNs: 100, spinLimitNs, returnNs: 5_000 });
          for (const { core, waitNs, map } of asks) {
            lab.take(core, waitNs, [], map ? 'map' : 'submit');
            lab.lock.checkInvariants();
          }
          lab.machine.run(10_000_000);
          lab.lock.checkInvariants();
          const maps = asks.filter(({ map }) => map).length;
          expect(lab.lock.counters).toMatchObject({
            lockAcquisitions: asks.length,
            lockHeldNs: maps * 100 + (asks.length - maps) * submissionNs,
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([
    [{ submissionNs: -1 }, 'iommu.queueLock.submissionNs is -1, expected a time in ns >= 0'],
    [{ tailWriteNs: Number.NaN }, 'iommu.queueLock.tailWriteNs is NaN, expected a time in ns >= 0'],
    [{ returnNs: Number.POSITIVE_INFINITY }, 'iommu.queueLock.returnNs is Infinity'],
    [{ tailNs: 1 } as object, 'iommu.queueLock: tailNs'],
  ])('names what is wrong with its options: %o', (options, message) => {
    expect(() => new LockLab(1, options)).toThrow(message);
  });
});

describe.each(['vtd', 'amdvi'] as const)('a driver with a lock, %s', (vendor) => {
  test('takes it once for an invalidation and the wait behind it', () => {
    const lab = new IommuLab({ strategy: 'single-use', vendor, queueLock: { submissionNs: 100, mapNs: 50 } });
    const guest = lab.guest(1);
    lab.settle();
    const taken = () => lab.details('lockAcquisitions');
    const before = taken();
    sendFrom(guest, guest.page());
    // The batch of maps.
    expect(taken() - before).toBe(1);
    lab.settle();
    guest.reclaim();
    expect(taken() - before).toBe(2);
  });

  test('counts nothing of a lock where there is none', () => {
    expect(IommuLab.with('single-use', vendor).iommu.counters().details).not.toHaveProperty('lockHeldNs');
  });
});

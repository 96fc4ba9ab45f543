import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COSTS, type CostName } from '../../../../host/cpu/costs.js';
import { Iommu } from '../../../../host/protection/iommu/iommu.js';
import { type CommandKind, UnitQueue } from '../../../../host/protection/iommu/unit-queue.js';
import { hostPhysicalAddress, ioPageNumber, pageNumber } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { Machine } from '../../support/machine.js';

const FREE = Object.fromEntries(Object.keys(COSTS).map((name) => [name, 0]));
const SLOT_BYTES = 16;
const SLOTS = 4;

interface Command {
  label: string;
}

/** A label says what it is: `wait 3`, `device 17`, or any other command. */
function kindOf(label: string): CommandKind {
  const [kind, number] = label.split(' ');
  if (kind === 'device') return Number(number);
  return kind === 'wait' ? 'wait' : 'other';
}

/** A unit that does nothing of its own accord: the test says when it takes a command and when it reports. */
class PatientUnit {
  readonly taken: string[] = [];
  readonly queue: UnitQueue<Command>;
  readonly #ring = new Map<number, string>();
  readonly #statusWord: number;
  readonly machine: Machine;
  #head = 0;
  #tail = 0;

  constructor(costs: Partial<Record<CostName, number>> = {}) {
    this.machine = new Machine(new Iommu({ strategy: 'single-use' }), { host: { costs } });
    const parts = this.machine.host;
    const base = parts.hypervisor.allocateOwn('io-table', SLOTS * SLOT_BYTES);
    this.#statusWord = parts.hypervisor.allocateOwn('io-table', 4);
    this.queue = new UnitQueue<Command>(parts, {
      base,
      slotBytes: SLOT_BYTES,
      slots: SLOTS,
      statusWord: hostPhysicalAddress(this.#statusWord),
      fetchNs: 10,
      statusNs: 10,
      write: (at, { label }) => this.#ring.set(at - base, label),
      head: () => this.#head,
      moveTail: (offset) => {
        this.#tail = offset;
      },
      wait: (number) => ({ label: `wait ${number}` }),
      nothing: { label: 'nothing' },
      kindAt: (at) => kindOf(this.#ring.get(at - base) ?? 'nothing'),
      kindOf: ({ label }) => kindOf(label),
    });
  }

  /** Takes up to so many commands; a wait is reported. */
  work(count: number): void {
    for (let step = 0; step < count && this.#head !== this.#tail; step += 1) {
      const label = this.#ring.get(this.#head) ?? 'nothing';
      this.#head = (this.#head + SLOT_BYTES) % (SLOTS * SLOT_BYTES);
      this.taken.push(label);
      const [, number] = /^wait (\d+)$/u.exec(label) ?? [];
      if (number === undefined) continue;
      this.machine.host.memory.writeU32(hostPhysicalAddress(this.#statusWord), Number(number));
      this.queue.onReported();
    }
  }
}

describe('the software side of a queue', () => {
  it('takes a command as it is when it is handed over, even if it has to wait for space', () => {
    const unit = new PatientUnit();
    const command = { label: '' };
    const labels = Array.from({ length: 9 }, (_, index) => `command ${index}`);
    for (const label of labels) {
      command.label = label;
      unit.queue.submit(command, 100);
    }
    unit.queue.wait(() => undefined);
    command.label = 'overwritten';
    // The ring holds three; what is behind them goes in when a command is handed over, or a wait is reported.
    unit.work(3);
    unit.queue.submit({ label: 'last' }, 100);
    unit.work(3);
    unit.queue.submit({ label: 'very last' }, 100);
    unit.work(99);
    unit.queue.submit({ label: 'after' }, 100);
    unit.work(99);
    expect(unit.taken).toEqual([...labels, 'wait 1', 'last', 'very last', 'after']);
  });

  it('takes back every wait that is not reported, and what a silent device is still to be asked', () => {
    const unit = new PatientUnit();
    const reported: number[] = [];
    const ask = (label: string, number: number) => {
      unit.queue.submit({ label }, 100);
      unit.queue.wait(() => reported.push(number));
    };
    ask('command 0', 0);
    unit.work(2);
    ask('device 17', 1);
    ask('device 18', 2);
    unit.work(1);
    // In the ring: the wait for 17, device 18. On their way: the wait for 18.
    unit.queue.takeBack(false, 18);
    unit.queue.submit({ label: 'everything' }, 100);
    unit.queue.waitAgain();
    unit.work(99);
    expect(unit.taken).toEqual([
      ...['command 0', 'wait 1', 'device 17'],
      ...['wait 1', 'nothing', 'everything', 'wait 3'],
    ]);
    expect(reported).toEqual([0, 1, 2]);
    expect(unit.queue.waiting).toBe(0);
  });

  it('puts nothing in the place of a command that the unit refused', () => {
    const unit = new PatientUnit();
    unit.queue.submit({ label: 'bad' }, 100);
    unit.queue.submit({ label: 'good' }, 100);
    unit.queue.takeBack(true, undefined);
    // Nothing is waited for, so nothing is waited for again.
    unit.queue.waitAgain();
    unit.work(99);
    expect(unit.taken).toEqual(['nothing', 'good']);
  });

  it('keeps what is still on its way to the ring when it takes back, but for waits and the silent device', () => {
    const unit = new PatientUnit();
    const reported: number[] = [];
    for (const label of ['first', 'second', 'third', 'device 17', 'fourth', 'device 18', 'fifth'])
      unit.queue.submit({ label }, 100);
    unit.queue.wait(() => reported.push(1));
    unit.queue.submit({ label: 'sixth' }, 100);
    // The ring holds three of them; everything else waits.
    unit.queue.takeBack(false, 17);
    unit.queue.waitAgain();
    for (let round = 0; round < 4; round += 1) {
      unit.work(SLOTS);
      unit.queue.onReported();
    }
    expect(unit.taken).toEqual([
      ...['first', 'second', 'third', 'fourth', 'device 18', 'fifth', 'sixth'],
      'wait 1',
    ]);
    expect(reported).toEqual([1]);
    expect(unit.queue.waiting).toBe(0);
  });

  describe('charges a CPU for the time that it polled in vain when the unit has stopped', () => {
    const spent = (prepare: (queue: UnitQueue<Command>) => void) => {
      const unit = new PatientUnit();
      const { kernel, host } = unit.machine;
      prepare(unit.queue);
      kernel.run(kernel.nowNs + 5_000_000);
      const before = host.processor.cyclesOf(host.hypervisor.account);
      unit.queue.takeBack(false, undefined);
      return (host.processor.cyclesOf(host.hypervisor.account) - before) / 2.4;
    };
    const ask = (queue: UnitQueue<Command>) => {
      queue.submit({ label: 'command' }, 990);
      queue.wait(() => undefined);
    };

    it('if one polled for all that was asked', () => {
      const late = spent((queue) => {
        ask(queue);
        queue.spin();
      });
      // It was charged for the command (990 and 10 ns) and the wait (10 and 10 ns) when it began to poll.
      expect(late).toBeCloseTo(5_000_000 - 1_020, 0);
    });

    it('not if nobody polled, or for less, or nothing is waited for', () => {
      expect(spent(ask)).toBe(0);
      const polledBefore = (queue: UnitQueue<Command>) => {
        ask(queue);
        queue.spin();
        ask(queue);
      };
      expect(spent(polledBefore)).toBe(0);
      expect(spent(() => undefined)).toBe(0);
    });
  });

  it('counts the unit’s time from where the CPU’s work has come, not from where it began', () => {
    const unit = new PatientUnit(FREE);
    const { machine, queue } = unit;
    const { processor, hypervisor } = machine.host;
    const spent: number[] = [];
    machine.run(10_000);
    processor.post(hypervisor.account, () => {
      processor.spin(hypervisor.account, 2_000);
      queue.submit({ label: 'command' }, 990);
      queue.wait(() => undefined);
      queue.spin();
      spent.push(processor.elapsedNs);
      // The unit has nothing more to do: polling again takes no time.
      queue.spin();
      spent.push(processor.elapsedNs);
    });
    machine.kernel.run(machine.kernel.nowNs + 10_000);
    expect(spent).toEqual([2_000 + 1_000 + 20, 2_000 + 1_000 + 20]);
    unit.work(9);
  });

  it('reports every wait once, in order, with its own numbers, however the unit dawdles', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('command' as const) }),
      fc.record({ kind: fc.constant('wait' as const) }),
      fc.record({ kind: fc.constant('work' as const), count: fc.integer({ min: 1, max: 5 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const unit = new PatientUnit();
        const reported: number[][] = [];
        const asked: (readonly number[])[] = [];
        const expected: string[] = [];
        for (const [index, one] of steps.entries()) {
          if (one.kind === 'work') {
            unit.work(one.count);
          } else if (one.kind === 'command') {
            expected.push(`command ${index}`);
            unit.queue.submit({ label: `command ${index}` }, 5);
          } else {
            const numbers = [index * 2 ** 41, index, index + 0.5] as const;
            asked.push(numbers);
            expected.push(`wait ${asked.length}`);
            unit.queue.wait(
              (...given) => reported.push(given),
              ioPageNumber(numbers[0]),
              numbers[1],
              pageNumber(numbers[2]),
            );
          }
          expect(unit.queue.waiting).toBe(asked.length - reported.length);
        }
        // A wait at the end, so that everything before it is asked to move.
        unit.queue.wait(() => undefined);
        expected.push(`wait ${asked.length + 1}`);
        for (let round = 0; round < steps.length + 2; round += 1) {
          unit.work(SLOTS);
          unit.queue.onReported();
        }
        expect(unit.taken).toEqual(expected);
        expect(reported).toEqual(asked);
        expect(unit.queue.waiting).toBe(0);
      }),
      { numRuns: runs(150) },
    );
  });
});

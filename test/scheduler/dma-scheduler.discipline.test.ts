import { describe, expect, it } from 'vitest';
import { type ContextId, contextId } from '../../scheduler/branded.js';
import { NONE } from '../../scheduler/discipline.js';
import { LabLink } from './lab-link.js';
import { WatchedRoundRobin } from './watched-round-robin.js';

describe('a discipline in the DMA scheduler', () => {
  /** Serves one context per microsecond, and rounds the time of the next turn as badly as allowed. */
  class Metronome extends WatchedRoundRobin {
    #notBeforeNs = 0;

    override select(nowNs: number): ContextId {
      const chosen = super.select(nowNs);
      return nowNs < this.#notBeforeNs ? NONE : chosen;
    }

    override served(context: number, bytes: number, nextHeadBytes: number, nowNs: number): void {
      super.served(contextId(context), bytes, nextHeadBytes, nowNs);
      this.#notBeforeNs = nowNs + 1_000;
    }

    nextEligibleNs(nowNs: number): number {
      return nowNs === 0 ? 999.5 : Math.min(this.#notBeforeNs, nowNs + 500) - 0.25;
    }
  }

  it('that names an eligible time is asked at that time, and rounding does not stop the clock', () => {
    const machine = new LabLink(new Metronome());
    machine.join(0);
    machine.post(0, 100, 4);
    machine.kernel.drain();
    expect(machine.grants.map(({ atNs }) => atNs)).toEqual([0, 1_000, 2_000, 3_000]);
    expect(machine.kernel.pending).toBe(0);
  });

  it('has at most one alarm, and none when no context waits or after stop', () => {
    const machine = new LabLink(new Metronome(), { sends: false });
    for (let context = 0; context < 9; context += 1) machine.join(context);
    machine.post(0, 100, 2);
    machine.kernel.run(10);
    for (let context = 1; context < 9; context += 1) {
      machine.post(context, 100, 1);
      machine.kernel.run(10 + context);
      expect(machine.kernel.pending).toBe(1);
    }
    for (let context = 0; context < 9; context += 1) machine.scheduler.withdraw(contextId(context));
    machine.kernel.run(100);
    expect(machine.kernel.pending).toBe(0);
    machine.post(3, 100, 1);
    machine.kernel.run(101);
    machine.scheduler.stop();
    expect(machine.kernel.pending).toBe(0);
  });

  it('that is always too early is asked one nanosecond later, not at the same instant for ever', () => {
    class Early extends Metronome {
      override nextEligibleNs(nowNs: number): number {
        return nowNs;
      }
    }
    const machine = new LabLink(new Early());
    machine.join(0);
    machine.post(0, 100, 2);
    machine.kernel.drain(5_000);
    expect(machine.grants.map(({ atNs }) => atNs)).toEqual([0, 1_000]);
  });

  it('that serves no backlogged context and names no eligible time violates its contract', () => {
    class Asleep extends WatchedRoundRobin {
      override select(): ContextId {
        return NONE;
      }
    }
    const machine = new LabLink(new Asleep());
    machine.join(0);
    machine.post(0, 100, 1);
    expect(() => machine.kernel.drain()).toThrow(
      'nic.transmit: watched serves none of the 1 contexts that are backlogged',
    );
  });

  it('that selects a context without a backlog is a defect', () => {
    class Confused extends WatchedRoundRobin {
      override select(): ContextId {
        return contextId(1);
      }
    }
    const machine = new LabLink(new Confused());
    machine.join(0);
    machine.join(1);
    machine.post(0, 100, 1);
    expect(() => machine.kernel.drain()).toThrow('watched selected context 1, which has no backlog');
  });
});

import { describe, expect, it } from 'vitest';
import { contextId } from '../../scheduler/branded.js';
import { STARVED } from '../../scheduler/discipline.js';
import { DISCIPLINES, makeDiscipline } from '../../scheduler/disciplines/index.js';
import { DmaScheduler } from '../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { LabLink } from './lab-link.js';
import { WatchedRoundRobin } from './watched-round-robin.js';

describe('with every discipline', () => {
  for (const { name } of DISCIPLINES) {
    it(`${name}: every frame of every context is granted once, in order, and all credit is returned`, () => {
      const machine = new LabLink(makeDiscipline(name, { linkBps: 1e9 }));
      for (let context = 0; context < 8; context += 1) {
        machine.join(context, 1 + (context % 3));
        machine.post(context, 60 + context * 200, 40);
      }
      machine.kernel.drain();
      machine.scheduler.checkInvariants();
      for (let context = 0; context < 8; context += 1) {
        expect(machine.granted.filter((who) => who === context)).toHaveLength(40);
        expect(machine.headBytes(context)).toBe(0);
      }
      expect(machine.scheduler.creditBytes).toBe(20_000);
      expect(machine.scheduler.backlogged).toBe(0);
    });

    it(`${name}: the first packet of all, alone at time zero, is granted (virtual time divides by zero on the first packet)`, () => {
      const machine = new LabLink(makeDiscipline(name, { linkBps: 1e9 }));
      machine.kernel.drain();
      machine.join(7);
      machine.post(7, 60, 1);
      machine.kernel.drain();
      expect(machine.grants).toEqual([{ context: 7, bytes: 60, atNs: 0, creditBytes: 19_940, reason: name }]);
    });

    it(`${name}: without contexts nothing happens, and a doorbell for an unknown context does no harm`, () => {
      const machine = new LabLink(makeDiscipline(name, { linkBps: 1e9 }));
      for (const unknown of [0, -1, 1e9, Number.NaN, 0.5]) machine.ring(unknown);
      machine.kernel.drain();
      machine.scheduler.leave(contextId(3));
      machine.scheduler.withdraw(contextId(3));
      machine.scheduler.checkInvariants();
      expect(machine.granted).toEqual([]);
    });
  }
});

describe('doorbells', () => {
  it('from inside a completion callback give no second position in the queue (double activation through re-entry)', () => {
    const machine = new LabLink(new WatchedRoundRobin());
    machine.join(0);
    machine.join(1);
    machine.onGrant = (context) => {
      for (let again = 0; again < 3; again += 1) machine.ring(context);
      machine.ring(1 - context);
    };
    machine.post(0, 100, 6);
    machine.post(1, 100, 6);
    machine.kernel.drain();
    expect(machine.granted).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
  });

  it('at one instant count as one', () => {
    const machine = new LabLink(new WatchedRoundRobin());
    machine.join(0);
    machine.join(1);
    machine.post(0, 100, 3);
    for (let ring = 0; ring < 10_000; ring += 1) machine.ring(0);
    machine.post(1, 100, 3);
    machine.kernel.drain();
    expect(machine.granted).toEqual([0, 1, 0, 1, 0, 1]);
    expect(machine.kernel.executed).toBeLessThan(20);
  });

  it.each([
    ['before its grant', 1],
    ['after its grant', 2],
  ])(
    'that land while a dequeue %s fails are not lost (doorbell lost while a dequeue fails)',
    (_when, which) => {
      const machine = new LabLink(new WatchedRoundRobin());
      machine.join(0);
      machine.post(0, 100, 1);
      // The queue is empty when the scheduler reads it; the next frame and its doorbell arrive during that call.
      const queue = machine.queues.get(0) ?? [];
      let asked = 0;
      machine.headBytes = () => {
        asked += 1;
        if (asked !== which) return queue[0] ?? 0;
        queue.splice(0, 1, 300);
        machine.ring(0);
        return 0;
      };
      machine.kernel.drain();
      machine.scheduler.checkInvariants();
      expect(machine.grants.map(({ bytes }) => bytes)).toEqual(which === 1 ? [300] : [100, 300]);
      expect(machine.headBytes(0)).toBe(0);
    },
  );

  it('that land while another doorbell finds nothing are not lost', () => {
    const kernel = new EventKernel();
    const queue: number[] = [];
    let asked = 0;
    const headBytes = (): number => {
      asked += 1;
      if (asked > 1) return queue[0] ?? 0;
      queue.push(300);
      scheduler.ring(contextId(0));
      return 0;
    };
    const scheduler = new DmaScheduler(kernel, {
      name: 'lab',
      discipline: new WatchedRoundRobin(),
      heads: { headBytes },
      onGrant: () => queue.shift(),
    });
    scheduler.credit(1_000);
    scheduler.join(contextId(0), { weight: 1 });
    scheduler.ring(contextId(0));
    kernel.drain();
    expect([scheduler.decisions, scheduler.creditBytes]).toEqual([1, 700]);
  });

  it('that precede a visible frame take effect when they are repeated', () => {
    const machine = new LabLink(new WatchedRoundRobin());
    machine.join(0);
    machine.ring(0);
    machine.kernel.drain();
    expect(machine.granted).toEqual([]);
    machine.post(0, 100, 1);
    machine.kernel.drain();
    expect(machine.granted).toEqual([0]);
  });
});

describe('credit', () => {
  it('does not accumulate while idle (a context that returns owns the wire until it has caught up)', () => {
    const machine = new LabLink(makeDiscipline('drr'));
    for (const context of [0, 1]) machine.join(context);
    machine.post(1, 1_514, 1);
    machine.post(0, 1_514, 3_000);
    const longIdleNs = 20_000_000;
    machine.kernel.run(longIdleNs);
    machine.post(1, 1_514, 1_000);
    machine.kernel.run(longIdleNs + 2_000_000);
    const [stayed, cameBack] = [machine.bytesOf(0, longIdleNs), machine.bytesOf(1, longIdleNs)];
    expect(cameBack).toBeGreaterThan(100_000);
    expect(Math.abs(stayed - cameBack)).toBeLessThanOrEqual(3 * 1_514);
  });

  it('is bytes, not packets (packets counted, not bytes)', () => {
    const machine = new LabLink(makeDiscipline('drr'));
    for (const context of [0, 1]) machine.join(context);
    machine.post(0, 64, 20_000);
    machine.post(1, 9_000, 200);
    machine.kernel.run(5_000_000);
    expect(machine.bytesOf(1)).toBeGreaterThan(200_000);
    expect(Math.abs(machine.bytesOf(0) - machine.bytesOf(1))).toBeLessThanOrEqual(2 * (9_000 + 1_514));
  });

  it('holds back the selected frame until it fits, and lets no smaller one overtake it', () => {
    const machine = new LabLink(new WatchedRoundRobin(), { creditBytes: 2_000, sends: false });
    for (const context of [0, 1, 2]) machine.join(context);
    machine.post(0, 1_500, 1);
    machine.post(1, 1_400, 1);
    machine.post(2, 60, 1);
    machine.kernel.drain();
    expect(machine.granted).toEqual([0]);
    machine.giveBack(899);
    machine.kernel.drain();
    expect(machine.granted).toEqual([0]);
    machine.giveBack(1);
    machine.kernel.drain();
    expect(machine.granted).toEqual([0, 1]);
    expect(machine.scheduler.creditBytes).toBe(0);
  });

  it('when the frame that blocks the others is withdrawn, the others are granted at once', () => {
    const machine = new LabLink(new WatchedRoundRobin(), { creditBytes: 2_000, sends: false });
    for (const context of [0, 1, 2]) machine.join(context);
    machine.post(0, 1_500, 1);
    machine.post(1, 1_400, 1);
    machine.post(2, 60, 1);
    machine.kernel.drain();
    machine.scheduler.withdraw(contextId(1));
    machine.kernel.drain();
    expect(machine.granted).toEqual([0, 2]);
  });

  it.each([1, -1, 0.5, Number.NaN, Infinity])(
    '%d bytes returned that were never granted are a defect',
    (bytes) => {
      const machine = new LabLink(new WatchedRoundRobin());
      expect(() => machine.giveBack(bytes)).toThrow(/^nic\.transmit: the link returned/);
      expect(machine.scheduler.creditBytes).toBe(20_000);
    },
  );

  it('a frame that can never fit is an error, not a wait', () => {
    const machine = new LabLink(new WatchedRoundRobin(), { creditBytes: 1_000 });
    machine.join(0);
    machine.post(0, 1_001, 1);
    expect(() => machine.kernel.drain()).toThrow('nic.transmit: context 0 has a frame of 1001 bytes');
  });
});

describe('members', () => {
  it('leave and rejoin in every state', () => {
    const machine = new LabLink(new WatchedRoundRobin());
    machine.scheduler.leave(contextId(0));
    machine.join(0);
    machine.scheduler.leave(contextId(0));
    machine.join(0);
    machine.post(0, 100, 2);
    machine.scheduler.leave(contextId(0));
    machine.kernel.drain();
    machine.scheduler.checkInvariants();
    expect(machine.granted).toEqual([]);
    machine.join(0);
    machine.onGrant = () => {
      machine.scheduler.leave(contextId(0));
      machine.scheduler.join(contextId(0), { weight: 1 });
      machine.ring(0);
    };
    machine.post(0, 100, 3);
    machine.kernel.drain();
    machine.scheduler.checkInvariants();
    expect(machine.granted).toEqual([0, 0, 0]);
  });

  it('join once, under a valid number', () => {
    const machine = new LabLink(new WatchedRoundRobin());
    machine.join(4_095);
    expect(() => machine.join(4_095)).toThrow('context 4095 takes part already');
    for (const bad of [-1, 0.5, Number.NaN]) expect(() => machine.join(bad)).toThrow(`context is ${bad}`);
    machine.post(4_095, 100, 1);
    machine.kernel.drain();
    expect(machine.granted).toEqual([4_095]);
  });

  it('after stop nothing is granted', () => {
    const machine = new LabLink(new WatchedRoundRobin());
    machine.join(0);
    machine.post(0, 100, 1);
    machine.scheduler.stop();
    machine.post(0, 100, 1);
    machine.kernel.drain();
    expect(machine.granted).toEqual([]);
  });
});

describe('a starved context that is waited for', () => {
  /** Two contexts of equal weight; context 0 has `known` frames that are there, the others come when `land` is called. */
  function lab() {
    const link = new LabLink(makeDiscipline('drr', { quantumBytes: 1000 }), { waitsForStarved: true });
    let hidden = false;
    const inner = link.headBytes.bind(link);
    link.headBytes = (context) => (context === 0 && hidden ? STARVED : inner(context));
    link.join(0);
    link.join(1);
    return {
      link,
      hide: () => {
        hidden = true;
      },
      land: () => {
        hidden = false;
        link.ring(0);
      },
    };
  }

  it('keeps its deficit: the others wait for it while the link is busy', () => {
    const { link, hide, land } = lab();
    link.onGrant = () => {
      if (link.granted.length === 3) hide();
    };
    link.post(0, 100, 400);
    link.post(1, 1000, 40);
    link.kernel.run(1000);
    // Its visit is not over: 300 of 1,000 bytes are served, and the link has 300 to send.
    expect(link.granted).toEqual([0, 0, 0]);
    land();
    link.kernel.run(100_000);
    expect(link.granted.slice(0, 12)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    link.scheduler.checkInvariants();
  });

  it('is passed over when the link has nothing left to send, and comes back with its doorbell', () => {
    const { link, hide, land } = lab();
    link.onGrant = () => {
      if (link.granted.length === 3) hide();
    };
    link.post(0, 100, 4);
    link.post(1, 1000, 3);
    link.kernel.drain();
    expect(link.granted).toEqual([0, 0, 0, 1, 1, 1]);
    expect(link.scheduler.backlogged).toBe(0);
    land();
    link.kernel.drain();
    expect(link.granted).toEqual([0, 0, 0, 1, 1, 1, 0]);
    link.scheduler.checkInvariants();
  });

  it('that is withdrawn is charged for its last frame and waited for no longer', () => {
    const { link, hide } = lab();
    link.onGrant = () => {
      if (link.granted.length === 1) hide();
    };
    link.post(0, 100, 4);
    link.post(1, 1000, 2);
    link.kernel.run(100);
    expect(link.granted).toEqual([0]);
    link.scheduler.leave(contextId(0));
    link.kernel.drain();
    expect(link.granted).toEqual([0, 1, 1]);
    link.scheduler.checkInvariants();
  });
});

import { describe, expect, it } from 'vitest';
import { DeficitRoundRobin } from '../../../scheduler/disciplines/deficit-round-robin.js';
import { FifoDrain } from '../../../scheduler/disciplines/fifo-drain.js';
import { PacketRoundRobin } from '../../../scheduler/disciplines/packet-round-robin.js';
import { checkDiscipline } from '../../../scheduler/laws/index.js';

describe('the laws', () => {
  it.each([64, 1514, 9018])('hold for deficit round robin with a quantum of %i', (quantumBytes) => {
    const report = checkDiscipline(() => new DeficitRoundRobin({ quantumBytes }));
    expect(report.runs).toBe(200);
    expect(report.gapChecks).toBeGreaterThan(1000);
    expect(report.largestGapRatio).toBeGreaterThan(0.5);
  });

  it('hold for packet round robin, which bounds waiting only', () => {
    const report = checkDiscipline(() => new PacketRoundRobin(), {
      starvationBound: (_waiting, others) => others.reduce((sum, other) => sum + other.maxFrameBytes, 0),
    });
    expect(report.starvationChecks).toBeGreaterThan(1000);
  });

  it('catch FIFO drain starving the rest as soon as a bound is set', () => {
    expect(() =>
      checkDiscipline(() => new FifoDrain(), {
        starvationBound: (_waiting, others) => others.reduce((sum, other) => sum + other.maxFrameBytes, 0),
      }),
    ).toThrow('no context starves');
  });

  it('catch packet round robin counting frames where bytes were promised', () => {
    const check = () => checkDiscipline(() => new PacketRoundRobin(), { bound: () => 3 * 9018 });
    expect(check).toThrow('prr breaks "shares follow weights"');
    // The timeline comes with it: which context joined with which weight, what arrived, what was granted, and how to repeat it.
    expect(check).toThrow(/joins w=\d+/);
    expect(check).toThrow(/^ +0 .* \+\d+/m);
    expect(check).toThrow(/^ +\d+ .* > \d+/m);
    expect(check).toThrow(/found with seed -?\d+ after \d+ runs/);
  });
});

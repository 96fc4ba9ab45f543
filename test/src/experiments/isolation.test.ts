import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { DISCIPLINES } from '../../../scheduler/disciplines/index.js';
import { DISCIPLINE_PROMISES, promiseOf } from '../../../src/experiments/isolation/expected.js';
import { isolation } from '../../../src/experiments/isolation/experiment.js';
import { HOSTILITIES } from '../../../src/experiments/isolation/hostilities.js';
import {
  type IsolationCell,
  type IsolationResult,
  judged,
  type VictimTime,
} from '../../../src/experiments/isolation/measure.js';
import { chartSvg } from '../../../src/report/charts/draw.js';

const stored = JSON.parse(
  readFileSync(new URL('../../../src/experiments/isolation/result.json', import.meta.url), 'utf8'),
) as IsolationResult;

const placeOf = ({ approach, discipline, hostility }: IsolationCell) =>
  `${approach} ${discipline} ${hostility}`;

describe('the stored cells', () => {
  it('are every approach under every discipline, and every hostility under deficit round robin', () => {
    const disciplines = DISCIPLINE_PROMISES.map(({ discipline }) => discipline);
    for (const { name } of DISCIPLINES) expect(disciplines).toContain(name);
    const places = new Set(stored.cells.map(placeOf));
    expect(places.size).toBe(stored.cells.length);
    for (const { name } of APPROACHES) {
      for (const discipline of disciplines) expect(places).toContain(`${name} ${discipline} jumbo-flood`);
      for (const hostility of HOSTILITIES) expect(places).toContain(`${name} drr ${hostility.name}`);
    }
  });

  it('break no promise', () => {
    expect(stored.cells.filter(({ verdict }) => verdict === 'broken').map(placeOf)).toEqual([]);
  });

  it('let nothing foreign leave, but where no page is guarded', () => {
    for (const hostility of ['foreign-descriptors', 'faulting-dma', 'garbage-descriptors']) {
      for (const { approach, after } of stored.cells.filter((cell) => cell.hostility === hostility)) {
        const open = (approach === 'none' || approach === 'nodma') && hostility !== 'garbage-descriptors';
        if (open) expect(after.neighbour_mbps).toBeGreaterThan(700);
        else expect(after.neighbour_mbps).toBe(0);
      }
    }
  });

  it('have gaps within the bounds of their disciplines', () => {
    for (const { largest_gap_bytes, gap_bound_bytes } of stored.cells)
      expect(largest_gap_bytes).toBeLessThanOrEqual(gap_bound_bytes ?? Number.POSITIVE_INFINITY);
  });

  it('leave the victims nothing under fifo, half under rounds by frames, and all by bytes', () => {
    const served = (discipline: string) =>
      stored.cells.find((cell) => placeOf(cell) === `cdna ${discipline} jumbo-flood`)?.after.steady_served
        .mean;
    expect(served('fifo')).toBe(0);
    // A frame of 9,018 bytes and one of each victim go round: 1 / (9,042 + 1,024 + ...) of the wire's 125 MB per second.
    expect(served('prr')).toBeGreaterThan(0.45);
    expect(served('prr')).toBeLessThan(0.55);
    for (const discipline of ['drr', 'sfq', 'qfq', 'priority', 'minimum:drr'])
      expect(served(discipline)).toBeGreaterThan(0.98);
  });

  it('are printed and drawn', () => {
    const { text, figures } = isolation.present(stored);
    for (const { name } of APPROACHES)
      expect(text.split('\n').filter((line) => line.startsWith(`${name} `)).length).toBeGreaterThan(25);
    for (const { chart } of figures)
      if (chart !== undefined) expect(chartSvg(chart, 'narrow')).toMatch(/<g class="data"><path/u);
  });
});

describe('a verdict', () => {
  const time = (served: number, waitUs: number): VictimTime => {
    const spread = (value: number) => ({ mean: value, least: value, most: value });
    return {
      steady_served: spread(served),
      steady_p99_us: spread(waitUs),
      answers_per_s: 1,
      asking_p99_us: spread(waitUs),
      neighbour_mbps: 1,
    };
  };
  const before = time(1, 10);
  const promise = { rate: true, wait: true, laterUs: 100, silent: false };

  it.each([
    [time(1, 110), promise, false, 'kept', []],
    [time(1, 111), promise, false, 'broken', ['wait of frames', 'wait for answers']],
    [time(0.9, 20), promise, false, 'broken', ['rate']],
    [time(1, 20), promise, true, 'broken', ['gap']],
    [time(1, 20), { ...promise, rate: false, wait: false }, false, 'borne', []],
    [time(0.9, 20), { ...promise, rate: false, wait: false }, false, 'lost', ['rate']],
    [time(1, 200), { ...promise, wait: false }, false, 'lost', ['wait of frames', 'wait for answers']],
  ])('of %j under %j', (after, promised, gapBroken, verdict, because) => {
    expect(judged(before, after, promised, gapBroken)).toEqual({ verdict, because });
  });

  it('is of the worst seed, and what came with some seeds only is late', () => {
    const spread = (least: number, most: number) => ({ mean: (least + most) / 2, least, most });
    const was = { ...before, steady_p99_us: spread(10, 90) };
    expect(judged(was, { ...before, steady_p99_us: spread(20, 111) }, promise, false).because).toEqual([
      'wait of frames',
    ]);
    expect(judged(before, { ...before, steady_served: spread(0.97, 1) }, promise, false).because).toEqual([
      'rate',
    ]);
    expect(judged(before, { ...before, asking_silent_seeds: 1 }, promise, false).because).toEqual([
      'wait for answers',
    ]);
  });

  it('is broken by any frame of a neighbour that must not send', () => {
    const silent = { ...promise, silent: true };
    expect(judged(before, before, silent, false).because).toEqual(['frames that must not leave']);
    expect(judged(before, { ...before, neighbour_mbps: 0 }, silent, false).verdict).toBe('kept');
  });

  it('counts what never came as late', () => {
    const { steady_served, answers_per_s, neighbour_mbps } = time(0, 0);
    const nothing = { steady_served, answers_per_s, neighbour_mbps };
    expect(judged(before, nothing, promise, false).because).toEqual([
      'rate',
      'wait of frames',
      'wait for answers',
    ]);
  });

  it('rests on bounds of the wire: deficit round robin with jumbo frames, and nothing behind a driver domain', () => {
    // ((F - Q)(1 + (L - 1) / Q) + the others' largest frames - 1 each) + L, and a FIFO of 16 KB, at 1 Gb/s.
    const bytes = 3028 * (1 + 999 / 1514) + 9017 + 127 + 1000 + 16_384;
    expect(promiseOf('cdna', 'drr', 'jumbo-flood').laterUs).toBeCloseTo(bytes / 125, 6);
    // What sends nothing: a frame of 1,000 bytes, with its FCS, preamble and gap. Where no page is guarded it sends.
    for (const approach of ['dev', 'cdna', 'iommu:deferred'])
      expect(promiseOf(approach, 'drr', 'faulting-dma')).toEqual({
        rate: true,
        wait: true,
        laterUs: 1024 / 125,
        silent: true,
      });
    expect(promiseOf('none', 'drr', 'faulting-dma')).toEqual(promiseOf('none', 'drr', 'jumbo-flood'));
    expect(promiseOf('nodma', 'drr', 'garbage-descriptors').silent).toBe(true);
    expect(promiseOf('driver-domain', 'drr', 'jumbo-flood')).toMatchObject({ rate: false, wait: false });
    expect(() => promiseOf('cdna', 'luck', 'jumbo-flood')).toThrow('nothing is known of cdna, luck');
  });
});

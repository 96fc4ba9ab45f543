import { sweepPoints } from '../../sweep/points.js';
import { defineExperiment } from '../experiment.js';
import { scalingFigures, scalingStatements } from './expected.js';
import { scalingReport } from './figures.js';
import { CORES, FRAME_BYTES, QUIET_BPS, QUIET_WARM_UP_NS, QUIET_WINDOW_NS, RING_SLOTS } from './machine.js';
import { type ScalingResult, SEEDS, scalingPlaces, scalingPoints } from './measure.js';
import { scalingAnswer } from './sentences.js';
import { unitChangePoints, unitChanges } from './unit-changes.js';

/** What more guests cost, from one to more than any card has today. */
export const scaling = defineExperiment({
  name: 'scaling',
  question: 'what do 1 to 1,024 guests get from one card, and what does it cost?',
  storedUrl: new URL('./result.json', import.meta.url),
  async measure({ seed, threads, progress }) {
    const places = scalingPlaces();
    const changes = unitChanges();
    const seeds = { seed, seeds: SEEDS };
    let done = 0;
    const step = () => {
      done += 1;
      progress(done / (SEEDS * (places.length + changes.length)), 'machines');
    };
    const [samples, changed] = await Promise.all([
      sweepPoints(threads, 'scaling/machine', places, seeds, step),
      sweepPoints(threads, 'scaling/unit-change', changes, seeds, step),
    ]);
    const points = scalingPoints(places, samples);
    return {
      experiment: 'scaling' as const,
      seed,
      seeds: SEEDS,
      quiet_warm_up_ns: QUIET_WARM_UP_NS,
      quiet_window_ns: QUIET_WINDOW_NS,
      points,
      unit_changes: unitChangePoints(changes, changed),
      statements: scalingStatements(points),
      figures: scalingFigures(points),
    };
  },
  present: (result: ScalingResult) => ({
    answer: scalingAnswer(result),
    parameters: [
      { name: 'wire', value: '10 Gb/s' },
      { name: 'CPU', value: `${CORES} cores of 2.4 GHz, guests assigned round-robin` },
      { name: 'frames', value: `${FRAME_BYTES} bytes` },
      { name: 'rings', value: `${RING_SLOTS} slots per guest` },
      { name: 'contexts', value: 'one per guest (driver domain: one)' },
      { name: 'discipline', value: 'deficit round robin' },
      { name: 'seeds', value: `${result.seeds}, from ${result.seed}` },
      { name: 'warm-up', value: '3 ms and one and a half times what all rings hold' },
      {
        name: 'a tenth of the wire',
        value: `Poisson, ${QUIET_BPS / 1e9} Gb/s of the wire each way, of all guests together; warm-up ${result.quiet_warm_up_ns / 1e6} ms, window ${result.quiet_window_ns / 1e6} ms`,
      },
    ],
    figures: scalingReport(result),
    notes: [
      ...result.points.flatMap(({ approach, guests, impossible }) =>
        impossible === undefined ? [] : [`${approach} with ${guests} guests cannot be set up: ${impossible}`],
      ),
      'Nothing is fitted.',
    ],
  }),
});

import { type FrameSizes, RandomStream, wireBytes } from '../../guests/traffic/index.js';
import { MAX_TIME_NS } from '../../scheduler/event-kernel.js';
import type { TrafficSpec } from '../scenario/schema.js';

/** Its own draws: from those of gaps and sizes, a source that starts late would begin with a long gap. */
const PHASE_SEED = 0x2545f491;

/**
 * When a source starts, ns: what its scenario says; else a moment of its first period, drawn from its seed, so that
 * sources that are alike do not march in step. The period is that of the source: between two frames at a constant
 * rate, of a burst and a silence, of a request and the thinking; of one that always has frames, the time of a frame
 * on the wire. The first gap of a Poisson source is drawn already.
 *
 * @param sizes of the frames that it sends, where it has such
 * @param linkBps rate of the wire, bit/s
 */
export function startOf(
  spec: Exclude<TrafficSpec, { kind: 'none' | 'replay' }>,
  sizes: FrameSizes | undefined,
  seed: number,
  linkBps: number,
): number {
  if (spec.startNs !== undefined) return spec.startNs;
  const lineNs = (bytes: number, bps: number) => (bytes * 8e9) / bps;
  const meanBytes = sizes?.meanWireBytes ?? 0;
  switch (spec.kind) {
    case 'greedy':
      return within(lineNs(meanBytes, linkBps), seed);
    case 'constant':
      return within(lineNs(meanBytes, spec.wireRateBps), seed);
    case 'poisson':
      return 0;
    case 'on-off':
    case 'pareto':
      return within(spec.meanOnNs + spec.meanOffNs, seed);
    case 'request': {
      const wireNs = lineNs(wireBytes(spec.requestBytes) + wireBytes(spec.responseBytes), linkBps);
      return within(spec.thinkNs + wireNs, seed);
    }
  }
}

/** A fraction of a round, from 0 to below 1: where a replay whose start its scenario leaves open begins. */
export function phaseOf(seed: number): number {
  return 1 - new RandomStream((seed ^ PHASE_SEED) >>> 0).unit();
}

function within(periodNs: number, seed: number): number {
  return Math.floor(phaseOf(seed) * Math.min(periodNs, MAX_TIME_NS / 2));
}

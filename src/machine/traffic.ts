import type { Capture } from '../../guests/capture/capture.js';
import {
  constantRate,
  EchoResponder,
  exponentialDurations,
  type FrameSizes,
  fixedDurations,
  fixedSize,
  greedy,
  heavyTailed,
  IMIX,
  mixedSizes,
  onOff,
  poisson,
  RandomStream,
  type Replay,
  RequestClient,
  type Responder,
  replay,
  type TrafficSource,
} from '../../guests/traffic/index.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import type { TrafficSpec } from '../scenario/schema.js';
import { phaseOf, startOf } from './start-phase.js';

/** Addresses of sender and receiver. */
export interface Stations {
  readonly source: number;
  readonly destination: number;
}

/** What a traffic specification becomes: frames that leave, frames that come back, and the responder. */
export interface BuiltTraffic {
  readonly transmit?: TrafficSource;
  /** When `transmit` begins, ns, if it does not see to that itself. */
  readonly startNs?: number;
  /** Replay: what the far end says in the same conversation. */
  readonly receive?: TrafficSource;
  /** What the sender does with frames that it receives. */
  readonly responder?: Responder;
  /** What the other side answers to requests with this `id`. */
  readonly peer?: EchoResponder;
  readonly client?: RequestClient;
  /** Replay: the capture and what it was taken apart into. */
  readonly replayed?: ReplayedCapture;
}

/** A capture that a guest replays. */
export interface ReplayedCapture {
  readonly capture: Capture;
  readonly replay: Replay;
}

/** Captures that have been read, by their key: many guests may replay one. */
export type CaptureStore = Map<string, Capture>;

/** Under which a store keeps the capture that a scenario in `directory` names. */
export function captureKey(directory: string, capture: string): string {
  return `${directory}\n${capture}`;
}

/**
 * Makes the sources of one traffic specification. `id` is unique in the run; `seed` is this source's own.
 *
 * @param linkBps rate of the wire, bit/s
 */
export function buildTraffic(
  kernel: EventKernel,
  spec: TrafficSpec,
  name: string,
  id: number,
  stations: Stations,
  seed: number,
  captures: CaptureStore,
  directory: string,
  linkBps: number,
): BuiltTraffic {
  const identity = { name, sourceId: id, source: stations.source, destination: stations.destination };
  switch (spec.kind) {
    case 'none':
      return {};
    case 'greedy': {
      const sizes = sizesOf(name, spec.frameBytes, seed);
      return { transmit: greedy({ ...identity, sizes }), startNs: startOf(spec, sizes, seed, linkBps) };
    }
    case 'replay': {
      const capture = captures.get(captureKey(directory, spec.capture));
      if (capture === undefined) throw new InvariantViolation(`capture ${spec.capture} was not read`);
      const local = spec.local === undefined ? {} : { local: parseMac(name, spec.local) };
      const played = replay({
        name,
        kernel,
        capture,
        guest: stations.source,
        peer: stations.destination,
        timeFactor: spec.timeFactor,
        ...(spec.startNs === undefined ? { phase: phaseOf(seed) } : { startNs: spec.startNs }),
        unfit: spec.unfit,
        ...(spec.loop ? { loopPauseNs: spec.loopPauseNs } : {}),
        ...local,
      });
      const replayed = { capture, replay: played };
      return { transmit: played.transmit, receive: played.receive, replayed };
    }
    case 'request': {
      const responderId = id + RESPONDER_IDS;
      const client = new RequestClient({
        ...identity,
        kernel,
        responderId,
        sizes: fixedSize(name, spec.requestBytes),
        outstanding: spec.outstanding,
        thinkTime:
          spec.thinkNs === 0
            ? fixedDurations(name, 0)
            : exponentialDurations(name, spec.thinkNs, new RandomStream(seed)),
        timeoutNs: spec.timeoutNs,
        startNs: startOf(spec, undefined, seed, linkBps),
      });
      const peer = new EchoResponder({
        name: `${name}.server`,
        sourceId: responderId,
        source: stations.destination,
        responseBytes: spec.responseBytes,
      });
      return { transmit: client, responder: client, peer, client };
    }
    default: {
      const sizes = sizesOf(name, spec.frameBytes, seed);
      const stream = { ...identity, kernel, startNs: startOf(spec, sizes, seed, linkBps), sizes };
      switch (spec.kind) {
        case 'constant':
          return { transmit: constantRate({ ...stream, wireRateBps: spec.wireRateBps }) };
        case 'poisson':
          return { transmit: poisson({ ...stream, wireRateBps: spec.wireRateBps, seed }) };
        case 'on-off':
          return { transmit: onOff({ ...stream, ...burst(spec), lengths: spec.lengths, seed }) };
        case 'pareto':
          return { transmit: heavyTailed({ ...stream, ...burst(spec), shape: spec.shape, seed }) };
      }
    }
  }
}

/** Reads `02:00:00:00:00:01`. @throws ScenarioError */
export function parseMac(name: string, text: string): number {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/iu.test(text)) {
    throw new ScenarioError(`${name}: address is "${text}", expected six bytes as 02:00:00:00:00:01`);
  }
  return Number.parseInt(text.replaceAll(':', ''), 16);
}

/** Responders have source ids of their own, above those of all senders. */
const RESPONDER_IDS = 0x10000;

function burst(spec: { peakWireRateBps: number; meanOnNs: number; meanOffNs: number }) {
  return { peakWireRateBps: spec.peakWireRateBps, meanOnNs: spec.meanOnNs, meanOffNs: spec.meanOffNs };
}

const SIZE_SEED = 0x5bd1e995;

type SizeSpec = Extract<TrafficSpec, { kind: 'greedy' }>['frameBytes'];

function sizesOf(name: string, spec: SizeSpec, seed: number): FrameSizes {
  if (typeof spec === 'number') return fixedSize(name, spec);
  // Of their own draws: from those of the gaps, large frames would come at long ones.
  return mixedSizes(name, spec === 'imix' ? IMIX : spec, (seed ^ SIZE_SEED) >>> 0);
}

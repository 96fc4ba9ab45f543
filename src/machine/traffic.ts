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

/** What one traffic specification is built for. */
export interface TrafficPlan {
  readonly kernel: EventKernel;
  readonly name: string;
  /** Unique in the run. */
  readonly id: number;
  readonly stations: Stations;
  /** This source's own. */
  readonly seed: number;
  readonly captures: CaptureStore;
  /** Where relative paths of captures start. */
  readonly directory: string;
  /** Rate of the wire, bit/s. */
  readonly linkBps: number;
}

type Of<Kind extends TrafficSpec['kind']> = Extract<TrafficSpec, { kind: Kind }>;

/** Makes the sources of one traffic specification. */
export function buildTraffic(spec: TrafficSpec, plan: TrafficPlan): BuiltTraffic {
  switch (spec.kind) {
    case 'none':
      return {};
    case 'greedy': {
      const { name, seed, linkBps } = plan;
      const sizes = sizesOf(name, spec.frameBytes, seed);
      return {
        transmit: greedy({ ...identityOf(plan), sizes }),
        startNs: startOf(spec, sizes, seed, linkBps),
      };
    }
    case 'replay':
      return buildReplay(spec, plan);
    case 'request':
      return buildRequests(spec, plan);
    default:
      return { transmit: timedSource(spec, plan) };
  }
}

function identityOf({ name, id, stations }: TrafficPlan) {
  return { name, sourceId: id, source: stations.source, destination: stations.destination };
}

/** One station of a capture is the guest, all others are the far end. */
function buildReplay(spec: Of<'replay'>, plan: TrafficPlan): BuiltTraffic {
  const { kernel, name, stations, seed, captures, directory } = plan;
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

/** A client and the responder at the other side. */
function buildRequests(spec: Of<'request'>, plan: TrafficPlan): BuiltTraffic {
  const { kernel, name, id, stations, seed, linkBps } = plan;
  const responderId = id + RESPONDER_IDS;
  const client = new RequestClient({
    ...identityOf(plan),
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

/** Frames at times that a rate and a distribution decide. */
function timedSource(
  spec: Of<'constant' | 'poisson' | 'on-off' | 'pareto'>,
  plan: TrafficPlan,
): TrafficSource {
  const { kernel, name, seed, linkBps } = plan;
  const sizes = sizesOf(name, spec.frameBytes, seed);
  const stream = { ...identityOf(plan), kernel, startNs: startOf(spec, sizes, seed, linkBps), sizes };
  switch (spec.kind) {
    case 'constant':
      return constantRate({ ...stream, wireRateBps: spec.wireRateBps });
    case 'poisson':
      return poisson({ ...stream, wireRateBps: spec.wireRateBps, seed });
    case 'on-off':
      return onOff({ ...stream, ...burst(spec), lengths: spec.lengths, seed });
    case 'pareto':
      return heavyTailed({ ...stream, ...burst(spec), shape: spec.shape, seed });
  }
}

/** Reads `02:00:00:00:00:01`. @throws ScenarioError */
function parseMac(name: string, text: string): number {
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

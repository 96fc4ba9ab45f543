import { resolve } from 'node:path';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { readCapture } from '../../../guests/capture/index.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { captureKey } from '../../machine/traffic.js';
import { packageFolder } from '../../scenario/package-folder.js';
import type { ScenarioInput } from '../../scenario/schema.js';
import type { FrameLatencies } from '../frame-latencies.js';
import type { SteadySettings } from '../steady-run.js';

type GuestInput = ScenarioInput['guests'][number];

/** What a guest does, and what of it is timed. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly meaning: string;
  /** What the latencies are of. */
  readonly timed: string;
  readonly latenciesNs: (latencies: FrameLatencies) => readonly number[];
  /** Length of the window, virtual ns; longer where frames are few. */
  readonly windowNs: number;
  /** The captures that are replayed, relative to the package. */
  readonly captures: readonly string[];
  /** @param random a whole number from 0 to less than the limit */
  readonly guest: (random: (limit: number) => number) => Omit<GuestInput, 'memoryMegabytes'>;
}

/** Within this every replay has passed once and every buffer has been used: the warm-up. */
export const WARM_UP_NS = 60_000_000;
/** Streams begin at random within this time, ns. */
const START_SPREAD_NS = 1_000_000;
const FRAME_BYTES = 1514;

export const REQUEST = { requestBytes: 128, responseBytes: 1024, thinkNs: 20_000 } as const;
/** 8 s of one call in 16 ms: as many frames as 500 calls at once. */
const VOICE = { capture: 'captures/voice.pcap', timeFactor: 0.002, loopPauseNs: 20_000 } as const;
/** 1.15 s of 31 transfers in 23 ms. The station that answers, the server, is the guest. */
const WEB = { capture: 'captures/web.pcapng', timeFactor: 0.02, loopPauseNs: 20_000 } as const;
/** Replays begin at random within this, ns: the longest of the passes. */
const PASS_NS = 23_000_000;

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'stream-tx',
    title: 'stream out',
    meaning: `frames of ${FRAME_BYTES} bytes as fast as the ring allows`,
    timed: 'from the driver to the wire (a full ring is waited through)',
    latenciesNs: ({ transmitNs }) => transmitNs,
    windowNs: 30_000_000,
    captures: [],
    guest: (random) => ({
      traffic: { kind: 'greedy', frameBytes: FRAME_BYTES, startNs: random(START_SPREAD_NS) },
    }),
  },
  {
    name: 'stream-rx',
    title: 'stream in',
    meaning: `frames of ${FRAME_BYTES} bytes as fast as the wire brings them`,
    timed: 'from the wire to guest memory',
    latenciesNs: ({ receiveNs }) => receiveNs,
    windowNs: 30_000_000,
    captures: [],
    guest: (random) => ({
      receive: { kind: 'greedy', frameBytes: FRAME_BYTES, startNs: random(START_SPREAD_NS) },
    }),
  },
  {
    name: 'latency',
    title: 'request and response',
    meaning: `one request of ${REQUEST.requestBytes} bytes at a time, a response of ${REQUEST.responseBytes}, ${REQUEST.thinkNs / 1e3} us to think in the mean`,
    timed: 'from request to response',
    latenciesNs: ({ roundTripNs }) => roundTripNs,
    windowNs: 100_000_000,
    captures: [],
    guest: (random) => ({
      traffic: { kind: 'request', ...REQUEST, outstanding: 1, startNs: random(START_SPREAD_NS) },
    }),
  },
  {
    name: 'voice',
    title: 'voice',
    meaning: `${VOICE.capture} at ${1 / VOICE.timeFactor} times its speed: two-way packets of 64 kb/s calls`,
    timed: 'from the driver to the wire',
    latenciesNs: ({ transmitNs }) => transmitNs,
    windowNs: 60_000_000,
    captures: [VOICE.capture],
    guest: (random) => ({ traffic: { kind: 'replay', loop: true, ...VOICE, startNs: random(PASS_NS) } }),
  },
  {
    name: 'web',
    title: 'web',
    meaning: `${WEB.capture} at ${1 / WEB.timeFactor} times its speed: a server and its transfers of 1 KB to 300 KB`,
    timed: 'from the driver to the wire',
    latenciesNs: ({ transmitNs }) => transmitNs,
    windowNs: 69_000_000,
    captures: [WEB.capture],
    guest: (random) => ({
      traffic: { kind: 'replay', loop: true, ...WEB, startNs: random(PASS_NS) },
    }),
  },
];

/** @throws Error for a name that is not in the list: ours alone come here. */
export function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined) throw new InvariantViolation(`there is no workload ${name}`);
  return found;
}

/** The one guest of a run. */
export function guestOf(workload: Workload, seed: number): GuestInput {
  const generator = xoroshiro128plus(seed);
  return {
    ...workload.guest((limit) => uniformInt(generator, 0, limit - 1)),
    memoryMegabytes: 16,
    // As the kernels of the paper had them: of kmalloc's 2,048 bytes, two on a page.
    bufferBytes: 2048,
  };
}

/** The captures of a workload, read from the package. @throws CaptureError */
export function capturesOf({ captures }: Workload): NonNullable<SteadySettings['captures']> {
  const directory = packageFolder();
  const shelf = captures.map(
    (name) => [captureKey(directory, name), readCapture(resolve(directory, name))] as const,
  );
  return { directory, shelf: new Map(shelf) };
}

import type { Capture } from '../../guests/capture/index.js';
import { naturalLog } from '../../guests/traffic/elementary-functions.js';
import { RandomStream, wireBytes } from '../../guests/traffic/index.js';
import { MAX_FRAME_BYTES } from '../../nic/descriptor.js';
import { type ContextId, contextAfter, contextId, FIRST_CONTEXT } from '../../scheduler/branded.js';
import { ParameterError } from '../../scheduler/errors.js';
import {
  type Contender,
  shareOf,
  type Workload,
  type WorkloadEvent,
  type WorkloadEventKind,
} from './workload.js';

/** What workloads are made from. */
export interface WorkloadSettings {
  readonly contexts: number;
  readonly linkBps: number;
  readonly durationNs: number;
  readonly seed: number;
  /** Conversations to replay, round-robin; only `replay` asks for them. */
  readonly captures: readonly Capture[];
}

/** A workload as a list shows it. */
export interface WorkloadEntry {
  readonly name: string;
  readonly meaning: string;
  readonly make: (settings: WorkloadSettings) => Pick<Workload, 'contenders' | 'events'>;
}

/** Frames of bursts, bytes of the wire: the sizes of the simple IMIX in its proportions, 7:4:1. */
const BURST_SIZES = [64, 64, 594, 64, 594, 64, 64, 1514, 594, 64, 594, 64].map(wireBytes);
/** Sizes that share a link worst, without what the wire adds. */
const MIXED_SIZES = [64, 1514, 9018] as const;
/** What open sources ask for, as a fraction of what they would get if all asked for everything. */
const OPEN_LOAD = 0.9;
/** A burst arrives at this multiple of its context's share of the link. */
const BURST_FACTOR = 4;
/** Bursts in a run, and sessions of churn, on the average. */
const BURSTS = 40;
const SESSIONS = 8;

/** Every workload, in the order of the report. */
export const WORKLOADS: readonly WorkloadEntry[] = [
  {
    name: 'greedy',
    meaning: 'every context always has frames of 1,514 bytes waiting',
    make: (settings) => closed(settings, () => [wireBytes(1514)]),
  },
  {
    name: 'mixed',
    meaning: 'every context always has frames waiting; they are of 64, 1,514 or 9,018 bytes, by context',
    make: (settings) => closed(settings, mixedSize),
  },
  {
    name: 'bursty',
    meaning: 'bursts at 4 times the share of a context, silences between them; 90 % of the link in all',
    make: bursty,
  },
  {
    name: 'churn',
    meaning: 'sizes as in mixed; contexts fall idle and come back, every second time by leaving and joining',
    make: churn,
  },
  {
    name: 'replay',
    meaning: 'each context plays a recorded conversation again and again, stretched to 90 % of its share',
    make: replayed,
  },
];

function mixedSize(context: ContextId): readonly number[] {
  return [wireBytes(MIXED_SIZES[context % MIXED_SIZES.length] ?? 1514)];
}

function contendersOf(contexts: number, sizes: (context: ContextId) => readonly number[]): Contender[] {
  return Array.from({ length: contexts }, (_, index) => {
    const context = contextId(index);
    return { share: shareOf(context), frameBytes: sizes(context) };
  });
}

function closed({ contexts }: WorkloadSettings, sizes: (context: ContextId) => readonly number[]) {
  const script = new Script();
  for (let context = FIRST_CONTEXT; context < contexts; context = contextAfter(context)) {
    script.add(0, 'join', context);
    script.add(0, 'begin', context);
  }
  return { contenders: contendersOf(contexts, sizes), events: script.inOrder() };
}

/** Bytes per nanosecond that a context gets when all ask for everything. */
function entitledRate(
  settings: WorkloadSettings,
  contenders: readonly Contender[],
  context: ContextId,
): number {
  const sum = contenders.reduce((total, { share }) => total + share.weight, 0);
  return ((contenders[context]?.share.weight ?? 1) / sum) * (settings.linkBps / 8e9);
}

function bursty(settings: WorkloadSettings) {
  const { contexts, durationNs } = settings;
  const contenders = contendersOf(contexts, () => BURST_SIZES);
  const script = new Script();
  for (let context = FIRST_CONTEXT; context < contexts; context = contextAfter(context)) {
    script.add(0, 'join', context);
    const random = randomOf(settings, context);
    const peak = entitledRate(settings, contenders, context) * BURST_FACTOR;
    const meanOnNs = ((durationNs / BURSTS) * OPEN_LOAD) / BURST_FACTOR;
    const meanOffNs = durationNs / BURSTS - meanOnNs;
    let atNs = exponential(random, meanOffNs);
    let frames = 0;
    while (atNs < durationNs) {
      const endNs = atNs + exponential(random, meanOnNs);
      while (atNs < Math.min(endNs, durationNs)) {
        const bytes = BURST_SIZES[frames % BURST_SIZES.length] ?? wireBytes(64);
        frames += 1;
        script.add(atNs, 'arrive', context, bytes);
        atNs += bytes / peak;
      }
      atNs += exponential(random, meanOffNs);
    }
  }
  return { contenders, events: script.inOrder() };
}

function churn(settings: WorkloadSettings) {
  const { contexts, durationNs } = settings;
  const script = new Script();
  for (let context = FIRST_CONTEXT; context < contexts; context = contextAfter(context)) {
    const random = randomOf(settings, context);
    const meanNs = durationNs / SESSIONS;
    script.add(0, 'join', context);
    let atNs = exponential(random, meanNs / 2);
    for (let session = 0; atNs < durationNs; session += 1) {
      script.add(atNs, 'begin', context);
      atNs += exponential(random, meanNs);
      script.add(atNs, 'end', context);
      const leaves = session % 2 === 1;
      if (leaves) script.add(atNs, 'leave', context);
      atNs += exponential(random, meanNs / 2);
      if (leaves) script.add(atNs, 'join', context);
    }
  }
  return {
    contenders: contendersOf(contexts, mixedSize),
    events: script.inOrder().filter(({ atNs }) => atNs < durationNs),
  };
}

function replayed(settings: WorkloadSettings) {
  const { contexts, durationNs, captures } = settings;
  const contenders = contendersOf(contexts, () => [wireBytes(1514)]);
  const script = new Script();
  for (let context = FIRST_CONTEXT; context < contexts; context = contextAfter(context)) {
    script.add(0, 'join', context);
    const tune = tuneOf(captures[context % captures.length]);
    const rate = entitledRate(settings, contenders, context) * OPEN_LOAD;
    const stretch = tune.bytes / rate / tune.lastsNs;
    const roundNs = tune.lastsNs * stretch;
    // Those who play the same conversation do not begin together.
    let startNs = -randomOf(settings, context).unit() * roundNs;
    for (; startNs < durationNs; startNs += roundNs) {
      for (const { atNs, bytes } of tune.frames) {
        const soundsNs = startNs + atNs * stretch;
        if (soundsNs >= 0 && soundsNs < durationNs) script.add(soundsNs, 'arrive', context, bytes);
      }
    }
  }
  return { contenders, events: script.inOrder() };
}

interface Tune {
  readonly frames: readonly { readonly atNs: number; readonly bytes: number }[];
  readonly bytes: number;
  /** With a pause as long as the mean gap behind the last frame. */
  readonly lastsNs: number;
}

function tuneOf(capture: Capture | undefined): Tune {
  const frames = capture?.frames ?? [];
  let beginNs = frames[0]?.timeNs ?? 0n;
  for (const { timeNs } of frames) if (timeNs < beginNs) beginNs = timeNs;
  const tune = frames.map(({ timeNs, originalLength, fcsBytes }) => ({
    atNs: Number(timeNs - beginNs),
    bytes: wireBytes(Math.min(MAX_FRAME_BYTES, originalLength - fcsBytes)),
  }));
  const lastNs = tune.reduce((most, { atNs }) => Math.max(most, atNs), 0);
  if (lastNs === 0)
    throw new ParameterError(`${capture?.name ?? 'replay'}: expected frames at two times or more`);
  const bytes = tune.reduce((sum, frame) => sum + frame.bytes, 0);
  return { frames: tune, bytes, lastsNs: lastNs * (1 + 1 / tune.length) };
}

class Script {
  readonly #events: WorkloadEvent[] = [];

  add(atNs: number, kind: WorkloadEventKind, context: ContextId, bytes = 0): void {
    this.#events.push({ atNs: Math.round(atNs), kind, context, bytes });
  }

  /** Events of one instant stay in the order in which they were added. */
  inOrder(): WorkloadEvent[] {
    return this.#events.sort((one, other) => one.atNs - other.atNs);
  }
}

function randomOf({ seed }: WorkloadSettings, context: ContextId): RandomStream {
  return new RandomStream((seed ^ Math.imul(context + 1, 0x9e3779b1)) >>> 0);
}

function exponential(random: RandomStream, mean: number): number {
  return -naturalLog(random.unit()) * mean;
}

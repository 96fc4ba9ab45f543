import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MODEL_VERSION } from '../../src/machine/model-version.js';
import { Child } from '../child.js';
import { FLAT_MODEL_VERSION } from '../flat/flat-machine.js';
import { median, round } from '../measure.js';
import type { BenchContext, Row, Section } from '../section.js';
import type { Side, Stretch, StretchAnswer } from '../tasks/paired.js';

const FOUR_GUESTS = fileURLToPath(new URL('../../scenarios/four-guests.json', import.meta.url));

/** Numerator and denominator of a ratio. */
interface Pair {
  readonly name: string;
  readonly what: Side;
  readonly over: Side;
  /** Frames of a stretch of the first side, where it is slow; of the second always 20,000. */
  readonly frames?: number;
  /** Per event rather than per frame. */
  readonly perEvent?: boolean;
  /** The first frames of a process, during which the compiler is still busy. */
  readonly cold?: boolean;
}

const greedy = (protection: string, frameBytes: number, contexts = 32): Side => ({
  kind: 'greedy',
  protection,
  contexts,
  frameBytes,
});
/** Said of a row whose denominator does the work of an older model. */
const FLAT_NOTE = FLAT_MODEL_VERSION === MODEL_VERSION ? '' : ` (model version ${FLAT_MODEL_VERSION})`;
const flat = (frameBytes: number, contexts = 32): Side => ({
  kind: 'flat',
  protection: 'cdna',
  contexts,
  frameBytes,
});
const fourGuests: Side = { kind: 'scenario', path: FOUR_GUESTS, protection: 'cdna' };

const PAIRS: readonly Pair[] = [
  {
    name: 'flat cdna 60 B over the floor',
    what: flat(60),
    over: { kind: 'floor', frameBytes: 60 },
  },
  {
    name: 'flat cdna 1,514 B over the floor',
    what: flat(1514),
    over: { kind: 'floor', frameBytes: 1514 },
  },
  { name: 'cdna 60 B over flat', what: greedy('cdna', 60), over: flat(60) },
  { name: 'cdna 1,514 B over flat', what: greedy('cdna', 1514), over: flat(1514) },
  { name: 'none 60 B over flat cdna', what: greedy('none', 60), over: flat(60) },
  { name: 'direct-map 60 B over flat cdna', what: greedy('iommu:direct-map', 60), over: flat(60) },
  {
    name: 'single-use 60 B over flat cdna',
    what: greedy('iommu:single-use', 60),
    over: flat(60),
    frames: 8000,
  },
  {
    name: 'driver-domain 60 B over flat cdna',
    what: greedy('driver-domain', 60),
    over: flat(60),
    frames: 8000,
  },
  {
    name: 'received 60 B, cdna, over flat cdna',
    what: { kind: 'receive', protection: 'cdna', contexts: 32, frameBytes: 60 },
    over: flat(60),
  },
  {
    name: 'received 1,514 B, cdna, over flat cdna',
    what: { kind: 'receive', protection: 'cdna', contexts: 32, frameBytes: 1514 },
    over: flat(1514),
  },
  {
    name: 'four-guests, warm, per frame, over flat cdna 60 B',
    what: fourGuests,
    over: flat(60),
    frames: 4000,
  },
  {
    name: 'four-guests, first 2,000 frames, over flat cdna 60 B',
    what: fourGuests,
    over: flat(60),
    frames: 2000,
    cold: true,
  },
  {
    name: 'four-guests, warm, per event, over flat cdna 60 B',
    what: fourGuests,
    over: flat(60),
    frames: 4000,
    perEvent: true,
  },
  ...[4096, 16_384].flatMap((contexts): Pair[] =>
    ['cdna', 'iommu:single-use'].map((protection) => ({
      name: `${protection} 60 B, per event, ${contexts.toLocaleString('en')} contexts over 32`,
      what: greedy(protection, 60, contexts),
      over: greedy(protection, 60),
      frames: 8000,
      perEvent: true,
    })),
  ),
];

/**
 * Two processes run alternately, one stretch each; the figure is the median of the ratios of neighbouring stretches in
 * processor time. The order alternates. Each pair is started anew, so that functions are
 * compiled for one machine alone.
 */
export const paired: Section = {
  name: 'paired',
  title: `Beside the same work in one flat file${FLAT_NOTE}: processor time, alternately`,
  async run(context) {
    const rows: Row[] = [];
    for (const pair of PAIRS) {
      // In a quick run, those that start in no time.
      if (context.quick && (pair.perEvent === true || contextsOf(pair.what) > 32)) continue;
      if (pair.what.kind === 'scenario' && !existsSync(pair.what.path)) continue;
      rows.push(await measure(context, pair));
    }
    return rows;
  },
};

async function measure({ progress, quick }: BenchContext, pair: Pair): Promise<Row> {
  const rounds = quick ? 1 : 3;
  const stretches = pair.cold === true ? 1 : quick ? 2 : 9;
  const ratios: number[] = [];
  const [times, others]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    progress(`${pair.name}, pair ${round + 1}`);
    const [what, over] = [new Child('paired'), new Child('paired')];
    try {
      await Promise.all([what.ask(pair.what), over.ask(pair.over)]);
      const frames = pair.frames ?? 20_000;
      const warm = quick ? 1 : 6;
      if (pair.cold !== true) {
        for (let index = 0; index < warm; index += 1) await what.ask({ frames } satisfies Stretch);
        // Once around every ring.
        await what.ask({ frames: quick ? frames : contextsOf(pair.what) * 80 } satisfies Stretch);
      }
      for (let index = 0; index < warm; index += 1) await over.ask({ frames: 20_000 } satisfies Stretch);
      for (let index = 0; index < stretches; index += 1) {
        const ask = async (child: Child, count: number) =>
          unit(await child.ask<StretchAnswer>({ frames: count } satisfies Stretch), pair.perEvent === true);
        const isFirst = index % 2 === 0;
        const one = isFirst ? await ask(what, frames) : await ask(over, 20_000);
        const two = isFirst ? await ask(over, 20_000) : await ask(what, frames);
        const [ns, otherNs] = isFirst ? [one, two] : [two, one];
        times.push(ns);
        others.push(otherNs);
        ratios.push(ns / otherNs);
      }
    } finally {
      what.close();
      over.close();
    }
  }
  const sorted = [...ratios].sort((a, b) => a - b);
  return {
    pair: pair.name,
    ns: round(median(times)),
    otherNs: round(median(others)),
    ratio: round(median(ratios)),
    leastRatio: round(sorted[0] ?? Number.NaN),
    mostRatio: round(sorted.at(-1) ?? Number.NaN),
  };
}

function unit({ cpuNs, frames, events }: StretchAnswer, perEvent: boolean): number {
  return cpuNs / (perEvent ? events : frames);
}

function contextsOf(side: Side): number {
  return 'contexts' in side ? side.contexts : 4;
}

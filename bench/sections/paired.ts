import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MODEL_VERSION } from '../../src/machine/model-version.js';
import { Child } from '../child.js';
import { FLAT_MODEL_VERSION, type FlatProtection } from '../flat/flat-machine.js';
import { median, round } from '../measure.js';
import { buildNs3 } from '../ns3/build.js';
import type { BenchContext, Row, Section } from '../section.js';
import type { Side, Stretch, StretchAnswer } from '../tasks/paired.js';
import { PROTECTIONS } from './end-to-end.js';

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
  /** Pairs of processes. @defaultValue 3 */
  readonly rounds?: number;
}

const greedy = (protection: string, frameBytes: number, contexts = 32): Side => ({
  kind: 'greedy',
  protection,
  contexts,
  frameBytes,
});
const flat = (frameBytes: number, protection: FlatProtection = 'cdna', contexts = 32): Side => ({
  kind: 'flat',
  protection,
  contexts,
  frameBytes,
});
/** Said of a table whose denominator does the work of an older model. */
const FLAT_NOTE = FLAT_MODEL_VERSION === MODEL_VERSION ? '' : ` (model version ${FLAT_MODEL_VERSION})`;
const fourGuests: Side = { kind: 'scenario', path: FOUR_GUESTS, protection: 'cdna' };

/** Approaches whose rows beside the reference have its own approach as the denominator, by the name of the row. */
const REFERENCED: readonly (readonly [name: string, protection: FlatProtection])[] = [
  ['cdna', 'cdna'],
  ['direct-map', 'iommu:direct-map'],
  ['single-use', 'iommu:single-use'],
];
/** Frames on the wire, and the UDP payload of a packet that fills such a frame. */
const NS3_SIZES = [
  { frameBytes: 60, payloadBytes: 18 },
  { frameBytes: 1514, payloadBytes: 1472 },
] as const;

const PAIRS: readonly Pair[] = [
  ...[60, 1514].map(
    (frameBytes): Pair => ({
      name: `flat cdna ${int(frameBytes)} B over the floor`,
      what: flat(frameBytes),
      over: { kind: 'floor', frameBytes },
    }),
  ),
  ...REFERENCED.flatMap(([name, protection]) =>
    [60, 1514].map(
      (frameBytes): Pair => ({
        name: `${name} ${int(frameBytes)} B over flat`,
        what: greedy(protection, frameBytes),
        over: flat(frameBytes, protection),
        ...(name === 'single-use' ? { frames: 8000 } : {}),
      }),
    ),
  ),
  { name: 'none 60 B over flat cdna', what: greedy('none', 60), over: flat(60) },
  {
    name: 'driver-domain 60 B over flat cdna',
    what: greedy('driver-domain', 60),
    over: flat(60),
    frames: 8000,
  },
  ...[60, 1514].map(
    (frameBytes): Pair => ({
      name: `received ${int(frameBytes)} B, cdna, over flat cdna`,
      what: { kind: 'receive', protection: 'cdna', contexts: 32, frameBytes },
      over: flat(frameBytes),
    }),
  ),
  ...[false, true].map(
    (perEvent): Pair => ({
      name: `cdna 60 B, a doorbell and an interrupt per frame, ${perEvent ? 'per event' : 'per frame'}, over flat cdna`,
      what: { kind: 'served', protection: 'cdna', frameBytes: 60 },
      over: flat(60),
      frames: 4000,
      perEvent,
    }),
  ),
  {
    name: 'four-guests, warm, per frame, over flat cdna 60 B',
    what: fourGuests,
    over: flat(60),
    frames: 4000,
  },
  {
    name: 'four-guests, warm, per event, over flat cdna 60 B',
    what: fourGuests,
    over: flat(60),
    frames: 4000,
    perEvent: true,
  },
  {
    name: 'four-guests, first 2,000 frames, per frame, over flat cdna 60 B',
    what: fourGuests,
    over: flat(60),
    frames: 2000,
    cold: true,
    rounds: 5,
  },
  {
    name: 'four-guests, first 2,000 frames, per event, over flat cdna 60 B',
    what: fourGuests,
    over: flat(60),
    frames: 2000,
    cold: true,
    rounds: 5,
    perEvent: true,
  },
  ...PROTECTIONS.map((protection) => manyOverFew(protection, 4096)),
  ...['cdna', 'iommu:single-use'].map((protection) => manyOverFew(protection, 16_384)),
];

/** The rows of the section, those of ns-3 included. */
export const PAIR_NAMES: readonly string[] = [...PAIRS, ...ns3Pairs('')].map(({ name }) => name);

/** Events of a machine of many contexts beside those of one with 32. */
function manyOverFew(protection: string, contexts: number): Pair {
  return {
    name: `${protection} 60 B, per event, ${int(contexts)} contexts over 32`,
    what: greedy(protection, 60, contexts),
    over: greedy(protection, 60),
    frames: 8000,
    perEvent: true,
    rounds: contexts > 4096 ? 1 : 2,
  };
}

/** The emulator in the place of ns-3, with a guest and its context for each flow. */
function ns3Pairs(program: string): Pair[] {
  return [32, 1024].flatMap((flows) =>
    NS3_SIZES.map(
      ({ frameBytes, payloadBytes }): Pair => ({
        name: ns3Name(flows, frameBytes),
        what: { kind: 'ns3', program, flows, payloadBytes },
        over: greedy('cdna', frameBytes, flows),
        frames: 30_000,
        rounds: 1,
      }),
    ),
  );
}

function ns3Name(flows: number, frameBytes: number): string {
  return `ns-3, ${int(flows)} flows, ${int(frameBytes)} B over cdna`;
}

function int(value: number): string {
  return value.toLocaleString('en');
}

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
      rows.push(await measure(context, pair));
    }
    if (!context.quick) rows.push(...(await besideNs3(context)));
    return rows;
  },
};

/** Rows without figures where ns-3 is not installed. */
async function besideNs3(context: BenchContext): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cdna-nic-ns3-'));
  try {
    context.progress('ns-3: building');
    const rows: Row[] = [];
    const program = buildNs3(folder);
    for (const pair of ns3Pairs(program ?? '')) {
      if (program === undefined) rows.push({ pair: `${pair.name} (ns-3 is not installed)`, ratio: null });
      else rows.push(await measure(context, pair));
    }
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure({ progress, quick }: BenchContext, pair: Pair): Promise<Row> {
  const rounds = quick ? 1 : (pair.rounds ?? 3);
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
      if (pair.cold !== true && pair.what.kind !== 'ns3') {
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

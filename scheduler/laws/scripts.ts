import fc from 'fast-check';
import { requireFlag, requireWhole } from '../checked-values.js';
import type { Share } from '../discipline.js';
import { present } from '../present.js';
import {
  burst,
  contextNumbers,
  frameBytes,
  largeWeights,
  MAX_FRAME_BYTES,
  startNs,
  weightedShares,
} from './arbitraries.js';
import {
  checkOptions,
  type OptionChecks,
  requireContexts,
  requireRates,
  requireShares,
  requireSteps,
} from './checked-options.js';
import type { Script, Step } from './script.js';

/** How scripts are generated. */
export interface ScriptOptions {
  /** Shares for a given number of contexts. @defaultValue weights alone, of every kind */
  readonly shares?: (contexts: number) => fc.Arbitrary<Share[]>;
  /** Most contexts at once. @defaultValue 6 */
  readonly maxContexts?: number;
  /** Most steps. @defaultValue 60 */
  readonly maxSteps?: number;
  /** Whether contexts join, leave and lose their backlog during a script. @defaultValue true */
  readonly churn?: boolean;
  /** Whether frames arrive between `select` and `served`. @defaultValue true */
  readonly reentry?: boolean;
  /** Contexts numbered from 0, a start at 0, and no long scripts: the model of the papers. @defaultValue false */
  readonly plain?: boolean;
  /** Rates that the link may get during a script, bits per second. @defaultValue none: it keeps its own */
  readonly rates?: readonly number[];
}

const SCRIPT_OPTIONS: OptionChecks<ScriptOptions> = {
  shares: requireShares,
  maxContexts: requireContexts,
  maxSteps: requireSteps,
  churn: requireFlag,
  reentry: requireFlag,
  plain: requireFlag,
  rates: requireRates,
};

interface Cast {
  /** Context numbers and their shares, in the order in which they join. */
  readonly numbers: readonly number[];
  readonly shares: readonly Share[];
}

/**
 * Scripts in which contexts join, send, idle, lose their backlog, leave and rejoin.
 * @throws ParameterError for an option that is not known, or has a value that it must not have
 */
export function scripts(options: ScriptOptions = {}): fc.Arbitrary<Script> {
  checkOptions('script options', options, SCRIPT_OPTIONS);
  return anyScript(options);
}

/** `scripts` of options that have been checked, among which there may be others. */
export function anyScript(options: ScriptOptions): fc.Arbitrary<Script> {
  const { shares = weightedShares, maxContexts = 6, plain = false } = options;
  const short = cast(fc.integer({ min: 2, max: maxContexts }), shares, plain).chain((who) =>
    script(who, eventful(who, options), plain),
  );
  if (plain) return short;
  const heavy = (contexts: number) =>
    fc
      .tuple(
        shares(contexts),
        fc.oneof({ arbitrary: fc.constant([]), weight: 1 }, { arbitrary: largeWeights(contexts), weight: 3 }),
      )
      .map(([list, large]) => list.map((share, slot) => ({ ...share, weight: large[slot] ?? share.weight })));
  const few = maxContexts < 3 ? fc.constant(2) : fc.constantFrom(2, 2, 3);
  const long = cast(few, heavy, plain).chain((who) => script(who, lasting(who, options), plain));
  return fc.oneof({ arbitrary: short, weight: 6 }, { arbitrary: long, weight: 1 });
}

/** Bytes after which a context's counters are about to overflow 29, 31 and 32 bits; 0 for a fresh one. */
const AGES_BYTES = [0, 2 ** 29, 2 ** 31, 2 ** 32];
/** A context stops this far before its age, and crosses it beside the others. */
const SHORT_OF_AGE_BYTES = 2 ** 24;

/** Number of long runs: one per age. */
export const LONG_RUNS = AGES_BYTES.length;

/**
 * A long run: every context sends a little, the first sends alone until it has reached an age (so that the tags of the
 * others have aged, too), then all are backlogged for `frames` frames.
 * @throws ParameterError for an option that is not known, or has a value that it must not have
 */
export function longRun(run: number, frames: number, options: ScriptOptions = {}): fc.Arbitrary<Script> {
  requireWhole('run', run, 0);
  requireWhole('frames', frames, 0);
  checkOptions('script options', options, SCRIPT_OPTIONS);
  return anyLongRun(run, frames, options);
}

/** `longRun` of options that have been checked, among which there may be others. */
export function anyLongRun(run: number, frames: number, options: ScriptOptions): fc.Arbitrary<Script> {
  const { shares = weightedShares, plain = false } = options;
  const small = (contexts: number) =>
    fc
      .tuple(shares(contexts), fc.constantFrom([1, 2, 3], [1, 1, 1], [1, 4, 2], [1, 3, 1]))
      .map(([list, weights]) => list.map((share, slot) => ({ ...share, weight: weights[slot] ?? 1 })));
  const sizes = fc.tuple(
    fc.constantFrom(1514, 4000, MAX_FRAME_BYTES),
    fc.constantFrom(1514, MAX_FRAME_BYTES),
  );
  return cast(fc.constant(3), small, plain).chain((who) =>
    sizes.map(([second, third]): Script => {
      const bytesOf = [MAX_FRAME_BYTES, second, third];
      const arrive = (slot: number, count: number): Step => ({
        step: 'arrive',
        context: present(who.numbers[slot]),
        bytes: present(bytesOf[slot]),
        count,
      });
      const age = present(AGES_BYTES[run % LONG_RUNS]);
      const alone = Math.floor(Math.max(0, age - SHORT_OF_AGE_BYTES) / MAX_FRAME_BYTES);
      const all = who.numbers.map((_, slot) => arrive(slot, 2));
      const steps: Step[] = [...joins(who), ...all, { step: 'serve', frames: 6 }];
      if (alone > 0) steps.push(arrive(0, alone), { step: 'serve', frames: alone });
      steps.push(...who.numbers.map((_, slot) => arrive(slot, frames)), { step: 'serve', frames });
      return { startNs: 0, steps, longRunFrames: frames };
    }),
  );
}

function cast(
  contexts: fc.Arbitrary<number>,
  shares: (contexts: number) => fc.Arbitrary<Share[]>,
  plain: boolean,
): fc.Arbitrary<Cast> {
  const dense = (count: number) => fc.constant(Array.from({ length: count }, (_, index) => index));
  return contexts.chain((count) =>
    fc.record({ numbers: plain ? dense(count) : contextNumbers(count), shares: shares(count) }),
  );
}

function script(who: Cast, steps: fc.Arbitrary<Step[]>, plain: boolean): fc.Arbitrary<Script> {
  return fc.record({
    startNs: plain ? fc.constant(0) : startNs(),
    steps: steps.map((list) => [...joins(who), ...list]),
  });
}

function joins({ numbers, shares }: Cast): Step[] {
  return numbers.map((context, slot) => ({ step: 'join', context, share: shares[slot] ?? { weight: 1 } }));
}

/** Many steps of every kind, with tens of frames. */
function eventful({ numbers, shares }: Cast, options: ScriptOptions): fc.Arbitrary<Step[]> {
  const { maxSteps = 60, churn = true, reentry = true, rates = [] } = options;
  const context = fc.constantFrom(...numbers);
  const one = (step: fc.Arbitrary<Step>) => step.map((only) => [only]);
  const arrive = fc
    .tuple(context, burst())
    .map(([who, frames]) => frames.map((burst): Step => ({ step: 'arrive', context: who, ...burst })));
  const steady = [
    // Three of eleven: a link that is mostly backlogged shows more than one that mostly idles.
    arrive,
    arrive,
    arrive,
    one(fc.record({ step: fc.constant('serve'), frames: fc.integer({ min: 1, max: 60 }) })),
    one(
      fc.record({
        step: fc.constant('comeAndGo'),
        context,
        bytes: frameBytes(),
        times: fc.integer({ min: 2, max: 12 }),
      }),
    ),
    one(fc.record({ step: fc.constant('pass'), ns: fc.integer({ min: 0, max: 400_000 }) })),
    one(fc.record({ step: fc.constant('ringAgain'), context })),
  ];
  const reentrant = [
    one(fc.record({ step: fc.constant('serveWhileArriving'), context, bytes: frameBytes() })),
  ];
  const coming = [
    one(fc.record({ step: fc.constant('withdraw'), context })),
    one(fc.record({ step: fc.constant('leave'), context })),
    // A context may rejoin with the share of another one.
    one(fc.record({ step: fc.constant('join'), context, share: fc.constantFrom(...shares) })),
  ];
  const varying =
    rates.length === 0
      ? []
      : [one(fc.record({ step: fc.constant('rate' as const), bps: fc.constantFrom(...rates) }))];
  const kinds = [...steady, ...(reentry ? reentrant : []), ...(churn ? coming : []), ...varying];
  // fast-check keeps arrays short unless told otherwise, and short scripts never share a link for long.
  return fc
    .array(fc.oneof(...kinds), { minLength: 1, maxLength: maxSteps, size: 'max' })
    .map((list) => list.flat());
}

/** Thousands of frames of contexts that stay backlogged, then a few steps of every kind, then thousands more. */
function lasting(who: Cast, options: ScriptOptions): fc.Arbitrary<Step[]> {
  const count = fc.integer({ min: 2_000, max: 8_000 });
  const bytes = fc.oneof({ arbitrary: fc.constant(MAX_FRAME_BYTES), weight: 3 }, fc.constantFrom(60, 1514));
  const fill = fc
    .array(fc.record({ bytes, count }), { minLength: who.numbers.length, maxLength: who.numbers.length })
    .map((list) =>
      list.map((burst, slot): Step => ({ step: 'arrive', context: present(who.numbers[slot]), ...burst })),
    );
  const serve = (min: number, max: number) =>
    fc.record({ step: fc.constant('serve' as const), frames: fc.integer({ min, max }) });
  return fc
    .tuple(fill, serve(3_000, 12_000), eventful(who, { ...options, maxSteps: 6 }), serve(1, 2_000))
    .map(([first, before, between, after]) => [...first, before, ...between, after]);
}

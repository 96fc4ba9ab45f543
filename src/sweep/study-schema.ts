import * as z from 'zod';

/** An hour. */
const MOST_NS = 3_600_000_000_000;

function timeNs(least: number) {
  const range = `expected a whole number from ${least} to ${MOST_NS}`;
  return z.int(range).min(least, range).max(MOST_NS, range);
}

const seed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

const path = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .describe(
    'A field of the scenario, such as "nic.rateBps", "guests[0].weight" or "guests[voice].traffic.wireRateBps"; several fields get the same value',
  );
const named = {
  path,
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_]*$/iu)
    .max(60)
    .optional()
    .describe('Column of the tables; default: the path with "_" for what is no letter or digit'),
};

const valuesAxis = z
  .strictObject({
    ...named,
    values: z
      .union([z.array(z.json()).min(1).max(100_000), z.literal('all')])
      .describe('The values, or "all" names of approaches or disciplines'),
  })
  .describe('A list of values');

const stepAxis = z
  .strictObject({ ...named, from: z.number(), to: z.number(), step: z.number().gt(0) })
  .describe('From one number up to another, in steps');

const pointsAxis = z
  .strictObject({
    ...named,
    from: z.number(),
    to: z.number(),
    points: z.int().min(2).max(100_000),
    scale: z.enum(['linear', 'log']).default('linear'),
    round: z.boolean().default(true).describe('To whole numbers'),
  })
  .describe('So many points from one number to another, evenly or by equal factors');

/** One variable, or several that change together. */
export interface ZipAxis {
  readonly zip: readonly Axis[];
}
export interface ProductAxis {
  readonly product: readonly Axis[];
}
export type Axis =
  | z.output<typeof valuesAxis>
  | z.output<typeof stepAxis>
  | z.output<typeof pointsAxis>
  | ZipAxis
  | ProductAxis;

const axis: z.ZodType<Axis> = z.lazy(() =>
  z.union([
    valuesAxis,
    stepAxis,
    pointsAxis,
    z
      .strictObject({ zip: z.array(axis).min(2).max(32) })
      .describe('Variables of the same length that change together'),
    z.strictObject({ product: z.array(axis).min(1).max(32) }).describe('Every combination'),
  ]),
);

const condition = z
  .union([
    z.strictObject({
      below: z.number().optional(),
      atMost: z.number().optional(),
      above: z.number().optional(),
      atLeast: z.number().optional(),
      in: z.array(z.json()).optional(),
      not: z.json().optional(),
    }),
    z.array(z.json()),
    z.json(),
  ])
  .describe('A value, a list of values, or bounds');

/** Left out are combinations for which every condition of an entry is true. */
const except = z.record(z.string(), condition);

/** A study as a person writes it: what is varied, over which seeds, and what is measured. */
export const studySchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1).max(80).optional(),
  scenario: z
    .union([z.string().min(1), z.record(z.string(), z.json())])
    .describe('A scenario file, relative to the study, or a scenario'),
  vary: z.array(axis).max(32).default([]).describe('Variables; every combination of them is a point'),
  except: z.array(except).max(1000).default([]).describe('Combinations that are left out'),
  seeds: z
    .union([z.int().min(1).max(100_000), z.array(seed).min(1).max(100_000)])
    .default(1)
    .describe('So many seeds per point, or the seeds themselves'),
  warmUpNs: timeNs(0)
    .optional()
    .describe('Virtual time before the window; default: the scenario, or a tenth of the window'),
  windowNs: timeNs(1)
    .optional()
    .describe("Virtual time that is measured; default: the scenario's durationNs, or 200 ms"),
  attacks: z
    .union([z.literal('all'), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe("Attacks that are tried against each point's approach, once for each approach and IOMMU"),
});

/** What `defineStudy` takes. */
export type StudyInput = z.input<typeof studySchema>;
/** A checked study with its defaults filled in. */
export type Study = z.output<typeof studySchema>;
export type Condition = z.output<typeof condition>;

/** Types a study in a .ts file; nothing is checked until it is loaded. */
export function defineStudy(study: StudyInput): StudyInput {
  return study;
}

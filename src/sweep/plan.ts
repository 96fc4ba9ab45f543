import { createHash } from 'node:crypto';
import { ATTACKS } from '../../guests/hostile/index.js';
import { makeProtection } from '../../host/protection/approaches.js';
import { DEFAULT_NIC, validateNicParameters } from '../../nic/parameters.js';
import { DEFAULT_PCIE } from '../../nic/pcie-link.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { UserError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { expandGuests } from '../machine/expand-guests.js';
import { checkScenario } from '../scenario/load.js';
import { isModulePath } from '../scenario/module-path.js';
import type { Scenario, ScenarioInput } from '../scenario/schema.js';
import { defaultWarmUpNs, RUN_DEFAULTS } from '../simulate.js';
import { type Assignment, expandProduct, requireOwnColumns, type Variable } from './axes.js';
import { matches, readException } from './conditions.js';
import type { KeyedJob } from './executor.js';
import { type FieldPath, parseFieldPath, withField } from './field-path.js';
import { type ContentHashes, capturesOf, hashOfFile, modulesOf } from './file-hash.js';
import type { LoadedStudy } from './load-study.js';
import { type AttackJob, canonical, type DecidedScenario, jobKey, type RunJob } from './planned-run.js';
import { furtherSeed, seedsOf } from './seeds.js';
import { SweepError } from './sweep-error.js';

/** A combination of values: a row of the table of points. */
export interface Point {
  /** From 0, in the order of the study. */
  readonly index: number;
  readonly values: Assignment;
  readonly scenario: Scenario;
}

/** One run of a point. */
export interface PlannedRun {
  readonly point: Point;
  readonly seed: number;
  readonly key: string;
  readonly job: RunJob;
}

/** A study expanded: its variables, its points and its runs, in the order of its tables. */
export class Plan {
  readonly study: LoadedStudy;
  readonly variables: readonly Variable[];
  readonly points: readonly Point[];
  readonly seeds: readonly number[];
  readonly #contents: ContentHashes;

  private constructor(
    study: LoadedStudy,
    variables: readonly Variable[],
    points: readonly Point[],
    contents: ContentHashes,
  ) {
    this.study = study;
    this.variables = variables;
    this.points = points;
    this.seeds = seedsOf(study.study.seeds);
    this.#contents = contents;
  }

  /**
   * Expands a study and looks at each point before anything runs.
   * @throws SweepError that names the path, or the values of a combination that cannot run
   */
  static async of(study: LoadedStudy): Promise<Plan> {
    const { scenario: base, where } = study;
    const { variables, assignments } = expandProduct(study.study.vary, `${where}: vary`);
    const paths = variables.map(({ paths }) =>
      paths.map((path) => parseFieldPath(path, base, `${where}: vary.path`)),
    );
    requireOwnColumns(variables, `${where}: vary`);
    requireApart(
      variables.flatMap(({ paths: texts }, at) =>
        texts.map((text, place) => ({ text, steps: present(paths[at]?.[place]) })),
      ),
      where,
    );
    const exceptions = study.study.except.map((entry, index) =>
      readException(entry, variables, `${where}: except[${index}]`),
    );
    requireAttacks(study.study.attacks, where);
    requireEachOnce(study.study.seeds, `${where}: seeds`);
    const kept = assignments.filter((assignment) => !exceptions.some((entry) => matches(entry, assignment)));
    if (kept.length === 0)
      throw new SweepError(`${where}: except leaves nothing of ${assignments.length} points`);
    const points = kept.map((values, index): Point => {
      let input = base;
      for (const [at, fields] of paths.entries()) {
        for (const field of fields) input = withField(input, field, values[at]);
      }
      return { index, values, scenario: checkPoint(input, variables, values, where) };
    });
    requireDifferent(points, variables, where);
    return new Plan(study, variables, points, await contentsOf(points, study.directory));
  }

  /** Seeds of each point, before more are asked for. */
  get seedCounts(): number[] {
    return this.points.map(() => this.seeds.length);
  }

  /** Every run in the order of the study; made one by one, since a study may have a hundred thousand. */
  *runs(seedCounts: readonly number[] = this.seedCounts): Generator<PlannedRun> {
    for (const point of this.points) {
      for (let at = 0; at < present(seedCounts[point.index]); at += 1) yield this.run(point, at);
    }
  }

  /** The run of a point with the seed at this place of the list; past its end the list goes on. */
  run(point: Point, at: number): PlannedRun {
    const seed = this.seeds[at] ?? furtherSeed(this.seeds, at);
    const { study, directory } = this.study;
    const { scenario } = point;
    const durationNs = study.windowNs ?? scenario.durationNs ?? RUN_DEFAULTS.durationNs;
    const decided: DecidedScenario = {
      ...scenario,
      protection: scenario.protection ?? RUN_DEFAULTS.protection,
      discipline: scenario.discipline ?? RUN_DEFAULTS.discipline,
      seed,
      warmUpNs: study.warmUpNs ?? scenario.warmUpNs ?? defaultWarmUpNs(durationNs, scenario),
      durationNs,
    };
    const contents = contentsFor(scenario, this.#contents);
    const job: RunJob = { kind: 'run', scenario: decided, directory, contents };
    return { point, seed, key: jobKey(job), job };
  }

  /** The attacks that a run's approach is put to; undefined when the study asks for none. */
  attacksOf({ job: { scenario } }: PlannedRun): KeyedJob | undefined {
    const { attacks } = this.study.study;
    if (attacks === undefined) return undefined;
    const names = attacks === 'all' ? ATTACKS.map(({ name }) => name) : attacks;
    const { protection, iommu, seed } = scenario;
    const job: AttackJob = { kind: 'attacks', protection, iommu, seed, attacks: names };
    return { key: jobKey(job), job };
  }

  /** Every job: runs, and the attacks of each. */
  *jobs(seedCounts?: readonly number[]): Generator<KeyedJob> {
    for (const run of this.runs(seedCounts)) {
      yield run;
      const attacks = this.attacksOf(run);
      if (attacks !== undefined) yield attacks;
    }
  }
}

function checkPoint(
  input: ScenarioInput,
  variables: readonly Variable[],
  values: Assignment,
  where: string,
): Scenario {
  try {
    const scenario = checkScenario(input, where);
    const guests = expandGuests(scenario.guests).length;
    const { pcie, switching: _switching, ...nic } = scenario.nic ?? {};
    validateNicParameters({
      ...DEFAULT_NIC,
      contexts: Math.max(DEFAULT_NIC.contexts, guests),
      ...defined(nic),
      pcie: { ...DEFAULT_PCIE, ...defined(pcie ?? {}) },
    });
    const { protection, discipline } = scenario;
    if (protection !== undefined && !isModulePath(protection)) makeProtection(protection);
    if (discipline !== undefined && !isModulePath(discipline)) makeDiscipline(discipline, { linkBps: 1e9 });
    return scenario;
  } catch (error) {
    if (!(error instanceof UserError) && !(error instanceof RangeError)) throw error;
    throw cannotRun(error, variables, values, where);
  }
}

/** Names the combination that cannot run, and why. */
export function cannotRun(
  { message }: Error,
  variables: readonly Variable[],
  values: Assignment,
  where: string,
): SweepError {
  // The scenario's own file name says nothing that the study's does not.
  const why = message.startsWith(`${where}: `) ? message.slice(where.length + 2) : message;
  return new SweepError(`${where}: the combination ${settingsText(variables, values)} cannot run: ${why}`);
}

/** Refuses a field that two variables set, or one of which another is a part. @throws SweepError */
function requireApart(
  fields: readonly { readonly text: string; readonly steps: FieldPath }[],
  where: string,
): void {
  for (const [at, one] of fields.entries()) {
    for (const other of fields.slice(0, at)) {
      const [outer, inner] = other.steps.length <= one.steps.length ? [other, one] : [one, other];
      if (!outer.steps.every((step, place) => step === inner.steps[place])) continue;
      throw new SweepError(
        outer.steps.length === inner.steps.length
          ? `${where}: vary sets the same field by "${other.text}" and by "${one.text}", expected each field once`
          : `${where}: vary sets "${outer.text}" and "${inner.text}", which is a part of it, expected one of them`,
      );
    }
  }
}

function requireEachOnce(seeds: number | readonly number[], where: string): void {
  if (typeof seeds === 'number') return;
  const twice =
    seeds.length === new Set(seeds).size ? undefined : seeds.find((seed, at) => seeds.indexOf(seed) < at);
  if (twice !== undefined) throw new SweepError(`${where} has ${twice} twice, expected each seed once`);
}

/**
 * Refuses two combinations that are the same scenario, once defaults are filled in: their runs would be one run that
 * counts twice.
 * @throws SweepError that names both
 */
function requireDifferent(points: readonly Point[], variables: readonly Variable[], where: string): void {
  const known = new Map<string, Point>();
  for (const point of points) {
    const { protection, discipline, ...rest } = point.scenario;
    const decided = {
      ...rest,
      protection: protection ?? RUN_DEFAULTS.protection,
      discipline: discipline ?? RUN_DEFAULTS.discipline,
    };
    // A hash, so that a study of a million points is not held as text.
    const hash = createHash('sha256').update(canonical(decided)).digest('base64');
    const same = known.get(hash);
    if (same !== undefined) {
      throw new SweepError(
        `${where}: the combinations ${settingsText(variables, same.values)} and ${settingsText(variables, point.values)} ` +
          'are the same scenario with defaults filled in, expected each once',
      );
    }
    known.set(hash, point);
  }
}

/** The values of a combination, as messages name them. */
export function settingsText(variables: readonly Variable[], values: Assignment): string {
  return (
    variables.map(({ column }, at) => `${column} = ${JSON.stringify(values[at])}`).join(', ') || '(none)'
  );
}

function requireAttacks(attacks: 'all' | readonly string[] | undefined, where: string): void {
  if (attacks === undefined || attacks === 'all') return;
  const names = ATTACKS.map(({ name }) => name);
  for (const attack of attacks) {
    if (!names.includes(attack)) {
      throw new SweepError(`${where}: attacks has "${attack}", expected some of: ${names.join(', ')}`);
    }
  }
}

function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Files that decide what a run computes: captures, and modules of one's own. */
function filesOf(scenario: Scenario): string[] {
  return [...modulesOf(scenario), ...capturesOf(scenario)];
}

async function contentsOf(points: readonly Point[], directory: string): Promise<ContentHashes> {
  const names = new Set(points.flatMap(({ scenario }) => filesOf(scenario)));
  const hashes: [string, string][] = [];
  for (const name of names) hashes.push([name, await hashOfFile(directory, name)]);
  return Object.fromEntries(hashes);
}

function contentsFor(scenario: Scenario, contents: ContentHashes): ContentHashes {
  return Object.fromEntries(filesOf(scenario).map((name) => [name, contents[name] ?? '']));
}

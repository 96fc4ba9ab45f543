import { readCapture } from '../../guests/capture/index.js';
import { contextId } from '../../scheduler/branded.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { DISCIPLINES } from '../../scheduler/disciplines/index.js';
import { ParameterError } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { tallyIn } from '../../scheduler/tally.js';
import { FairnessMeter, jainIndex } from '../machine/fairness-meter.js';
import { type ModuleName, OwnModules } from '../scenario/own-modules.js';
import { CallLog } from './call-log.js';
import { FairnessTrial } from './fairness-trial.js';
import { fluidDue } from './fluid-due.js';
import { classOf, tenantsOf, WEIGHT_CLASSES, type Workload } from './workload.js';
import { WORKLOADS, type WorkloadSettings } from './workloads.js';

/** What is compared, and under what. Plain data. */
export interface StudySettings extends Omit<WorkloadSettings, 'captures'> {
  /** Names as `makeDiscipline` takes them, or paths of modules. */
  readonly disciplines: readonly string[];
  /** Which of them are modules, and where their paths start. */
  readonly moduleNames: readonly ModuleName[];
  /** Names of `WORKLOADS`. */
  readonly workloads: readonly string[];
  /** Captures to replay, round-robin; only `replay` asks for them. */
  readonly capturePaths: readonly string[];
}

/** Windows into which a run is divided, for shares over time. */
export const WINDOWS = 50;

/** Waiting of the frames of one class: from when a frame joins its queue to when its last bit has left. */
export interface ClassDelay {
  readonly weight: number;
  readonly frames: number;
  /** Undefined when no frame left. */
  readonly p50Ns: number | undefined;
  readonly p99Ns: number | undefined;
}

/** One discipline under one workload. */
export interface DisciplineFinding {
  readonly discipline: string;
  /** Jain's index of what each context got of its due, over the whole run. */
  readonly jainIndex: number;
  /** The same in each window, and the mean of it: says whether it was fair at every moment. */
  readonly windowJainIndex: number;
  /** Largest |S_i/w_i - S_j/w_j| while both were backlogged, bytes per unit of weight; and of which pair. */
  readonly largestGapBytes: number;
  readonly pair: readonly [number, number] | null;
  /** What the discipline promises that pair; null where it promises nothing. */
  readonly boundBytes: number | null;
  /** Pairs that broke their bound. */
  readonly broken: number;
  readonly delays: readonly ClassDelay[];
  /** What each class got of its due. */
  readonly gotOfDue: readonly number[];
}

/** What a plot shows and a table does not. */
export interface FindingCurves {
  /** Bytes that left, a row per window, a column per context. */
  readonly sentBytes: readonly Float64Array[];
  /** Delays at the percentiles 0, 1, ... 100, ns, a row per class. */
  readonly delayPercentilesNs: readonly (readonly number[])[];
  /** Calls of the discipline per frame, all together, ns on this host. */
  readonly decisionNs: number;
}

/** All disciplines under one workload. */
export interface WorkloadFinding {
  readonly workload: Workload;
  readonly dueBytes: readonly Float64Array[];
  readonly findings: readonly (DisciplineFinding & FindingCurves)[];
}

/** One discipline under one workload, of a study. */
export interface FairnessTask {
  readonly settings: StudySettings;
  readonly workload: string;
  readonly discipline: string;
  /** How the finding calls it. */
  readonly shownAs: string;
}

/**
 * What a study is cut into, workload by workload.
 * @throws ParameterError for a name that does not exist
 * @throws UserError for a module that cannot be used
 */
export async function fairnessTasks(settings: StudySettings): Promise<FairnessTask[]> {
  const modules = await OwnModules.load(settings.moduleNames, true);
  for (const name of settings.disciplines) makeNamed(modules, settings, name);
  const shown = modules.namesOf(settings.moduleNames);
  return settings.workloads.flatMap((workload) => {
    entryOf(workload);
    return settings.disciplines.map((discipline, index) => ({
      settings,
      workload,
      discipline,
      shownAs: shown[index] ?? discipline,
    }));
  });
}

/** Assembles the findings of a workload, in the order of its tasks. */
export function workloadFinding(
  settings: StudySettings,
  name: string,
  findings: WorkloadFinding['findings'],
): WorkloadFinding {
  const workload = makeWorkload(settings, name);
  return { workload, dueBytes: fluidDue(workload, WINDOWS), findings };
}

/** Plays one discipline under one workload. What a decision costs is measured on this host, and nothing else is. */
export async function measureFairness({
  settings,
  workload: name,
  discipline,
  shownAs,
}: FairnessTask): Promise<DisciplineFinding & FindingCurves> {
  const own = settings.moduleNames.filter((module) => module.name === discipline);
  const modules = await OwnModules.load(own, true);
  const workload = makeWorkload(settings, name);
  const dueBytes = fluidDue(workload, WINDOWS);
  const contexts = workload.contenders.length;
  const meter = new FairnessMeter(makeNamed(modules, settings, discipline));
  const log = new CallLog(meter);
  const sentBytes = Array.from({ length: WINDOWS }, () => new Float64Array(contexts));
  const waits: number[][] = WEIGHT_CLASSES.map(() => []);
  const trial = new FairnessTrial(workload, log, (context, bytes, waitedNs, endNs) => {
    const window = Math.min(WINDOWS - 1, Math.floor((endNs * WINDOWS) / workload.durationNs));
    const row = sentBytes[window];
    if (row !== undefined) tallyIn(row, context, bytes);
    waits[classOf(context)]?.push(waitedNs);
  });
  trial.run();
  for (const list of waits) list.sort((one, other) => one - other);
  const { largestGapBytes, pair, boundBytes, broken } = meter.report();
  const windowIndices = sentBytes.map((row, window) => jainOf(row, dueBytes[window] ?? new Float64Array()));
  const sent = columnSums(sentBytes, contexts);
  const due = columnSums(dueBytes, contexts);
  return {
    discipline: shownAs,
    jainIndex: jainOf(sent, due),
    windowJainIndex: windowIndices.reduce((sum, index) => sum + index, 0) / WINDOWS,
    largestGapBytes,
    pair: pair ?? null,
    boundBytes: boundBytes ?? null,
    broken,
    delays: WEIGHT_CLASSES.map((weight, index) => ({
      weight,
      frames: present(waits[index]).length,
      p50Ns: percentile(waits[index], 50),
      p99Ns: percentile(waits[index], 99),
    })).slice(0, contexts),
    gotOfDue: gotOfDue(sent, due).slice(0, contexts),
    sentBytes,
    delayPercentilesNs: waits.map((list) =>
      list.length === 0 ? [] : Array.from({ length: 101 }, (_, index) => present(percentile(list, index))),
    ),
    decisionNs: timeDecisions(log, () => makeNamed(modules, settings, discipline)),
  };
}

function makeWorkload(settings: StudySettings, name: string): Workload {
  const { linkBps, durationNs, capturePaths } = settings;
  const { meaning, make } = entryOf(name);
  const captures = name === 'replay' ? capturePaths.map((path) => readCapture(path)) : [];
  return { name, meaning, linkBps, durationNs, ...make({ ...settings, captures }) };
}

function makeNamed(modules: OwnModules, { contexts, linkBps }: StudySettings, name: string): Discipline {
  return modules.makeDiscipline(name, { linkBps, tenants: tenantsOf(contexts) });
}

/** The best of a few plays, ns per decision: what disturbs a host only ever adds time. */
function timeDecisions(log: CallLog, make: () => Discipline): number {
  let best = Number.POSITIVE_INFINITY;
  // Code that has run a few hundred times only is not compiled yet.
  const plays = Math.min(MOST_PLAYS, Math.max(LEAST_PLAYS, Math.ceil(WARM_DECISIONS / log.decisions)));
  for (let play = 0; play < plays; play += 1) {
    const fresh = make();
    const beginNs = process.hrtime.bigint();
    log.play(fresh);
    best = Math.min(best, Number(process.hrtime.bigint() - beginNs));
  }
  return best / Math.max(1, log.decisions);
}

/** Names of all disciplines that stand by themselves. */
export const ALL_DISCIPLINES: readonly string[] = DISCIPLINES.map(({ name }) => name);
/** Names of all workloads. */
export const ALL_WORKLOADS: readonly string[] = WORKLOADS.map(({ name }) => name);

const LEAST_PLAYS = 3;
const MOST_PLAYS = 60;
const WARM_DECISIONS = 60_000;

function entryOf(name: string) {
  const entry = WORKLOADS.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry;
  throw new ParameterError(`workload is "${name}", expected one of: ${ALL_WORKLOADS.join(', ')}`);
}

/** Of those who were due anything. */
function jainOf(sent: Float64Array, due: Float64Array): number {
  const shares: number[] = [];
  for (const [context, bytes] of due.entries()) if (bytes > 0) shares.push(present(sent[context]) / bytes);
  return jainIndex(shares);
}

function columnSums(rows: readonly Float64Array[], columns: number): Float64Array {
  const sums = new Float64Array(columns);
  for (const row of rows) for (const [column, value] of row.entries()) tallyIn(sums, column, value);
  return sums;
}

function gotOfDue(sent: Float64Array, due: Float64Array): number[] {
  const got = WEIGHT_CLASSES.map(() => 0);
  const owed = WEIGHT_CLASSES.map(() => 0);
  for (const [context, bytes] of due.entries()) {
    const index = classOf(contextId(context));
    tallyIn(owed, index, bytes);
    tallyIn(got, index, present(sent[context]));
  }
  return got.map((bytes, index) => (present(owed[index]) > 0 ? bytes / (owed[index] ?? 1) : 1));
}

/** Nearest rank of a sorted list. */
function percentile(sorted: readonly number[] | undefined, percent: number): number | undefined {
  if (sorted === undefined || sorted.length === 0) return undefined;
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
}

import { resolve } from 'node:path';
import { ParameterError } from '../../scheduler/errors.js';
import { bundledScenario } from '../scenario/bundled.js';
import { type LoadedScenario, loadScenario } from '../scenario/load.js';
import { approachNames, type ModuleName, OwnModules, ofCommandLine } from '../scenario/own-modules.js';
import { MOST_SEED } from '../scenario/schema.js';
import { defaultWarmUpNs, RUN_DEFAULTS } from '../simulate.js';
import { type CliIo, UsageError } from './cli-io.js';
import type { GivenOptions } from './commands/entry.js';
import { parseDuration } from './duration.js';
import { jobsOf } from './long-work.js';
import { text, wholeNumber } from './options.js';
import { filePath, folderPath } from './output-paths.js';

/** What to run: a scenario, under which approaches, and what to write about it. */
export interface RunRequest {
  readonly command: 'compare' | 'run';
  readonly loaded: LoadedScenario;
  /** The scenario as the user named it; undefined for the bundled one. */
  readonly scenarioArgument: string | undefined;
  readonly approaches: readonly string[];
  /** How results call them: a module as what it makes is named. */
  readonly shownAs: readonly string[];
  readonly discipline: string;
  /** Disciplines and approaches of the user's own, by the names above. */
  readonly modules: OwnModules;
  /** The same as plain data, for threads. */
  readonly moduleNames: readonly ModuleName[];
  readonly allowModules: boolean;
  /** Whether attacks are played beside the runs. */
  readonly attacks: boolean;
  /** How many tasks run at once. */
  readonly jobs: number;
  /** Whether files of other origin are written over. */
  readonly force: boolean;
  /** Station of the captures that plays the guest, as --local gave it. */
  readonly local: string | undefined;
  /** The first seed, */
  readonly seed: number;
  /** and how many there are, one after the other. */
  readonly seeds: number;
  readonly warmUpNs: number;
  readonly durationNs: number;
  readonly json: boolean;
  readonly out: string | undefined;
  readonly pcapng: string | undefined;
  readonly trace: string | undefined;
  readonly traceNs: number;
  readonly snapBytes: number | undefined;
}

/** Most seeds of one call: a sweep takes more. */
const MOST_SEEDS = 100;
/** How much of a run a timeline shows unless told otherwise, ns; those of --out, of which there are many, show less. */
const TRACE_NS = 5_000_000;
const OUT_TRACE_NS = 2_000_000;
/** Bytes of each frame that the captures of --out keep: every header, and files that are a tenth of the traffic. */
const OUT_SNAP_BYTES = 128;

/** Puts options, scenario and defaults together, in this order of precedence. @throws UsageError, ScenarioError */
export async function readRequest(
  command: RunRequest['command'],
  scenarioArgument: string | undefined,
  options: GivenOptions,
  io: CliIo,
): Promise<RunRequest> {
  // Options first: they cost nothing to check, and a scenario may be large.
  const wanted = text(options.protection);
  const given = wanted === undefined ? undefined : readApproaches(command, wanted);
  const discipline = text(options.discipline);
  const allowModules = options.allowModules === true;
  const typed = [
    ...(given ?? []).map((name) => ofCommandLine('protection', name)),
    ...(discipline === undefined ? [] : [ofCommandLine('discipline', discipline)]),
  ];
  const known = await OwnModules.load(typed, allowModules);
  for (const name of given ?? []) refusedAs('--', () => known.protection(name));
  if (discipline !== undefined) refusedAs('--', () => known.discipline(discipline));
  const seed = wholeNumber('--seed', text(options.seed), 0, MOST_SEED);
  const seeds = wholeNumber('--seeds', text(options.seeds), 1, MOST_SEEDS) ?? 1;
  const durationNs = windowOf(options);
  const warmUp = text(options.warmUp);
  const warmUpNs = warmUp === undefined ? undefined : warmUp === '0' ? 0 : parseDuration('--warm-up', warmUp);
  const jobs = jobsOf(options, io);
  const outputs = fileOptions(options);
  const local = localOf(options);
  const asNamed =
    scenarioArgument === undefined ? await bundledScenario() : await loadScenario(scenarioArgument);
  const loaded = local === undefined ? asNamed : withLocal(asNamed, local);
  const { scenario } = loaded;
  const named = [
    ...(given === undefined && command === 'run'
      ? ofScenario('protection', loaded, scenario.protection)
      : []),
    ...(discipline === undefined ? ofScenario('discipline', loaded, scenario.discipline) : []),
  ];
  const firstSeed = seed ?? scenario.seed ?? RUN_DEFAULTS.seed;
  if (firstSeed + seeds - 1 > MOST_SEED)
    throw new UsageError(
      `--seeds is "${seeds}", expected at most ${MOST_SEED - firstSeed + 1} from seed ${firstSeed} on`,
    );
  const windowNs = durationNs ?? scenario.durationNs ?? RUN_DEFAULTS.durationNs;
  const moduleNames = [...typed, ...named];
  const modules = await OwnModules.load(moduleNames, allowModules);
  const fromScenario = command === 'run' ? [scenario.protection ?? RUN_DEFAULTS.protection] : approachNames();
  const approaches = given ?? fromScenario;
  return {
    ...outputs,
    command,
    scenarioArgument,
    local,
    loaded,
    modules,
    moduleNames,
    allowModules,
    attacks: command === 'compare' && options.attacks !== false,
    jobs,
    approaches,
    shownAs:
      command === 'run'
        ? approaches
        : modules.namesOf(approaches.map((name) => ofCommandLine('protection', name))),
    discipline: discipline ?? scenario.discipline ?? RUN_DEFAULTS.discipline,
    seed: firstSeed,
    seeds,
    warmUpNs: warmUpNs ?? scenario.warmUpNs ?? defaultWarmUpNs(windowNs, scenario),
    durationNs: windowNs,
  };
}

/** What is written, and where. */
export type FileOptions = Pick<
  RunRequest,
  'json' | 'force' | 'out' | 'pcapng' | 'trace' | 'traceNs' | 'snapBytes'
>;

/** @throws UsageError */
export function fileOptions(options: GivenOptions): FileOptions {
  const snapBytes = wholeNumber('--snap', text(options.snap), 14, 262_144);
  const traceDuration = text(options.traceDuration);
  const usualTraceNs = text(options.trace) === undefined ? OUT_TRACE_NS : TRACE_NS;
  const out = folderPath('--out', options.out);
  const pcapng = captureOf(options);
  const trace = filePath('--trace', options.trace);
  if (pcapng !== undefined && trace !== undefined && resolve(pcapng) === resolve(trace))
    throw new UsageError(`--trace is "${trace}", the file of --pcapng too; expected a file for each`);
  return {
    json: options.json === true,
    force: options.force === true,
    out,
    pcapng,
    trace,
    traceNs: traceDuration === undefined ? usualTraceNs : parseDuration('--trace-duration', traceDuration),
    snapBytes: snapBytes ?? (out === undefined ? undefined : OUT_SNAP_BYTES),
  };
}

/** @throws UsageError unless it is an address of one station */
function localOf(options: GivenOptions): string | undefined {
  const local = text(options.local);
  if (local === undefined || /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/iu.test(local)) return local;
  throw new UsageError(`--local is "${local}", expected the address of a station as 02:00:00:00:00:01`);
}

/** The scenario with a station for each replay that names none. @throws UsageError when there is no such replay */
function withLocal(loaded: LoadedScenario, local: string): LoadedScenario {
  let applied = 0;
  const guests = loaded.scenario.guests.map((guest) => {
    if (guest.traffic.kind !== 'replay' || guest.traffic.local !== undefined) return guest;
    applied += 1;
    return { ...guest, traffic: { ...guest.traffic, local } };
  });
  if (applied === 0)
    throw new UsageError(`--local is "${local}", expected none: no guest replays a capture without "local"`);
  return { ...loaded, scenario: { ...loaded.scenario, guests } };
}

/** @throws UsageError for standard output, which takes one capture: `run` sees to that */
function captureOf(options: GivenOptions): string | undefined {
  if (options.pcapng === '-')
    throw new UsageError('--pcapng is "-", expected a file: only run writes one capture to standard output');
  return filePath('--pcapng', options.pcapng);
}

/** The measured time: `--window`, or `--duration`, which is the same. @throws UsageError when both are given */
function windowOf(options: GivenOptions): number | undefined {
  const [window, duration] = [text(options.window), text(options.duration)];
  if (window !== undefined && duration !== undefined)
    throw new UsageError(
      `--window is "${window}" beside --duration, expected one of them: they are the same`,
    );
  if (window !== undefined) return parseDuration('--window', window);
  return duration === undefined ? undefined : parseDuration('--duration', duration);
}

/** What a scenario names, if it names anything. */
function ofScenario(
  kind: ModuleName['kind'],
  { directory, source }: LoadedScenario,
  name: string | undefined,
): ModuleName[] {
  return name === undefined
    ? []
    : [{ kind, name, directory, field: `${source}: ${kind}`, fromScenario: true }];
}

function readApproaches(command: RunRequest['command'], text: string): string[] {
  if (text === 'all' && command === 'compare') return approachNames();
  const list = text.split(',').map((name) => name.trim());
  for (const [index, name] of list.entries()) {
    if (list.indexOf(name) !== index) {
      throw new UsageError(`--protection names "${name}" twice, expected each approach once`);
    }
  }
  if (command === 'run' && list.length > 1) {
    throw new UsageError(`--protection is "${text}", expected one approach; compare runs several`);
  }
  return list;
}

function refusedAs(prefix: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (error instanceof ParameterError) throw new UsageError(`${prefix}${error.message}`);
    throw error;
  }
}

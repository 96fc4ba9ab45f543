import { resolve } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { FAULT_POLICIES, type FaultPolicy } from '../../host/hypervisor/fault-log.js';
import { DEFAULT_NIC } from '../../nic/parameters.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { ParameterError } from '../../scheduler/errors.js';
import { liveProtectionOf, UPLINK } from '../live/live-plan.js';
import { type LiveSample, LiveSampler, sampleLine } from '../live/server/live-sample.js';
import { LiveServer } from '../live/server/live-server.js';
import { liveTable } from '../live/server/live-table.js';
import { shellLine } from '../live/server/qemu-command.js';
import { readCaptures } from '../machine/read-captures.js';
import { bundledPath } from '../scenario/bundled.js';
import { loadScenario } from '../scenario/load.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import { RUN_DEFAULTS } from '../simulate.js';
import { type CliIo, UsageError } from './cli-io.js';
import type { CommandAction, GivenOptions } from './commands/entry.js';
import { parseDuration } from './duration.js';
import { LAB_PORT, labFolder } from './lab-server.js';
import { LiveKeys } from './live-keys.js';
import { seedOf, text, wholeNumber } from './options.js';
import { filePath } from './output-paths.js';
import { ServedLab } from './served-lab.js';

const BUNDLED = 'two-machines.json';
const SAMPLE_MS = 1000;

/** `cdna-nic serve`: until it is told to end. */
export const serveAction: CommandAction = async ([scenario], options, io) => {
  const settings = settingsOf(options);
  const subject = await readSubject(scenario, options);
  const ending = new AbortController();
  const end = () => ending.abort();
  const board = new Board(io);
  const note = (line: string) => board.note(line);
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
    end();
  };
  const labPort = labPortOf(options.lab);
  const folder = labPort === undefined ? undefined : labFolder();
  const { source, ...rest } = subject;
  const server = ofScenario(
    source,
    () =>
      new LiveServer({
        ...settings.server,
        subject: rest,
        isWatched: labPort !== undefined,
        log: note,
        failed: fail,
      }),
  );
  const keys = new LiveKeys(server, { end, note });
  const lab =
    labPort === undefined || folder === undefined
      ? undefined
      : new ServedLab(server, { port: labPort, folder, failed: fail });
  const unlisten = onEnd(end);
  try {
    await server.start();
    for (const { name, words } of server.commands()) {
      note(name === UPLINK ? '# a way out for all guests (10.77.0.254):' : `# ${name}:`);
      note(shellLine(words));
    }
    if (subject.scenario.guests.some(({ card }) => card === 'cdna'))
      note('# guests with "card": "cdna" need the driver in guests/linux (docs/real-guests.md)');
    if (lab !== undefined) note(`# the lab, in a browser: ${await lab.listen()}`);
    keys.listen();
    const print = (sample: LiveSample) => {
      if (options.json === true) io.out(sampleLine(sample));
      else board.show(liveTable(sample, subject));
    };
    await show(server, print, settings.durationNs, ending.signal);
    server.advance();
    if (failure === undefined) server.machine.checkInvariants();
  } catch (error) {
    failure ??= error;
  } finally {
    keys.close();
  }
  const labClosed = lab?.close();
  // Whatever becomes of the page: the guests' session ends, and is recorded, first.
  for (const step of [() => server.stop(), () => labClosed]) {
    try {
      await step();
    } catch (error) {
      failure ??= error;
    }
  }
  unlisten();
  if (failure !== undefined) throw failure;
  return 0;
};

/** What is asked for besides the session's subject. @throws UsageError */
function settingsOf(options: GivenOptions) {
  const duration = text(options.duration);
  const spin = text(options.spin);
  const record = filePath('--record', options.record);
  const capture = filePath('--capture', options.capture);
  if (record !== undefined && capture !== undefined && resolve(record) === resolve(capture))
    throw new UsageError(`--capture is "${capture}", the file of --record too; expected a file for each`);
  return {
    durationNs: duration === undefined ? undefined : parseDuration('--duration', duration),
    server: {
      directory: text(options.dir),
      record,
      capture,
      snapBytes: wholeNumber('--snap', text(options.snap), 14, 262_144),
      force: options.force === true,
      spinNs: spin === undefined || spin === '0' ? 0 : parseDuration('--spin', spin),
    },
  };
}

/** Calls `end` when a signal asks for it, or when no one reads any more. Returns what stops listening. */
function onEnd(end: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, end);
  process.stdout.on('error', end);
  return () => {
    for (const signal of signals) process.off(signal, end);
    process.stdout.off('error', end);
  };
}

/** What a machine refuses to be built from stands in the scenario's file: the message says so. */
function ofScenario<T>(source: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    throw new ScenarioError(`${source}: ${error.message}`);
  }
}

/** The table of samples: drawn in its place on a terminal, below it when something was said in between. */
class Board {
  readonly #io: CliIo;
  #lines = 0;

  constructor(io: CliIo) {
    this.#io = io;
  }

  /** Says something beside the table. */
  note(line: string): void {
    this.#io.err(`${line}\n`);
    this.#lines = 0;
  }

  show(table: string): void {
    if (this.#io.redraw === undefined) this.#io.out(table);
    else this.#io.redraw(this.#lines, table);
    this.#lines = table.split('\n').length - 1;
  }
}

/** Shows a sample per second, for so long, or until it is told to end. */
async function show(
  server: LiveServer,
  print: (sample: LiveSample) => void,
  durationNs: number | undefined,
  ending: AbortSignal,
): Promise<void> {
  const sampler = new LiveSampler(server.machine);
  while (!ending.aborted) {
    const { nowNs } = server.machine.kernel;
    const leftMs = durationNs === undefined ? SAMPLE_MS : Math.max(0, (durationNs - nowNs) / 1e6);
    await after(Math.min(SAMPLE_MS, leftMs), undefined, { signal: ending }).catch(() => {});
    if (ending.aborted) return;
    server.advance();
    print(sampler.sample());
    if (durationNs !== undefined && server.machine.kernel.nowNs >= durationNs) return;
  }
}

/** Port of the page of the lab; undefined without `--lab`. @throws UsageError */
function labPortOf(option: GivenOptions[string]): number | undefined {
  if (option === undefined || option === false) return undefined;
  return option === true ? LAB_PORT : wholeNumber('--lab', text(option), 0, 65_535);
}

/** What the session is of. @throws UsageError, ScenarioError */
async function readSubject(argument: string | undefined, options: GivenOptions) {
  const loaded = await loadScenario(argument ?? bundledPath(BUNDLED));
  const policy = text(options.policy);
  if (policy !== undefined && !FAULT_POLICIES.some((name) => name === policy))
    throw new UsageError(`--policy is "${policy}", expected one of: ${FAULT_POLICIES.join(', ')}`);
  const protection = text(options.protection) ?? loaded.scenario.protection ?? RUN_DEFAULTS.protection;
  const discipline = text(options.discipline) ?? loaded.scenario.discipline ?? RUN_DEFAULTS.discipline;
  const seed = options.seed === undefined ? undefined : seedOf(options.seed);
  asOption(() => liveProtectionOf(protection, loaded.scenario));
  asOption(() => makeDiscipline(discipline, { linkBps: DEFAULT_NIC.rateBps }));
  const scenario =
    policy === undefined
      ? loaded.scenario
      : {
          ...loaded.scenario,
          host: { ...loaded.scenario.host, faultPolicy: policy as FaultPolicy },
        };
  return {
    scenario,
    directory: loaded.directory,
    captures: await readCaptures(
      scenario.guests.map(({ traffic }) => traffic),
      loaded.directory,
    ),
    protection,
    discipline,
    seed: seed ?? scenario.seed ?? RUN_DEFAULTS.seed,
    source: loaded.source,
  };
}

/** What a name is refused for is told as of the option that gives it. */
function asOption(check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (error instanceof ParameterError) throw new UsageError(`--${error.message}`);
    throw error;
  }
}

import { setTimeout as after } from 'node:timers/promises';
import { FAULT_POLICIES, type FaultPolicy } from '../../host/hypervisor/fault-log.js';
import { makeProtection } from '../../host/protection/approaches.js';
import { ParameterError } from '../../scheduler/errors.js';
import { LiveSampler, sampleLine } from '../live/server/live-sample.js';
import { LiveServer } from '../live/server/live-server.js';
import { liveTable } from '../live/server/live-table.js';
import { shellLine } from '../live/server/qemu-command.js';
import { readCaptures } from '../machine/read-captures.js';
import { bundledPath } from '../scenario/bundled.js';
import { loadScenario } from '../scenario/load.js';
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
  const subject = await readSubject(scenario, options);
  const duration = text(options.duration);
  const spin = text(options.spin);
  const labPort = labPortOf(options.lab);
  const folder = labPort === undefined ? undefined : labFolder();
  let failure: unknown;
  const ending = new AbortController();
  const end = () => ending.abort();
  const failed = (error: unknown) => {
    failure ??= error;
    end();
  };
  const note = (line: string) => io.err(`${line}\n`);
  const server = new LiveServer({
    subject,
    directory: text(options.dir),
    record: filePath('--record', options.record),
    capture: filePath('--capture', options.capture),
    snapBytes: wholeNumber('--snap', text(options.snap), 14, 262_144),
    spinNs: spin === undefined ? 0 : parseDuration('--spin', spin),
    isWatched: labPort !== undefined,
    log: note,
    failed,
  });
  const keys = new LiveKeys(server, { end, note });
  const lab =
    labPort === undefined || folder === undefined
      ? undefined
      : new ServedLab(server, { port: labPort, folder, failed });
  const onSignal = () => end();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  try {
    await server.start();
    for (const { name, words } of server.commands()) {
      note(name === 'uplink' ? '# a way out for all guests (10.77.0.254):' : `# ${name}:`);
      note(shellLine(words));
    }
    if (lab !== undefined) note(`# the lab, in a browser: ${await lab.listen()}`);
    keys.listen();
    const timeNs = duration === undefined ? undefined : parseDuration('--duration', duration);
    await show(server, subject, options, io, timeNs, ending.signal);
    if (failure !== undefined) throw failure;
    server.advance();
    server.machine.checkInvariants();
    return 0;
  } finally {
    keys.close();
    await lab?.close();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
    server.stop();
  }
};

/** Shows a sample per second, for so long, or until it is told to end. */
async function show(
  server: LiveServer,
  about: { readonly protection: string; readonly discipline: string },
  options: GivenOptions,
  io: CliIo,
  durationNs: number | undefined,
  ending: AbortSignal,
): Promise<void> {
  const sampler = new LiveSampler(server.machine);
  const redraw = options.json !== true && process.stdout.isTTY === true;
  let lines = 0;
  while (!ending.aborted) {
    const { nowNs } = server.machine.kernel;
    const leftMs = durationNs === undefined ? SAMPLE_MS : Math.max(0, (durationNs - nowNs) / 1e6);
    await after(Math.min(SAMPLE_MS, leftMs), undefined, { signal: ending }).catch(() => {});
    if (ending.aborted) return;
    server.advance();
    const sample = sampler.sample();
    if (options.json === true) io.out(sampleLine(sample));
    else {
      const table = liveTable(sample, about);
      io.out(redraw && lines > 0 ? `\u001b[${lines}A\u001b[J${table}` : table);
      lines = table.split('\n').length - 1;
    }
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
  try {
    makeProtection(protection);
  } catch (error) {
    if (error instanceof ParameterError) throw new UsageError(`--${error.message}`);
    throw error;
  }
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
    discipline: text(options.discipline) ?? scenario.discipline ?? RUN_DEFAULTS.discipline,
    seed: options.seed === undefined ? (scenario.seed ?? RUN_DEFAULTS.seed) : seedOf(options.seed),
  };
}

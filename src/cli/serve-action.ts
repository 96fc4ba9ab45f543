import { setTimeout as after } from 'node:timers/promises';
import { ParameterError } from '../../scheduler/errors.js';
import { liveProtectionOf } from '../live/live-plan.js';
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
import { LiveKeys } from './live-keys.js';
import { seedOf, text, wholeNumber } from './options.js';
import { filePath } from './output-paths.js';

const BUNDLED = 'two-machines.json';
const POLICIES = ['log', 'revoke', 'kill'] as const;
const SAMPLE_MS = 1000;

/** `cdna-nic serve`: until it is told to end. */
export const serveAction: CommandAction = async ([scenario], options, io) => {
  const subject = await readSubject(scenario, options);
  const duration = text(options.duration);
  const spin = text(options.spin);
  let failure: unknown;
  const ending = new AbortController();
  const end = () => ending.abort();
  const note = (line: string) => io.err(`${line}\n`);
  const server = new LiveServer({
    subject,
    directory: text(options.dir),
    record: filePath('--record', options.record),
    capture: filePath('--capture', options.capture),
    snapBytes: wholeNumber('--snap', text(options.snap), 14, 262_144),
    spinNs: spin === undefined ? 0 : parseDuration('--spin', spin),
    log: note,
    failed: (error) => {
      failure ??= error;
      end();
    },
  });
  const keys = new LiveKeys(server, { end, note });
  const onSignal = () => end();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  try {
    await server.start();
    for (const { name, words } of server.commands()) {
      note(name === 'uplink' ? '# a way out for all guests (10.77.0.254):' : `# ${name}:`);
      note(shellLine(words));
    }
    keys.listen();
    const timeNs = duration === undefined ? undefined : parseDuration('--duration', duration);
    await show(server, subject, options, io, timeNs, ending.signal);
    if (failure !== undefined) throw failure;
    server.advance();
    server.machine.checkInvariants();
    return 0;
  } finally {
    keys.close();
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

/** What the session is of. @throws UsageError, ScenarioError */
async function readSubject(argument: string | undefined, options: GivenOptions) {
  const loaded = await loadScenario(argument ?? bundledPath(BUNDLED));
  const policy = text(options.policy);
  if (policy !== undefined && !POLICIES.some((name) => name === policy))
    throw new UsageError(`--policy is "${policy}", expected one of: ${POLICIES.join(', ')}`);
  const protection = text(options.protection) ?? loaded.scenario.protection ?? RUN_DEFAULTS.protection;
  try {
    liveProtectionOf(protection, loaded.scenario);
  } catch (error) {
    if (error instanceof ParameterError) throw new UsageError(`--${error.message}`);
    throw error;
  }
  const scenario =
    policy === undefined
      ? loaded.scenario
      : {
          ...loaded.scenario,
          host: { ...loaded.scenario.host, faultPolicy: policy as (typeof POLICIES)[number] },
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

import { APPROACHES } from '../../host/protection/approaches.js';
import type { GivenOptions } from './commands/entry.js';
import { formatDuration } from './duration.js';
import { text } from './options.js';
import type { RunRequest } from './run-request.js';

/** Whether these are the approaches that a comparison has where none are named. */
function isAll(approaches: readonly string[]): boolean {
  return approaches.length === APPROACHES.length && APPROACHES.every(({ name }) => approaches.includes(name));
}

/** The command that runs the same again: everything that decides the result is spelt out. */
export function repeatLine(request: RunRequest, program: string): string {
  const { command, scenarioArgument, approaches, discipline, seed, seeds, warmUpNs, durationNs } = request;
  const words = [
    command,
    ...(scenarioArgument === undefined ? [] : [scenarioArgument]),
    '--protection',
    isAll(approaches) ? 'all' : approaches.join(','),
    '--discipline',
    discipline,
    '--seed',
    String(seed),
    ...(request.local === undefined ? [] : ['--local', request.local]),
    ...(seeds === 1 ? [] : ['--seeds', String(seeds)]),
    '--warm-up',
    warmUpNs === 0 ? '0' : formatDuration(warmUpNs),
    '--window',
    formatDuration(durationNs),
    ...(command === 'compare' && !request.attacks ? ['--no-attacks'] : []),
    ...(request.allowModules ? ['--allow-modules'] : []),
  ];
  return commandLine([program, ...words]);
}

/** Options that say where files go and what they hold, as options are stored and as a shell has them. */
const FILE_OPTIONS = [
  ['out', '--out'],
  ['pcapng', '--pcapng'],
  ['trace', '--trace'],
  ['traceDuration', '--trace-duration'],
  ['snap', '--snap'],
] as const;

/** The last line of a command's text: what computes the same again, and writes the same files. */
export function againLine(repeat: string, options: GivenOptions): string {
  const files = FILE_OPTIONS.flatMap(([name, option]) => {
    const given = text(options[name]);
    return given === undefined ? [] : [option, given];
  });
  return `again: ${commandLine([repeat, ...files])}`;
}

/** A command line that a POSIX shell takes apart into these words; the first, the program, is as it is. */
export function commandLine([program = '', ...words]: readonly string[]): string {
  return [program, ...words.map(quoted)].join(' ');
}

/** As a POSIX shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../../../src/cli/program.js';
import { scratchFolder } from '../report/scratch-folder.js';
import { invoke } from './invoke.js';

const scratch = scratchFolder();

/** Calls that write a report, each as short as it goes. */
const CALLS = {
  attack: ['attack', '--attacks', 'foreign-page-read', '--protection', 'none'],
  fairness: [
    'fairness',
    '--contexts',
    '2',
    '--duration',
    '1ms',
    '--disciplines',
    'drr',
    '--workloads',
    'greedy',
  ],
} as const;
const NAMES = ['attack', 'fairness'] as const;
const CLEARED = '\r\u001b[K';

/** Whether anything besides the test listens to SIGINT: without it a signal ends the process at once. */
const isHeard = () => process.listenerCount('SIGINT') > 0;

test.for(NAMES)('%s: a signal while the report is drawn leaves nothing', async (name) => {
  const folder = scratch.path(`drawn-${name}/deep`);
  const said: string[] = [];
  const before = process.listenerCount('SIGINT');
  const code = await runCli([...CALLS[name], '--out', folder], {
    out: (text) => said.push(text),
    err: (text) => {
      said.push(text);
      // The line of progress goes when the work is done and drawing begins.
      if (text !== CLEARED) return;
      expect(isHeard()).toBe(true);
      process.emit('SIGINT', 'SIGINT');
    },
    errIsTerminal: true,
    columns: 100,
    program: 'cdna-nic',
    // In this thread: to start others takes longer than the work.
    jobs: 1,
  });
  expect(code).toBe(130);
  expect(said.at(-1)).toBe('stopped by SIGINT; nothing was written\n');
  expect(existsSync(scratch.path(`drawn-${name}`))).toBe(false);
  // A browser of another test may have ended meanwhile, and its listener with it.
  expect(process.listenerCount('SIGINT')).toBeLessThanOrEqual(before);
});

test.for(NAMES)('%s: a signal while it computes leaves nothing, not even a folder', async (name) => {
  const folder = scratch.path(`computed-${name}`);
  const answer = invoke(...CALLS[name], '--out', folder);
  while (!isHeard()) await new Promise((resolve) => setImmediate(resolve));
  process.emit('SIGTERM', 'SIGTERM');
  expect(await answer).toEqual({ code: 143, out: '', err: 'stopped by SIGTERM; nothing was written\n' });
  expect(existsSync(folder)).toBe(false);
});

// With all defaults these take minutes: the refusal comes before.
test.for([['attack'], ['fairness', '--duration', '1s'], ['reproduce', 'all']])(
  '%j into a file is refused before the work begins',
  async (args) => {
    const file = scratch.path(`file-${args[0]}`);
    writeFileSync(file, 'kept');
    expect(await invoke(...args, '--out', file)).toEqual({
      code: 2,
      out: '',
      err: `--out is "${file}", which is a file; expected a folder\n`,
    });
    expect(await invoke(...args, '--out', '/dev/null/here')).toEqual({
      code: 2,
      out: '',
      err: '--out is "/dev/null/here", which is below "/dev/null", not a folder; expected a folder\n',
    });
    expect(readFileSync(file, 'utf8')).toBe('kept');
  },
);

test.for([
  ['attack.html', 'attack'],
  ['fairness-delays-churn.svg', 'fairness', '--duration', '1s'],
  ['strategies.json', 'reproduce', 'all'],
])('so is a folder in the place of %s', async ([file = '', ...args]) => {
  const folder = scratch.path(`taken-${args[0]}`);
  mkdirSync(join(folder, file), { recursive: true });
  const { code, err } = await invoke(...args, '--out', folder);
  expect(code).toBe(2);
  expect(err).toContain(`${join(folder, file)}: cannot be written: it is there and not a regular file`);
  expect(readdirSync(folder)).toEqual([file]);
});

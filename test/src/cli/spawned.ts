import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

// The program as a shell starts it: signals, pipes, and scenarios that are modules need a process of their own.
export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

/** The words that start the program from its sources, wherever the shell stands. */
export const PROGRAM: readonly string[] = [
  process.execPath,
  '--import',
  `${REPOSITORY}/node_modules/tsx/dist/loader.mjs`,
  `${REPOSITORY}/src/cli/main.ts`,
];

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program that was started, and what it has said so far. */
export interface Started {
  readonly child: ChildProcess;
  readonly said: { out: string; err: string };
  readonly ended: Promise<Ended>;
}

/** Starts the program with arguments; `words` is what is started in its place. */
export function start(args: readonly string[], cwd = REPOSITORY, words = PROGRAM): Started {
  const [program = '', ...first] = words;
  const child = spawn(program, [...first, ...args], { cwd });
  const said = { out: '', err: '' };
  child.stdout.on('data', (text) => {
    said.out += text;
  });
  child.stderr.on('data', (text) => {
    said.err += text;
  });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...said })));
  return { child, said, ended };
}

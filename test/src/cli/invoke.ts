import { runCli } from '../../../src/cli/program.js';

/** What a command line said and how it ended. */
export interface Answer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process, as a shell without a terminal would. */
export async function invoke(...args: string[]): Promise<Answer> {
  let out = '';
  let err = '';
  const code = await runCli(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    errIsTerminal: false,
    columns: 100,
    program: 'cdna-nic',
    // Starting threads would take longer than what most tests ask for.
    jobs: 1,
  });
  return { code, out, err };
}

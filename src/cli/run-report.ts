import type { RunResult } from '../machine/run-result.js';
import type { CliIo, ExitCode } from './cli-io.js';
import type { GivenOptions } from './commands/entry.js';
import type { Execution } from './execute.js';
import { againLine } from './repeat-line.js';
import type { WrittenFile } from './run-outputs.js';
import type { RunRequest } from './run-request.js';

/** Prints the results of a request in the requested form. Returns the exit code. */
export function report(
  request: RunRequest,
  options: GivenOptions,
  execution: Execution,
  io: CliIo,
  text: () => string,
): ExitCode {
  const { results, files, document, repeat, notes } = execution;
  const broken = brokenLines(results);
  const warnings = notes.map((note) => `note: ${note}`);
  const trailer = [...warnings, ...broken, ...fileLines(files), againLine(repeat, options)];
  if (request.json) {
    io.out(document);
    io.err(`${trailer.join('\n')}\n`);
  } else {
    io.out(`${text()}\n${trailer.join('\n')}\n`);
  }
  return broken.length > 0 ? 1 : 0;
}

/** A line per invariant that was violated. */
export function brokenLines(results: readonly RunResult[]): string[] {
  return results.flatMap(({ protection, laws }) =>
    laws
      .filter(({ held }) => !held)
      .map(({ law, detail }) => `invariant violated: ${protection}: ${law}: ${detail}`),
  );
}

/** So many files are named; of more, the first. */
const NAMED_FILES = 3;

/** A line per kind of file. */
export function fileLines(files: readonly WrittenFile[]): string[] {
  const kinds = [...new Set(files.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const paths = files.filter((file) => file.kind === kind).map(({ path }) => path);
    const [first = ''] = paths;
    const named =
      paths.length > NAMED_FILES ? `${first} and ${paths.length - 1} more beside it` : paths.join(' ');
    return `wrote ${kind}: ${named}`;
  });
}

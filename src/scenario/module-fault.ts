import { basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../../scheduler/errors.js';

/** A module of the user's own that was loaded. */
export interface OwnModule {
  /** What gave its name: `--discipline`, or a scenario's field. */
  readonly field: string;
  /** As it was given. */
  readonly name: string;
  /** Absolute path. */
  readonly file: string;
}

/** A module does not keep to what it is to be: the user's to mend, however deep in a run it shows. */
export class ModuleFault extends UserError {
  override readonly name = 'ModuleFault';

  constructor({ field, name }: Pick<OwnModule, 'field' | 'name'>, what: string) {
    super(`${field} is ${JSON.stringify(name)}, ${what}`);
  }
}

/** The same for what was thrown. A UserError of a kind of its own says already whose mistake it is, and stays as it is. */
export function thrownBy(module: OwnModule, what: string, error: unknown): UserError {
  if (error instanceof UserError && error.constructor !== UserError) return error;
  return new ModuleFault(module, `${what}: ${firstLineOf(error)}${placeIn(module.file, error)}`);
}

/** Longest reason that is shown. */
const MOST_CHARACTERS = 300;

/** The first line of what was thrown. */
export function firstLineOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  const line = withoutDataUrls(text.trim().split(/\r?\n/u)[0] ?? '');
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS - 3)}...` : line;
}

/** A module of CommonJS is loaded from a URL that holds all of its text. */
function withoutDataUrls(text: string): string {
  return text.replace(/data:text\/javascript\S*/gu, 'the module');
}

/** Where in a file it was thrown, as ` (mine.ts:24)`; nothing when the stack does not name the file. */
function placeIn(file: string, error: unknown): string {
  const stack = error instanceof Error && typeof error.stack === 'string' ? error.stack : '';
  for (const line of stack.split('\n')) {
    if (!/^\s+at /u.test(line) || line.includes('data:')) continue;
    for (const path of [file, pathToFileURL(file).href]) {
      const at = line.indexOf(path);
      const rest = at < 0 ? '' : line.slice(at + path.length);
      const number = /^(?:\?[^:]*)?:(\d+)(?::\d+)?/u.exec(rest)?.[1];
      if (number !== undefined) return isOfSource(file, number) ? ` (${basename(file)}:${number})` : '';
    }
  }
  return '';
}

/** TypeScript is compiled to one long line: without its source map every place is in the first. */
function isOfSource(file: string, line: string): boolean {
  return line !== '1' || !file.endsWith('ts');
}

import { type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UsageError } from './cli-io.js';
import { text } from './options.js';

/**
 * The folder that an option names, there or to be made; undefined when the option was not given.
 * @throws UsageError when something else than a folder is in its place, or on the way to it
 */
export function folderPath(option: string, value: string | boolean | undefined): string | undefined {
  const path = text(value);
  if (path === undefined) return undefined;
  const found = statsOf(path);
  if (found !== undefined && !found.isDirectory())
    throw new UsageError(`${option} is "${path}", which is ${kindOf(found)}; expected a folder`);
  refuseBelowFile(option, path, 'a folder');
  return path;
}

/**
 * The file that an option names, there or to be written; undefined when the option was not given.
 * @throws UsageError when it is a folder, or below something else than a folder
 */
export function filePath(option: string, value: string | boolean | undefined): string | undefined {
  const path = text(value);
  if (path === undefined) return undefined;
  // A slash at the end means a folder, which may not be there yet.
  if (statsOf(path)?.isDirectory() === true || /[/\\]$/u.test(path))
    throw new UsageError(`${option} is "${path}", which is a folder; expected a file`);
  refuseBelowFile(option, path, 'a file in a folder');
  return path;
}

/** Nothing can be made below what is there and no folder. */
function refuseBelowFile(option: string, path: string, expected: string): void {
  let above = dirname(resolve(path));
  let found = statsOf(above);
  while (found === undefined && above !== dirname(above)) {
    above = dirname(above);
    found = statsOf(above);
  }
  if (found === undefined || found.isDirectory()) return;
  throw new UsageError(
    `${option} is "${path}", which is below "${above}", ${kindOf(found)}; expected ${expected}`,
  );
}

function kindOf(found: Stats): string {
  return found.isFile() ? 'a file' : 'not a folder';
}

/** Undefined for what is not there, and for what may not be looked at: opening it will say why. */
function statsOf(path: string): Stats | undefined {
  try {
    return statSync(resolve(path));
  } catch {
    return undefined;
  }
}

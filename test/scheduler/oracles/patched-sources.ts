import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transform } from 'esbuild';
import type * as disciplines from '../../../scheduler/disciplines/index.js';

const SOURCE = new URL('../../../scheduler/', import.meta.url);
const compiled = new Map<string, string>();

/** One change of a source file: the text has to occur in it exactly once. */
export interface Patch {
  /** Path below scheduler/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** The disciplines, compiled from their sources with one change, in a directory of their own. */
export async function patchedDisciplines({ file, from, to }: Patch): Promise<typeof disciplines> {
  const directory = mkdtempSync(join(tmpdir(), 'cdna-nic-patched-'));
  for (const folder of ['', 'disciplines/']) {
    mkdirSync(join(directory, folder), { recursive: true });
    for (const name of readdirSync(new URL(folder, SOURCE)).filter((entry) => entry.endsWith('.ts'))) {
      const path = `${folder}${name}`;
      const text = readFileSync(new URL(path, SOURCE), 'utf8');
      if (path === file && text.split(from).length !== 2) throw new Error(`${path} has "${from}" not once`);
      const output = path === file ? await compile(text.replace(from, () => to)) : await cached(path, text);
      writeFileSync(join(directory, path.replace(/\.ts$/, '.js')), output);
    }
  }
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  try {
    return await import(/* @vite-ignore */ pathToFileURL(join(directory, 'disciplines/index.js')).href);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function cached(path: string, text: string): Promise<string> {
  const known = compiled.get(path) ?? (await compile(text));
  compiled.set(path, known);
  return known;
}

async function compile(text: string): Promise<string> {
  return (await transform(text, { loader: 'ts', format: 'esm', target: 'es2022' })).code;
}

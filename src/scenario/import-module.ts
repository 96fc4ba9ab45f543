import { existsSync } from 'node:fs';
import { basename, extname, parse } from 'node:path';
import { pathToFileURL } from 'node:url';
import { firstLineOf } from './module-fault.js';

/** Endings of files that are programs. */
export const MODULE_EXTENSIONS: readonly string[] = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];

const TYPESCRIPT_EXTENSIONS = ['.ts', '.mts', '.cts'];

/** Why a module cannot be used: a reason without the file's name, which the caller knows. */
export class ModuleProblem extends Error {
  override readonly name = 'ModuleProblem';
}

/**
 * Runs a TypeScript or JavaScript file and returns its default export. TypeScript needs tsx, which is loaded only then.
 *
 * @param file absolute path
 * @throws ModuleProblem
 */
export async function importDefault(file: string): Promise<unknown> {
  if (!existsSync(file)) throw new ModuleProblem('cannot be read (no such file)');
  const isTypeScript = TYPESCRIPT_EXTENSIONS.includes(extname(file));
  const load = isTypeScript ? await typeScriptLoader() : (url: string) => import(/* @vite-ignore */ url);
  let module: { default?: unknown };
  try {
    module = (await load(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    const reason =
      (error instanceof Error ? firstSyntaxError(error.message, file) : undefined) ?? reasonOf(error);
    const hint = /Cannot find (module|package) 'cdna-nic/u.test(reason)
      ? '; expected cdna-nic to be installed where the file lies, or no import of it'
      : '';
    throw new ModuleProblem(`cannot be loaded (${reason})${hint}`);
  }
  return insideOf(module.default);
}

/** The first line of what a system call, parser or module said. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EISDIR') return 'it is a folder';
  return firstLineOf(error);
}

/** Of a TypeScript file that is none, esbuild counts the errors first; then each has a line with its place. */
function firstSyntaxError(message: string, file: string): string | undefined {
  const [heading = '', first] = message.split('\n');
  if (!heading.startsWith('Transform failed') || first === undefined) return undefined;
  const found = /^(?<path>.*):(?<line>\d+):\d+: ERROR: (?<what>.*)$/u.exec(first)?.groups;
  if (found === undefined) return first;
  // tsx calls a .mts file .ts.
  const path = parse(found.path ?? '');
  const told = path.name === parse(file).name ? basename(file) : path.base;
  return `${found.what} (${told}:${found.line})`;
}

async function typeScriptLoader(): Promise<(url: string) => Promise<unknown>> {
  try {
    const { tsImport } = await import('tsx/esm/api');
    return (url) => tsImport(url, import.meta.url);
  } catch {
    throw new ModuleProblem(
      'is TypeScript, which needs tsx; expected tsx to be installed (npm install tsx), or a .json or .mjs file',
    );
  }
}

/** In a folder without "type": "module" a .ts file is CommonJS, and its default export arrives wrapped once more. */
function insideOf(exported: unknown): unknown {
  if (typeof exported !== 'object' || exported === null || !('__esModule' in exported)) return exported;
  return (exported as { default?: unknown }).default;
}

// Bundles the command line, and what its threads run, into few files: a process that imports 661 modules spends most of
// a short run on finding and parsing them. What a command does not need stays in chunks of its own.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const THREAD = 'task-thread';

/**
 * Packages that are loaded from where they are installed, and only when they are needed: for scenarios in TypeScript, for
 * threads, for laws, for a queue of sweeps.
 */
export const EXTERNAL_PACKAGES = ['tsx', 'tsx/*', 'tinypool', 'fast-check', 'bullmq', 'ioredis'];

/**
 * @param from folder of the modules: the sources, or what they were compiled to
 * @param extension of the modules in it
 * @param out folder of the bundle
 * @param program name of the command line's file in it, without its extension
 */
export async function bundle({ from, extension, out, program }) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: {
      [program]: `${from}/src/cli/main.${extension}`,
      [THREAD]: `${from}/src/work/task-thread.${extension}`,
    },
    outdir: out,
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    legalComments: 'linked',
    logLevel: 'warning',
    plugins: [threadEntry(), addresses(from, extension, out)],
    external: EXTERNAL_PACKAGES,
    // Packages of the older module system ask for the modules of Node by `require`.
    banner: {
      js: "import { createRequire as cdnaNicCreateRequire } from 'node:module'; const require = cdnaNicCreateRequire(import.meta.url);",
    },
  });
  put(outputFiles, out);
}

/**
 * Puts files into a folder and removes what else is in it. A file that is there already stays, and another one takes its
 * place at once: a second process may be running from it.
 */
function put(files, folder) {
  mkdirSync(folder, { recursive: true });
  for (const { path, contents } of files) {
    if (existsSync(path) && readFileSync(path).equals(contents)) continue;
    const partial = join(folder, `.${basename(path)}.${process.pid}`);
    writeFileSync(partial, contents);
    renameSync(partial, path);
  }
  const names = new Set(files.map(({ path }) => basename(path)));
  const isOurs = (name) => names.has(name) || name.startsWith('.');
  for (const name of readdirSync(folder)) if (!isOurs(name)) rmSync(join(folder, name), { force: true });
}

/** Threads run the bundle too: all chunks lie in its folder. */
function threadEntry() {
  return {
    name: 'thread-entry',
    setup(bundler) {
      bundler.onLoad({ filter: /[\\/]src[\\/]work[\\/]thread-entry\.[jt]s$/ }, () => ({
        contents: `export const THREAD_ENTRY = new URL('./${THREAD}.js', import.meta.url);`,
      }));
    },
  };
}

/** Modules that look for files beside themselves still find them: their address is that of the unbundled module. */
function addresses(from, extension, out) {
  return {
    name: 'addresses',
    setup(bundler) {
      bundler.onLoad({ filter: new RegExp(`\\.${extension}$`) }, ({ path }) => {
        if (!path.startsWith(`${from}${sep}`) || path.includes(`${sep}node_modules${sep}`)) return undefined;
        const text = readFileSync(path, 'utf8');
        if (!text.includes('import.meta.url')) return undefined;
        const beside = relative(out, path).split(sep).join('/');
        const address = `new URL(${JSON.stringify(beside)}, import.meta.url).href`;
        return {
          contents: text.replaceAll('import.meta.url', address),
          resolveDir: dirname(path),
          loader: extension,
        };
      });
    },
  };
}

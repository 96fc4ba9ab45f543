// Bundles the command line, and what its threads run, into few files: a process that imports 661 modules spends most of
// a short run on finding and parsing them. What a command does not need stays in chunks of its own.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const THREAD = 'task-thread';

/** A bundle of the cache that no process has started from for so long is removed, ms. */
const KEPT_MS = 7 * 24 * 3600 * 1000;

/**
 * Packages that are loaded from where they are installed, and only when they are needed: for scenarios in TypeScript, for
 * threads, for laws, for a queue of sweeps.
 */
export const EXTERNAL_PACKAGES = ['tsx', 'tsx/*', 'tinypool', 'fast-check', 'bullmq', 'ioredis'];

/**
 * Bundles into a folder, in which nothing else is left: no process may be running from it.
 *
 * @param from folder of the modules: the sources, or what they were compiled to
 * @param extension of the modules in it
 * @param out folder of the bundle
 * @param program name of the command line's file in it, without its extension
 * @param core a module of which all that it imports is one chunk, as a path without its extension; none if it is left out
 */
export async function bundle({ from, extension, out, program, core }) {
  const files = await filesOf({ from, extension, out, program, core });
  rmSync(out, { recursive: true, force: true });
  write(files, out);
}

/**
 * Bundles into a folder of the cache that is named after what is in it, and returns the folder. Another process may be
 * running from a bundle of other sources, and loads chunks and starts threads as it needs them: its folder stays as it is,
 * and goes when none has started from it for a week.
 *
 * @param cache folder of such folders
 */
export async function bundleInCache({ from, extension, cache, program, core }) {
  // Modules find what lies beside them from any folder of the cache alike.
  const files = await filesOf({ from, extension, out: join(cache, 'bundle'), program, core });
  const hash = createHash('sha256');
  for (const { path, contents } of files)
    hash.update(`${basename(path)} ${contents.length} `).update(contents);
  const folder = join(cache, hash.digest('hex').slice(0, 32));
  mkdirSync(cache, { recursive: true });
  if (!existsSync(folder)) {
    const partial = mkdtempSync(join(cache, 'partial-'));
    write(files, partial);
    try {
      renameSync(partial, folder);
    } catch (error) {
      // Another process has put the same bundle there meanwhile.
      rmSync(partial, { recursive: true, force: true });
      if (!existsSync(folder)) throw error;
    }
  }
  const now = new Date();
  utimesSync(folder, now, now);
  for (const name of readdirSync(cache)) {
    const usedMs = statSync(join(cache, name), { throwIfNoEntry: false })?.mtimeMs;
    if (usedMs !== undefined && now.getTime() - usedMs > KEPT_MS) discard(cache, name);
  }
  return folder;
}

/** Removes a folder of the cache. It loses its name first: half of a bundle must not be taken for the whole one. */
function discard(cache, name) {
  const nameless = join(mkdtempSync(join(cache, 'partial-')), name);
  try {
    renameSync(join(cache, name), nameless);
  } catch (error) {
    // Another process removes it too.
    if (error.code !== 'ENOENT') throw error;
  }
  rmSync(dirname(nameless), { recursive: true, force: true });
}

async function filesOf(options) {
  const { from, extension, core } = options;
  const { metafile, outputFiles } = await buildWith(options, undefined);
  if (core === undefined) return outputFiles;
  const path = `${from}/${core}.${extension}`;
  const grouped = await buildWith(options, { core: path, targets: loadedLater(metafile, path) });
  return grouped.outputFiles;
}

/** Modules that are loaded when they are needed, and are none of those that `core` imports. Paths. */
function loadedLater({ inputs }, core) {
  const statics = new Set();
  const later = new Set();
  const visit = (path) => {
    if (statics.has(path)) return;
    statics.add(path);
    for (const { path: imported, kind, external } of inputs[path]?.imports ?? [])
      if (kind !== 'dynamic-import' && external !== true) visit(imported);
  };
  visit(relative(root, core).split(sep).join('/'));
  for (const { imports } of Object.values(inputs))
    for (const { path, kind, external } of imports)
      if (kind === 'dynamic-import' && external !== true && !statics.has(path)) later.add(join(root, path));
  return later;
}

/**
 * A chunk holds what one set of modules that are loaded later has in common, and there are nearly as many such sets as pairs of
 * commands. Each of those modules is given all of `core`, so that what it imports is one chunk: a start looks for, reads and links a
 * dozen files and not seventy.
 */
function buildWith({ from, extension, out, program }, grouped) {
  return build({
    absWorkingDir: root,
    entryPoints: {
      [program]: `${from}/src/cli/main.${extension}`,
      [THREAD]: `${from}/src/work/task-thread.${extension}`,
    },
    outdir: out,
    write: false,
    metafile: true,
    // Modules for Node, of which all is kept, come first in its list; these are those of which only what is used is.
    alias: { rxjs: join(root, 'node_modules/rxjs/dist/esm/index.js') },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    legalComments: 'linked',
    logLevel: 'warning',
    plugins: [threadEntry(), sources(from, extension, out, grouped)],
    external: EXTERNAL_PACKAGES,
    // Packages of the older module system ask for the modules of Node by `require`.
    banner: {
      js: "import { createRequire as cdnaNicCreateRequire } from 'node:module'; const require = cdnaNicCreateRequire(import.meta.url);",
    },
  });
}

function write(files, folder) {
  mkdirSync(folder, { recursive: true });
  for (const { path, contents } of files) writeFileSync(join(folder, basename(path)), contents);
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

/**
 * Modules that look for files beside themselves still find them: their address is that of the unbundled module. Those that are loaded
 * later import the core.
 */
function sources(from, extension, out, grouped) {
  return {
    name: 'sources',
    setup(bundler) {
      bundler.onLoad({ filter: new RegExp(`\\.${extension}$`) }, ({ path }) => {
        if (!path.startsWith(`${from}${sep}`) || path.includes(`${sep}node_modules${sep}`)) return undefined;
        const isLater = grouped?.targets.has(path) === true || basename(path) === `${THREAD}.${extension}`;
        const text = readFileSync(path, 'utf8');
        if (!text.includes('import.meta.url') && !isLater) return undefined;
        const beside = relative(out, path).split(sep).join('/');
        const address = `new URL(${JSON.stringify(beside)}, import.meta.url).href`;
        const core = JSON.stringify(grouped?.core);
        return {
          contents: `${text.replaceAll('import.meta.url', address)}${isLater && grouped !== undefined ? `\nexport * as cdnaNicCore from ${core};\n` : ''}`,
          resolveDir: dirname(path),
          loader: extension,
        };
      });
    },
  };
}

// Bundles the built command line into few files: a process that imports 661 modules spends most of a short run on
// finding and parsing them. What a command does not need stays in chunks of its own.
import { readFileSync } from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const dist = `${root}dist`;
const out = `${dist}/bin`;

/** Modules that look for files beside themselves still find them: their address is that of the unbundled module. */
const addresses = {
  name: 'addresses',
  setup(bundler) {
    bundler.onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (!path.startsWith(`${dist}${sep}`)) return undefined;
      const text = readFileSync(path, 'utf8');
      if (!text.includes('import.meta.url')) return undefined;
      const from = relative(out, path).split(sep).join('/');
      const address = `new URL(${JSON.stringify(from)}, import.meta.url).href`;
      return { contents: text.replaceAll('import.meta.url', address), resolveDir: dirname(path) };
    });
  },
};

await build({
  absWorkingDir: root,
  entryPoints: { 'cdna-nic': `${dist}/src/cli/main.js` },
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [addresses],
  // Loaded from where they are installed, and only when they are needed: for scenarios in TypeScript, for threads,
  // for laws, for drawings.
  external: ['tsx', 'tsx/*', 'tinypool', 'fast-check', 'bullmq', 'ioredis'],
  // Packages of the older module system ask for the modules of Node by `require`.
  banner: {
    js: "import { createRequire as cdnaNicCreateRequire } from 'node:module'; const require = cdnaNicCreateRequire(import.meta.url);",
  },
});

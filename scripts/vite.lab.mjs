// How Vite builds and serves the lab: the page in src/lab/page, its worker beside it, on loopback alone.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

export default {
  root: at('../src/lab/page'),
  base: './',
  configFile: false,
  publicDir: false,
  define: { __LAB_VERSION__: JSON.stringify(version) },
  cacheDir: at('../node_modules/.cache/vite-lab'),
  server: { host: '127.0.0.1', port: 5180, fs: { allow: [at('..')] } },
  preview: { host: '127.0.0.1', port: 5180 },
  worker: { format: 'iife', rolldownOptions: { checks: { eval: false, pluginTimings: false } } },
  build: {
    outDir: at('../dist/lab'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    reportCompressedSize: false,
    // hdr-histogram-js looks for a WebAssembly form of itself in a way that we never take.
    rolldownOptions: { checks: { eval: false, pluginTimings: false } },
    // The whole of it is a few files that one page needs at once.
    cssCodeSplit: false,
  },
};

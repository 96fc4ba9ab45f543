// Builds the lab: a static folder for any web server, and lab.html, one file that opens from disk. Both hold the same
// code; the single file carries its worker as text and starts it from a Blob.
//
//   node scripts/build-lab.mjs [FOLDER]     default: dist/lab
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import config from './vite.lab.mjs';

const outDir = resolve(process.argv[2] ?? config.build.outDir);
await build({ ...config, logLevel: 'warn', build: { ...config.build, outDir } });

const assets = join(outDir, 'assets');
const names = readdirSync(assets);
const text = (pattern) => {
  const found = names.filter((name) => pattern.test(name));
  if (found.length !== 1) throw new Error(`${assets}: ${found.length} files match ${pattern}, expected one`);
  return readFileSync(join(assets, found[0]), 'utf8');
};
/** Script text inside of an element: what would end the element is spelt otherwise, which means the same in a string. */
const inElement = (script) => script.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');

const page = readFileSync(join(outDir, 'index.html'), 'utf8')
  .replace(/<link[^>]*rel="stylesheet"[^>]*>/u, () => `<style>${text(/\.css$/u)}</style>`)
  .replace(/<script type="module"[^>]*src="[^"]*"[^>]*><\/script>/u, '');
const scripts =
  `<script type="text/plain" id="lab-worker">${inElement(text(/^worker.*\.js$/u))}</script>` +
  `<script type="module">${inElement(text(/^index.*\.js$/u))}</script>`;
writeFileSync(
  join(outDir, 'lab.html'),
  page.replace('</body>', () => `${scripts}</body>`),
);

const packed = (path) => gzipSync(readFileSync(path), { level: 9 }).length;
const folder = ['index.html', ...names.map((name) => `assets/${name}`)].filter(
  (name) => !name.endsWith('.map'),
);
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
const sum = folder.reduce((total, name) => total + packed(join(outDir, name)), 0);
console.log(
  `${outDir}: folder ${kilobytes(sum)}, lab.html ${kilobytes(packed(join(outDir, 'lab.html')))}, packed with gzip`,
);

import { buildImage } from './guest-image.js';

// Writes the initial RAM disk of a test guest: write-initrd.ts FOLDER TARGET [MODULE...], FOLDER as fetch-debian.sh has
// filled it, modules of our own to be loaded when it boots.
const [folder, target, ...modules] = process.argv.slice(2);
if (folder === undefined || target === undefined) {
  process.stderr.write('write-initrd.ts FOLDER TARGET [MODULE...]\n');
  process.exitCode = 2;
} else buildImage({ folder, suite: 'trixie' }, target, modules);

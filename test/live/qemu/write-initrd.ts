import { buildImage } from './guest-image.js';

// Writes the initial RAM disk of a test guest: write-initrd.ts FOLDER TARGET, FOLDER as fetch-debian.sh has filled it.
const [folder, target] = process.argv.slice(2);
if (folder === undefined || target === undefined) {
  process.stderr.write('write-initrd.ts FOLDER TARGET\n');
  process.exitCode = 2;
} else buildImage({ folder, suite: 'trixie' }, target);

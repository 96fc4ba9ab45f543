// The command line of the package, from what tsc has built.
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
await bundle({
  from: dist,
  extension: 'js',
  out: `${dist}/bin`,
  program: 'cdna-nic',
  core: 'src/cli/run-action',
});

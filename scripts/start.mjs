// The command line from its sources, bundled first: half a second, after which neither this process nor its threads
// import and transform hundreds of modules. `npx tsx src/cli/main.ts` is the same without the bundle.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleInCache } from './bundle.mjs';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/u, '');
const cache = `${root}/node_modules/.cache/cdna-nic`;
const out = await bundleInCache({ from: root, extension: 'ts', cache, program: 'main' });
// As if the sources had been started: what it says of itself is how to start it again.
process.argv[1] = `${root}/src/cli/main.ts`;
await import(pathToFileURL(`${out}/main.js`).href);

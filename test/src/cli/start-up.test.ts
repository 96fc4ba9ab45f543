import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { expect, test } from 'vitest';
import { EXTERNAL_PACKAGES } from '../../../scripts/bundle.mjs';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ENTRY = 'src/cli/main.ts';

/** What a process has to read before the command line knows which command it is: all that is not imported later. */
function staticallyImported({ inputs }: Metafile): string[] {
  const found = new Set([ENTRY]);
  for (const file of found) {
    for (const { path, kind, external } of inputs[file]?.imports ?? []) {
      if (kind !== 'dynamic-import' && external !== true) found.add(path);
    }
  }
  return [...found];
}

test('the help text is printed without schemas, streams or a machine', async () => {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [ENTRY],
    outdir: 'dist',
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'silent',
    external: EXTERNAL_PACKAGES,
  });
  const files = staticallyImported(metafile);
  expect(files).toContain('src/cli/program.ts');
  expect(files.filter((file) => /node_modules\/(zod|rxjs)|^(host|nic|guests)\//.test(file))).toEqual([]);
});

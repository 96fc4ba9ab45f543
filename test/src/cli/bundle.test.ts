import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { bundle, bundleInCache } from '../../../scripts/bundle.mjs';
import { scratchFolder } from '../report/scratch-folder.js';

const scratch = scratchFolder();
const DAY_MS = 24 * 3600 * 1000;

/** A project whose command line loads the module that says `text` when it is needed. */
function project(name: string) {
  const from = scratch.path(name);
  mkdirSync(join(from, 'src/cli'), { recursive: true });
  mkdirSync(join(from, 'src/work'));
  writeFileSync(join(from, 'src/cli/main.ts'), `console.log((await import('./later.js')).text);`);
  writeFileSync(join(from, 'src/work/task-thread.ts'), 'export default 1;');
  const cache = join(from, 'cache');
  return {
    from,
    cache,
    says: (text: string) => writeFileSync(join(from, 'src/cli/later.ts'), `export const text = '${text}';`),
    bundled: () => bundleInCache({ from, extension: 'ts', cache, program: 'main' }),
  };
}

const run = (folder: string, program: string) =>
  execFileSync(process.execPath, [join(folder, program)], { encoding: 'utf8' }).trim();

function lastUsed(path: string, daysAgo: number): void {
  const at = new Date(Date.now() - daysAgo * DAY_MS);
  utimesSync(path, at, at);
}

test('a bundle of other sources leaves the one that a process may be running from', async () => {
  const { says, bundled, cache } = project('two');
  says('one');
  const first = await bundled();
  const files = readdirSync(first).sort();
  says('two');
  const second = await bundled();
  expect(second).not.toBe(first);
  expect(readdirSync(first).sort()).toEqual(files);
  expect([run(first, 'main.js'), run(second, 'main.js')]).toEqual(['one', 'two']);
  // Nothing but whole bundles is left.
  expect(readdirSync(cache).sort()).toEqual([basename(first), basename(second)].sort());
});

test('sources that have not changed are the same bundle, which is not written again', async () => {
  const { says, bundled } = project('same');
  says('one');
  const first = await bundled();
  lastUsed(join(first, 'main.js'), 100);
  lastUsed(first, 100);
  const written = statSync(join(first, 'main.js')).mtimeMs;
  expect(await bundled()).toBe(first);
  expect(statSync(join(first, 'main.js')).mtimeMs).toBe(written);
  // It is in use from now on.
  expect(statSync(first).mtimeMs).toBeGreaterThan(Date.now() - DAY_MS);
});

test('what no process has started from for a week is removed, and what a process left that was ended', async () => {
  const { says, bundled, cache } = project('old');
  says('one');
  const old = await bundled();
  says('two');
  const recent = await bundled();
  const partial = join(cache, 'partial-AbCdEf');
  mkdirSync(partial);
  for (const path of [old, partial]) lastUsed(path, 8);
  lastUsed(recent, 6);
  says('three');
  await bundled();
  expect([old, partial, recent].map((path) => existsSync(path))).toEqual([false, false, true]);
  expect(readdirSync(cache)).toHaveLength(2);
});

test('the bundle of the package has the files of the last one alone', async () => {
  const { from, says } = project('package');
  const out = join(from, 'dist');
  says('one');
  await bundle({ from, extension: 'ts', out, program: 'program' });
  const before = readdirSync(out);
  says('two');
  await bundle({ from, extension: 'ts', out, program: 'program' });
  expect(run(out, 'program.js')).toBe('two');
  expect(readdirSync(out)).toHaveLength(before.length);
});

test('what a core imports is one chunk, whichever modules that are loaded later share it', async () => {
  const { from } = project('grouped');
  const write = (name: string, text: string) => writeFileSync(join(from, 'src/cli', `${name}.ts`), text);
  const shared = ['one', 'two', 'three'];
  for (const name of shared) write(name, `export const ${name} = ['${name}'];`);
  write(
    'core',
    `import { one } from './one.js'; import { two } from './two.js'; import { three } from './three.js';
    export const core = [...one, ...two, ...three].join(' ');`,
  );
  // Each pair is shared by another set of modules.
  write(
    'a',
    `import { one } from './one.js'; import { two } from './two.js'; export const a = one.concat(two);`,
  );
  write(
    'b',
    `import { two } from './two.js'; import { three } from './three.js'; export const b = two.concat(three);`,
  );
  write(
    'main',
    `const { a } = await import('./a.js'); const { b } = await import('./b.js'); const { core } = await import('./core.js');
     console.log(a.join(' '), '|', b.join(' '), '|', core);`,
  );
  const chunksOf = async (out: string, core: string | undefined) => {
    await bundle({ from, extension: 'ts', out, program: 'program', ...(core === undefined ? {} : { core }) });
    expect(run(out, 'program.js')).toBe('one two | two three | one two three');
    return readdirSync(out).filter((name) => name.startsWith('chunk-')).length;
  };
  const apart = await chunksOf(join(from, 'apart'), undefined);
  const grouped = await chunksOf(join(from, 'together'), 'src/cli/core');
  expect(apart).toBeGreaterThan(2);
  expect(grouped).toBeLessThan(apart);
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const { dependencies, devDependencies, peerDependencies } = JSON.parse(read('package.json')) as Record<
  'dependencies' | 'devDependencies' | 'peerDependencies',
  Readonly<Record<string, string>>
>;

test('docs/architecture.md names every dependency and says what it is for', () => {
  const [, table = ''] = read('docs/architecture.md').split('## Dependencies, and why');
  const rows = table.split('\n').filter((line) => line.startsWith('| '));
  const named = rows
    .map((row) => row.split('|')[1] ?? '')
    .join(' ')
    .toLowerCase();
  const all = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies });
  // Types come with what they type.
  const packages = all.filter((name) => !name.startsWith('@types/'));
  expect(packages.length).toBeGreaterThan(20);
  const unnamed = packages.filter((name) => {
    // A package of a scope may stand for it: @stryker-mutator/core for StrykerJS.
    const [, scope = name] = /^@([^/-]+)[^/]*\//u.exec(name) ?? [];
    return ![name, scope].some((word) => named.includes(word.toLowerCase()));
  });
  expect(unnamed).toEqual([]);
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands/index.js';

const ROOT = new URL('../../../', import.meta.url);
const README = readFileSync(new URL('README.md', ROOT), 'utf8');

test('the commands that it names exist', () => {
  const known = COMMANDS.map(({ usage }) => usage.split(' ')[0]);
  const named = [...README.matchAll(/^npx tsx src\/cli\/main\.ts (\w+)/gmu)].map((match) => match[1]);
  expect(named.length).toBeGreaterThan(4);
  for (const name of named) expect(known).toContain(name);
});

test('the scripts that README and CONTRIBUTING name exist, and so do the files that they link to', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { scripts: object };
  const contributing = readFileSync(new URL('CONTRIBUTING.md', ROOT), 'utf8');
  for (const text of [README, contributing]) {
    for (const [, name = ''] of text.matchAll(/npm run ([\w:-]+)/gu))
      expect(Object.keys(scripts)).toContain(name);
    for (const [, path = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/gu)) {
      if (path.endsWith('.md') || path.endsWith('.svg'))
        expect(readFileSync(new URL(path, ROOT)).length).toBeGreaterThan(0);
    }
  }
});

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, expect, test } from 'vitest';
import { checkScenario } from '../../src/scenario/load.js';

// Every piece of code in README and docs is compiled as strictly as the project, and run from a clone as a reader would.
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGES = [
  ...['README.md', 'CONTRIBUTING.md'],
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

interface Snippet {
  readonly where: string;
  readonly code: string;
}

function snippets(language: string): Snippet[] {
  return PAGES.flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const found = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gmu'))];
    return found.map((match, index) => ({
      where: `${page}, ${language} ${index + 1}`,
      code: match[1] ?? '',
    }));
  });
}

const CODE = snippets('ts');
mkdirSync(join(ROOT, 'out'), { recursive: true });
// Inside of the clone, where `cdna-nic` is this project.
const folder = mkdtempSync(join(ROOT, 'out', 'snippets-'));
afterAll(() => rmSync(folder, { recursive: true }));
const files = CODE.map(({ code }, index) => {
  const path = join(folder, `snippet-${index}.ts`);
  writeFileSync(path, code);
  return path;
});

test('there are some, in several pages', () => {
  expect(new Set(CODE.map(({ where }) => where.split(',')[0])).size).toBeGreaterThanOrEqual(4);
});

test('all of them compile', () => {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const program = ts.createProgram(files, { ...options, noEmit: true });
  const problems = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const index = files.indexOf(file?.fileName ?? '');
    return `${CODE[index]?.where ?? file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
  expect(problems).toEqual([]);
}, 300_000);

test.for(CODE.map(({ where }, index) => [where, files[index] ?? ''] as const))('%s runs', ([, path]) => {
  const loader = join(ROOT, 'node_modules/tsx/dist/loader.mjs');
  const { status, stderr } = spawnSync(process.execPath, ['--import', loader, path], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
});

test.for(snippets('json').map(({ where, code }) => [where, code] as const))(
  '%s is what it says',
  ([where, code]) => {
    const value = JSON.parse(code) as object;
    if ('guests' in value) checkScenario(value, where);
  },
);

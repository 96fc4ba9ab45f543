import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

// What npm would publish, put into an empty project. Nothing is fetched: the tarball is unpacked where npm would unpack
// it, and of our own node_modules only what package.json declares stands beside it.
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'package-'));
const project = join(scratch, 'project');
const installed = join(project, 'node_modules/cdna-nic');
const manifest = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
  bin: Record<string, string>;
};

function run(command: string, args: readonly string[], cwd = project): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Whether the last build is younger than everything that it was made from: then it need not be made again. */
function isBuilt(): boolean {
  const entry = join(REPOSITORY, 'dist/src/index.js');
  if (!existsSync(entry)) return false;
  const builtMs = statSync(entry).mtimeMs;
  const sources = ['scheduler', 'nic', 'host', 'guests', 'src'].flatMap((layer) =>
    readdirSync(join(REPOSITORY, layer), { recursive: true, encoding: 'utf8' }).map((path) =>
      join(layer, path),
    ),
  );
  return ['package.json', 'tsconfig.json', 'tsconfig.build.json', ...sources].every(
    (path) => statSync(join(REPOSITORY, path)).mtimeMs < builtMs,
  );
}

beforeAll(() => {
  const scripts = isBuilt() ? ['--ignore-scripts'] : [];
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', scratch, ...scripts], {
      cwd: REPOSITORY,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).replace(/^[^[]*/u, ''),
  ) as [{ filename: string }];
  mkdirSync(installed, { recursive: true });
  run('tar', ['-xzf', join(scratch, packed.filename), '--strip-components=1', '-C', installed]);
  for (const name of [...Object.keys(manifest.dependencies), 'fast-check', 'tsx']) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(REPOSITORY, 'node_modules', name), link);
  }
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }');
}, 180_000);

afterAll(() => rmSync(scratch, { recursive: true }));

test('every entry point of package.json exists, with its types', async () => {
  for (const [entry, target] of Object.entries(manifest.exports)) {
    const paths = typeof target === 'string' ? [target] : [target.types, target.default];
    for (const path of paths) expect(existsSync(join(installed, path)), `${entry}: ${path}`).toBe(true);
  }
});

test('it holds what it needs and nothing that it does not', () => {
  expect(readdirSync(installed).sort()).toEqual(
    [
      ...['CHANGELOG.md', 'LICENSE', 'LICENSES', 'README.md', 'SECURITY.md'],
      ...['captures', 'deploy', 'dist', 'docs', 'examples', 'package.json', 'scenarios'],
    ].sort(),
  );
  const dist = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
  expect(dist.filter((path) => /\.test\.|^test/u.test(path))).toEqual([]);
});

test('the example of README type-checks and runs', () => {
  const readme = readFileSync(join(installed, 'README.md'), 'utf8');
  const example = /<!-- example -->\n```ts\n(?<code>[\s\S]+?)```/u.exec(readme)?.groups?.code ?? '';
  expect(example).toContain("from 'cdna-nic'");
  const options = {
    module: 'nodenext',
    target: 'es2022',
    strict: true,
    noEmit: true,
    types: [],
    lib: ['es2023', 'dom'],
  };
  // skipLibCheck is off: our declarations must stand by themselves, without those of Node.
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['example.ts', 'entries.ts'] }),
  );
  writeFileSync(join(project, 'example.ts'), example);
  const entries = Object.keys(manifest.exports).filter((entry) => !entry.endsWith('.json'));
  writeFileSync(
    join(project, 'entries.ts'),
    entries
      .map((entry, index) => `export * as d${index} from '${entry.replace('.', 'cdna-nic')}';`)
      .join('\n'),
  );
  run(process.execPath, [join(REPOSITORY, 'node_modules/typescript/bin/tsc'), '-p', project]);
  const lines = run(process.execPath, ['--import', 'tsx', 'example.ts']).trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^none: steady \d+ Mb\/s, short \d+ Mb\/s, 0 hypercalls$/u);
  expect(lines[1]).toMatch(/^cdna: .*, [1-9]\d* hypercalls$/u);
  const entriesOpen = `${entries.map((entry) => `await import('${entry.replace('.', 'cdna-nic')}');`).join('')}console.log('all');`;
  expect(run(process.execPath, ['--input-type=module', '-e', entriesOpen])).toBe('all\n');
});

test('its program runs the bundled scenario, and one in TypeScript that imports the package', () => {
  const program = join(installed, manifest.bin['cdna-nic'] ?? '');
  const bundled = JSON.parse(run(process.execPath, [program, 'run', '--json', '--duration', '1ms'])) as {
    scenario: { source: string };
  };
  expect(bundled.scenario.source).toBe('scenarios/voice-and-greedy.json');
  const text = `import { defineScenario } from 'cdna-nic';\nexport default defineScenario({ guests: [{ name: 'mine' }] });\n`;
  writeFileSync(join(project, 'mine.ts'), text);
  expect(run(process.execPath, [program, 'run', 'mine.ts', '--duration', '1ms'])).toContain('mine');
});

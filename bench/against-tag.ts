import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** The reference for comparison until there is a tag. */
const FIRST = '00dcd34';
const CASES = [
  { protection: 'cdna', frameBytes: 60 },
  { protection: 'cdna', frameBytes: 1514 },
  { protection: 'iommu:direct-map', frameBytes: 60 },
  { protection: 'iommu:single-use', frameBytes: 60 },
  { protection: 'driver-domain', frameBytes: 60 },
] as const;
const CONTEXTS = 32;
const FRAMES = 15_000;
const WARM_UPS = 6;
const STRETCHES = 9;

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cdna-nic-against-'));

/**
 * A short bench beside the last tag's code, or that of a commit: `npm run bench:ratio -- COMMIT`. Both machines run
 * alternately in separate processes, and the median of the ratios of processor time is printed, with the quartiles. It is
 * indicative only: on a shared machine a few percent are noise. A changed model is part of the ratio.
 */
try {
  const name = process.argv[2] ?? lastTag();
  const before = join(folder, 'before');
  execFileSync('sh', ['-c', 'mkdir "$2" && git archive "$1" | tar -x -C "$2"', 'sh', name, before], {
    cwd: root,
  });
  symlinkSync(join(root, 'node_modules'), join(before, 'node_modules'));
  const [now, then] = [await bundle(root, 'now'), await bundle(before, 'then')];
  for (const { protection, frameBytes } of CASES) {
    const ratios = await compare(now, then, protection, frameBytes);
    const [low = '', middle = '', high = ''] = [0.25, 0.5, 0.75].map((share) => quantile(ratios, share));
    process.stdout.write(
      `${protection}, ${CONTEXTS} contexts, ${frameBytes} bytes: ${middle} x the time of ${name} (${low} to ${high})\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function lastTag(): string {
  try {
    const call = ['describe', '--tags', '--abbrev=0', 'HEAD'];
    return execFileSync('git', call, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return FIRST;
  }
}

/** A program that runs the greedy machine of one tree, a stretch for each message. */
async function bundle(tree: string, name: string): Promise<string> {
  const outfile = join(folder, `${name}.mjs`);
  const entry = join(tree, 'bench', 'against-tag-entry.ts');
  const contents = `
    import { GreedyMachine } from './greedy-machine.js';
    const [protection, frameBytes] = process.argv.slice(2);
    const machine = new GreedyMachine({ protection, contexts: ${CONTEXTS}, frameBytes: Number(frameBytes) });
    process.on('message', (frames) => {
      const start = process.cpuUsage();
      const delivered = machine.deliver(frames);
      const { user, system } = process.cpuUsage(start);
      process.send(((user + system) * 1000) / delivered);
    });
    process.on('disconnect', () => process.exit());
  `;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: join(tree, 'bench'), sourcefile: entry, loader: 'ts' },
    absWorkingDir: tree,
    tsconfig: join(tree, 'tsconfig.json'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    write: false,
    logLevel: 'error',
    banner: {
      js: "import { createRequire as benchRequire } from 'node:module'; const require = benchRequire(import.meta.url);",
    },
  });
  writeFileSync(outfile, outputFiles[0]?.contents ?? '');
  return outfile;
}

function quantile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN).toFixed(2);
}

async function compare(
  now: string,
  then: string,
  protection: string,
  frameBytes: number,
): Promise<readonly number[]> {
  const [one, two] = [now, then].map((file) => fork(file, [protection, String(frameBytes)]));
  if (one === undefined || two === undefined) throw new Error('no process');
  try {
    const ratios: number[] = [];
    for (let index = 0; index < WARM_UPS; index += 1) {
      await stretch(one);
      await stretch(two);
    }
    for (let index = 0; index < STRETCHES; index += 1) {
      const first = index % 2 === 0 ? one : two;
      const times = [await stretch(first), await stretch(first === one ? two : one)] as const;
      ratios.push(first === one ? times[0] / times[1] : times[1] / times[0]);
    }
    return ratios;
  } finally {
    one.disconnect();
    two.disconnect();
  }
}

function stretch(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('a machine ended instead of answering'));
    child.once('exit', ended);
    child.once('message', (ns) => {
      child.off('exit', ended);
      resolve(Number(ns));
    });
    child.send(FRAMES);
  });
}

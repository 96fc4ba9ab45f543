import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hostNs, median } from '../measure.js';
import type { Row, Section } from '../section.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILT = `${ROOT}dist/bin/cdna-nic.js`;

/** How the command line is started: as an installed package does it, and as in a clone. */
const BUILT_WAY = { way: 'node dist', program: [BUILT], needs: BUILT } as const;
const CLONE_WAY = {
  way: 'node with tsx',
  program: ['--import', 'tsx', `${ROOT}src/cli/main.ts`],
  needs: undefined,
} as const;
const BOTH_WAYS = [BUILT_WAY, CLONE_WAY] as const;

const CALLS = [
  { call: '--help', repetitions: 9, ways: BOTH_WAYS },
  { call: 'run --duration 1ms', repetitions: 9, ways: BOTH_WAYS },
  { call: 'compare', repetitions: 3, ways: BOTH_WAYS },
  { call: 'compare scenarios/four-guests.json', repetitions: 3, ways: [BUILT_WAY] },
  { call: 'compare scenarios/four-guests.json --duration 2s', repetitions: 1, ways: [BUILT_WAY] },
  { call: 'attack', repetitions: 1, ways: BOTH_WAYS },
] as const;

/** What a program took, with all that it started. */
interface Taken {
  readonly wallNs: number;
  readonly cpuNs: number;
}

/**
 * Whole programs, from the start of the process to its end; one call that warms the disk's cache is not counted.
 * A start of node that does nothing comes before each repetition, and the median of the ratios of neighbours counts.
 * `npx` itself takes half a second to find tsx and is left out: what is timed is node with tsx as its loader. A program that was
 * not built has null; `npm run build` builds it.
 */
export const programs: Section = {
  name: 'programs',
  title: 'Whole programs: the command line from start to end',
  run({ progress, quick }) {
    const rows: Row[] = [];
    const alone: Taken[] = [taken(['-e', '0'])];
    for (const { call, repetitions, ways } of quick ? CALLS.slice(0, 1) : CALLS) {
      for (const { way, program, needs } of ways) {
        progress(`programs: ${call}, ${way}`);
        if (needs !== undefined && !existsSync(needs)) {
          rows.push({ call, way, milliseconds: null, cpuMilliseconds: null });
          continue;
        }
        if (repetitions > 1) taken([...program, ...call.split(' ')]);
        const times: Taken[] = [];
        const ratios: number[] = [];
        for (let index = 0; index < (quick ? 1 : repetitions); index += 1) {
          const empty = taken(['-e', '0']);
          const full = taken([...program, ...call.split(' ')]);
          alone.push(empty);
          times.push(full);
          ratios.push(full.wallNs / empty.wallNs);
        }
        rows.push({
          call,
          way,
          ...columns(times),
          timesNode: Number(median(ratios).toPrecision(3)),
        });
      }
    }
    rows.unshift({ call: 'node -e 0', way: BUILT_WAY.way, ...columns(alone) });
    return rows;
  },
};

function columns(times: readonly Taken[]): Record<string, number> {
  const walls = times.map(({ wallNs }) => wallNs);
  return {
    milliseconds: inMs(median(walls)),
    fastestMs: inMs(Math.min(...walls)),
    slowestMs: inMs(Math.max(...walls)),
    cpuMilliseconds: inMs(median(times.map(({ cpuNs }) => cpuNs))),
  };
}

/** Runs node; the shell says what it and its children have used. */
function taken(call: readonly string[]): Taken {
  const start = hostNs();
  const shell = ['-c', '"$@" > /dev/null; status=$?; times; exit $status', 'sh', process.execPath, ...call];
  const { status, stdout, stderr } = spawnSync('sh', shell, { cwd: ROOT, encoding: 'utf8' });
  const wallNs = hostNs() - start;
  // 1 is an answer too: an attack succeeded, or a bound was violated.
  if (status !== 0 && status !== 1) throw new Error(`${call.join(' ')} ended with ${status}: ${stderr}`);
  const [user = Number.NaN, system = Number.NaN] = (stdout.trim().split('\n')[1] ?? '')
    .split(' ')
    .map(seconds);
  return { wallNs, cpuNs: (user + system) * 1e9 };
}

/** Of "1m2.34s". */
function seconds(text: string): number {
  const [, minutes = '', rest = ''] = /^(\d+)m([\d.]+)s$/u.exec(text) ?? [];
  return minutes === '' ? Number.NaN : Number(minutes) * 60 + Number(rest);
}

function inMs(ns: number): number {
  return Math.round(ns / 1e4) / 100;
}

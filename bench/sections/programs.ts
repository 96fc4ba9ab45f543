import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hostNs, timingColumns } from '../measure.js';
import type { Row, Section } from '../section.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILT = `${ROOT}dist/bin/cdna-nic.js`;

/** How the command line is started: as an installed package does it, and as in a clone. */
const WAYS = [
  { way: 'node dist', program: [BUILT], needs: BUILT },
  { way: 'node with tsx', program: ['--import', 'tsx', `${ROOT}src/cli/main.ts`], needs: undefined },
] as const;

const CALLS = [
  { call: '--help', repetitions: 9 },
  { call: 'run --duration 1ms', repetitions: 7 },
  { call: 'compare', repetitions: 3 },
  { call: 'attack', repetitions: 1 },
] as const;

/**
 * Whole programs, from the start of the process to its end; of `--help` one repetition that warms the
 * disk's cache is not counted; the others last seconds.
 * `npx` itself takes half a second to find tsx and is left out: what is timed is node with tsx as its loader. A program that was
 * not built has null; `npm run build` builds it. The ratio to the floor says how many of its packets go into that time.
 */
export const programs: Section = {
  name: 'programs',
  title: 'Whole programs: wall time of the command line',
  run({ stopwatch, progress, quick }) {
    const rows: Row[] = [];
    const alone = stopwatch.time(() => wallNs(['-e', '0']), { operations: 1, repetitions: 9, warmUps: 1 });
    rows.push({ call: 'node -e 0', way: 'node dist', milliseconds: inMs(alone.medianNs), floorRatio: null });
    for (const { call, repetitions } of quick ? CALLS.slice(0, 1) : CALLS) {
      for (const { way, program, needs } of WAYS) {
        progress(`programs: ${call}, ${way}`);
        if (needs !== undefined && !existsSync(needs)) {
          rows.push({ call, way, milliseconds: null, floorRatio: null });
          continue;
        }
        const timing = stopwatch.time(() => wallNs([...program, ...call.split(' ')]), {
          operations: 1,
          repetitions,
          warmUps: call === '--help' ? 1 : 0,
        });
        const { nsPerOperation, fastestNs, slowestNs, floorRatio } = timingColumns(timing);
        rows.push({
          call,
          way,
          milliseconds: inMs(nsPerOperation),
          fastestMs: inMs(fastestNs),
          slowestMs: inMs(slowestNs),
          floorRatio: floorRatio ?? null,
          timesNode: Number((timing.medianNs / alone.medianNs).toPrecision(3)),
        });
      }
    }
    return rows;
  },
};

function wallNs(call: readonly string[]): number {
  const start = hostNs();
  const { status, stderr } = spawnSync(process.execPath, call, { cwd: ROOT, encoding: 'utf8' });
  const ns = hostNs() - start;
  // 1 is an answer too: an attack succeeded, or a bound was violated.
  if (status !== 0 && status !== 1) throw new Error(`${call.join(' ')} ended with ${status}: ${stderr}`);
  return ns;
}

function inMs(ns: number | undefined): number {
  return Math.round((ns ?? Number.NaN) / 1e4) / 100;
}

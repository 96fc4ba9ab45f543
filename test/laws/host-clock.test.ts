import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAYERS = ['scheduler', 'nic', 'host', 'guests', 'src'];

/** What answers differently on another host or at another time. */
const HOST_ONLY =
  /\b(Date|performance)\b(?=\s*[.[(])|\bMath\.random\b|\bhrtime\b|\bset(?:Timeout|Interval|Immediate)\b|\bperf_hooks\b|\brandom(?:Bytes|UUID|Int)\b|\bgetRandomValues\b/gu;

/** Which files may use what, and why no result of the emulator depends on it. */
const ALLOWED = [
  // Lets the event loop see Ctrl-C between two slices of a run.
  'src/cli/interruption.ts: setImmediate',
  // A person reads how long a sweep still takes.
  'src/cli/progress-clock.ts: performance',
  // A second of the host's between two samples that are shown.
  'src/cli/serve-action.ts: setTimeout',
  // When it is said that no worker takes runs.
  'src/cli/sweep-action.ts: setTimeout',
  // The cost of a scheduling decision is measured on this host and is shown as that.
  'src/fairness/fairness-study.ts: hrtime',
  // How long a thing is on its way over the screen.
  'src/lab/page/reader-clock.ts: performance',
  'src/lab/page/reader-clock.ts: setInterval',
  // The pace at which a reader watches: results are the same at each.
  'src/lab/page/worker.ts: performance',
  'src/lab/page/worker.ts: setTimeout',
  // The other guests have their turn between two pieces of what one client asks for; the log has the turns.
  'src/live/server/guest-socket.ts: setImmediate',
  // The token that a page has to show, which is not for others to guess; and how often a page is told.
  'src/live/server/lab-endpoint.ts: randomBytes',
  'src/live/server/lab-endpoint.ts: setInterval',
  // How long a socket that is being closed may take.
  'src/live/server/limit-end.ts: setTimeout',
  // The one place where the host's clock drives a machine: what it took in is logged, and replayed to the bit.
  'src/live/server/wall-clock.ts: hrtime',
  'src/live/server/wall-clock.ts: setImmediate',
  'src/live/server/wall-clock.ts: setTimeout',
  // Lets the event loop see an abort between two slices of a run.
  'src/simulate.ts: setImmediate',
  // When a queue is asked for outcomes: they are the same whenever that is.
  'src/sweep/queue/queue-executor.ts: setTimeout',
  // How often a worker looks whether another version has taken the queue.
  'src/sweep/queue/queue-worker.ts: setInterval',
  // RxJS reports an observer's error from a timer: it is waited for, to fail the run by name.
  'src/unhandled-errors.ts: setTimeout',
];

function uses(text: string): string[] {
  return [...new Set(text.match(HOST_ONLY) ?? [])];
}

describe('law 1: time is virtual', () => {
  it('the clock, timers and random numbers of the host are used in the files that are named and in no other', () => {
    const found: string[] = [];
    for (const layer of LAYERS) {
      const files = readdirSync(join(ROOT, layer), { recursive: true, encoding: 'utf8' });
      expect(files.length).toBeGreaterThan(5);
      for (const file of files.filter((name) => /\.tsx?$/u.test(name))) {
        for (const name of uses(readFileSync(join(ROOT, layer, file), 'utf8')))
          found.push(`${layer}/${file.replaceAll('\\', '/')}: ${name}`);
      }
    }
    expect(found.sort()).toEqual(ALLOWED);
  });

  it.each([
    ['const now = Date.now();', 'Date'],
    ['new Date()', 'Date'],
    ['performance.now()', 'performance'],
    ['Math.random()', 'Math.random'],
    ['process.hrtime.bigint()', 'hrtime'],
    ['setTimeout(go, 1)', 'setTimeout'],
    ["from 'node:perf_hooks'", 'perf_hooks'],
  ])('sees %s', (line, name) => {
    expect(uses(line)).toEqual([name]);
  });
});

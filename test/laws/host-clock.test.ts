import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FLOORS = ['scheduler', 'nic', 'host', 'guests', 'src'];

/** What answers differently on another host or at another time. */
const HOST_ONLY =
  /\b(Date|performance)\b(?=\s*[.[(])|\bMath\.random\b|\bhrtime\b|\bset(?:Timeout|Interval|Immediate)\b|\bperf_hooks\b|\brandom(?:Bytes|UUID|Int)\b|\bgetRandomValues\b/gu;

/** Who may use what, and why no result of the emulator depends on it. */
const ALLOWED = [
  // The cost of a scheduling decision is measured on this host and is shown as that.
  'src/cli/fairness-action.ts: hrtime',
  // Lets the event loop see Ctrl-C between two slices of a run.
  'src/cli/interruption.ts: setImmediate',
  // A second of the host's between two samples that are shown.
  'src/cli/serve-action.ts: setTimeout',
  // The one place where the host's clock drives a machine: what it took in is logged, and replayed to the bit.
  'src/live/server/wall-clock.ts: hrtime',
  'src/live/server/wall-clock.ts: setImmediate',
  'src/live/server/wall-clock.ts: setTimeout',
];

function uses(text: string): string[] {
  return [...new Set(text.match(HOST_ONLY) ?? [])];
}

describe('law 1: time is virtual', () => {
  it('no floor asks the host for the time, for a timer or for a random number, but for those that are named', () => {
    const found: string[] = [];
    for (const floor of FLOORS) {
      const files = readdirSync(join(ROOT, floor), { recursive: true, encoding: 'utf8' });
      expect(files.length).toBeGreaterThan(5);
      for (const file of files.filter((name) => name.endsWith('.ts'))) {
        for (const name of uses(readFileSync(join(ROOT, floor, file), 'utf8')))
          found.push(`${floor}/${file.replaceAll('\\', '/')}: ${name}`);
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

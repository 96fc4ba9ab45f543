import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { invoke } from '../cli/invoke.js';

const folders: string[] = [];
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'fairness-'));
  folders.push(made);
  return made;
};

afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
});

const fairness = (...args: string[]) => invoke('fairness', ...args);

const SMALL = ['--contexts', '4', '--duration', '4ms', '--disciplines', 'fifo,drr'];

interface Row {
  readonly discipline: string;
  readonly jainIndex: number;
  readonly largestGapBytes: number;
  readonly boundBytes: number | null;
  readonly delays: readonly { readonly weight: number; readonly frames: number }[];
}

interface Document {
  readonly workloads: readonly { readonly name: string; readonly disciplines: readonly Row[] }[];
  readonly hostDependent: { readonly decisionNs: Record<string, Record<string, number>> };
}

describe('cdna-nic fairness', () => {
  test('one table per workload, a row per discipline, and the line that repeats it', async () => {
    const { code, out } = await fairness(...SMALL, '--workloads', 'greedy,replay');
    expect(code).toBe(0);
    expect(out).toMatch(/^greedy: /mu);
    expect(out).toMatch(/^replay: /mu);
    expect(out.match(/^drr /gmu)).toHaveLength(4);
    expect(out).toContain(
      'again: cdna-nic fairness --contexts 4 --disciplines fifo,drr --workloads greedy,replay --seed 1 --duration 4ms',
    );
  });

  test('the document is the same twice, apart from what measures the host', async () => {
    const args = [...SMALL, '--workloads', 'bursty,churn', '--json'];
    const [one, other] = [await fairness(...args), await fairness(...args)];
    const documents = [one, other].map(({ out }) => JSON.parse(out) as Document & Record<string, unknown>);
    const [first, second] = documents;
    if (first === undefined || second === undefined) throw new Error('two documents expected');
    expect(Object.keys(first.hostDependent.decisionNs)).toEqual(['bursty', 'churn']);
    expect(first.hostDependent.decisionNs.bursty?.drr).toBeGreaterThan(0);
    const still = documents.map(({ hostDependent: _cost, ...rest }) => JSON.stringify(rest));
    expect(still[1]).toBe(still[0]);
    const { out } = await fairness(...args, '--seed', '2');
    const { hostDependent: _cost, seed: _seed, repeat: _repeat, ...reseeded } = JSON.parse(out);
    expect(still[0]).not.toContain(JSON.stringify(reseeded.workloads));
  });

  test('greedy: drr gives every context its weight within the bound, fifo gives one everything', async () => {
    const { out } = await fairness(...SMALL, '--workloads', 'greedy', '--json');
    const [fifo, drr] = (JSON.parse(out) as Document).workloads[0]?.disciplines ?? [];
    expect(fifo?.jainIndex).toBeCloseTo(1 / 4, 3);
    expect(fifo?.boundBytes).toBeNull();
    expect(fifo?.delays.map(({ frames }) => frames > 0)).toEqual([true, false, false, false]);
    expect(drr?.jainIndex).toBeGreaterThan(0.99);
    // Contexts 0 and 1: a quantum of 1,514 and what is left of a frame each, 1513/1 + 1513/2 at most.
    expect(drr?.boundBytes).toBeLessThanOrEqual(1514 + 1513 * 1.5);
    expect(drr?.largestGapBytes).toBeLessThanOrEqual(drr?.boundBytes ?? 0);
    expect(drr?.largestGapBytes).toBeGreaterThanOrEqual(1000);
  });

  test('--out writes the document and two plots a workload, the same at every time', async () => {
    const [one, other] = [folder(), folder()];
    for (const out of [one, other]) {
      const { code } = await fairness(...SMALL, '--workloads', 'mixed', '--out', join(out, 'new'));
      expect(code).toBe(0);
    }
    const files = readdirSync(join(one, 'new')).sort();
    expect(files).toEqual([
      'fairness-delays-mixed.svg',
      'fairness-shares-mixed.svg',
      'fairness.html',
      'fairness.json',
    ]);
    for (const file of files.filter((name) => name.endsWith('.svg'))) {
      const svg = readFileSync(join(one, 'new', file), 'utf8');
      expect(svg).toMatch(/^<svg [^>]*role="img"><title>mixed: [^<]+<\/title><desc>[^<]{20,}<\/desc>/u);
      expect(svg).toContain('drr');
      expect(svg.match(/<path/gu)?.length).toBeGreaterThan(8);
      expect(readFileSync(join(other, 'new', file), 'utf8')).toBe(svg);
    }
  });

  test('the pictures of docs/scheduling.md are what the command beside them makes', async () => {
    const out = folder();
    const options =
      '--contexts 4 --disciplines fifo,prr,drr,scfq,wf2q+,qfq --workloads mixed,churn --duration 20ms';
    expect((await fairness(...options.split(' '), '--out', out)).code).toBe(0);
    const pictures = new URL('../../../docs/pictures/', import.meta.url);
    for (const name of ['fairness-shares-mixed.svg', 'fairness-shares-churn.svg']) {
      expect(
        readFileSync(join(out, name), 'utf8') === readFileSync(new URL(name, pictures), 'utf8'),
        name,
      ).toBe(true);
    }
  });

  test.each([
    [['--disciplines', 'drr,best'], 'discipline is "best", expected one of: fifo, prr'],
    [['--disciplines', 'drr,drr'], '--disciplines names "drr" twice'],
    [['--workloads', 'nice'], 'workload is "nice", expected one of: greedy, mixed, bursty, churn, replay'],
    [['--contexts', '1'], '--contexts is "1", expected a whole number from 2 to 256'],
    [['--duration', '1h'], '--duration is "1h", expected a time'],
    [['--duration', '3s'], '--duration is "3s", expected 1ms to 1s'],
    [['--seed', '-1'], '--seed is "-1", expected a whole number'],
    [['--captures', 'no/such.pcap'], 'no/such.pcap: byte 0: the file is unreadable'],
  ])('%j is refused by name', async (args, message) => {
    const { code, out, err } = await fairness(...args);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(message);
    expect(err).not.toContain('    at ');
  });

  test('nothing is written when the folder cannot be made', async () => {
    const { code, err } = await fairness(...SMALL, '--workloads', 'greedy', '--out', '/dev/null/plots');
    expect(code).toBe(2);
    expect(err).toContain(
      '--out is "/dev/null/plots", which is below "/dev/null", not a folder; expected a folder',
    );
  });
});

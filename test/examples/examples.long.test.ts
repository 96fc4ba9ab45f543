import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// The scripts are for reading, so what is held here is what a reader is told: that they are short, import the
// package as its users do, run, and print what their comments promise.
const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const EXAMPLES = `${REPOSITORY}/examples`;

function run(name: string): string[] {
  const loader = `${REPOSITORY}/node_modules/tsx/dist/loader.mjs`;
  const output = execFileSync(process.execPath, ['--import', loader, `${EXAMPLES}/${name}.ts`], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  });
  return output.trimEnd().split('\n');
}

/** Every number of a line. */
const numbers = (line: string | undefined) => (line?.match(/\d+(?:\.\d+)?/gu) ?? []).map(Number);

test('they import from the package only, and at least four are under 60 lines', () => {
  const names = readdirSync(EXAMPLES).filter((name) => name.endsWith('.ts'));
  const short = names.filter((name) => readFileSync(`${EXAMPLES}/${name}`, 'utf8').split('\n').length < 60);
  expect(short.length).toBeGreaterThanOrEqual(4);
  for (const name of names) {
    const text = readFileSync(`${EXAMPLES}/${name}`, 'utf8');
    const imports = [...text.matchAll(/from '(?<module>[^']+)'/gu)].map((match) => match.groups?.module);
    expect(imports.length, name).toBeGreaterThan(0);
    for (const module of imports) expect(module, name).toMatch(/^(cdna-nic(\/[a-z/]+)?|rxjs)$/u);
  }
});

test('two guests on one wire: rounds of frames favour long ones, rounds of bytes favour neither', () => {
  const [head, ...rows] = run('two-guests-on-one-wire');
  expect(head).toMatch(/^discipline +long Mb\/s +short Mb\/s/u);
  const table = Object.fromEntries(
    rows.map((row) => {
      const [name = '', long, short, gap] = row.split(/ +/u);
      return [name, { long: Number(long), short: Number(short), gap: Number(gap) }];
    }),
  );
  // The first to ring has it all.
  expect(table.fifo?.short).toBe(0);
  // Frame by frame: 1514 to 300.
  expect((table.prr?.long ?? 0) / (table.prr?.short ?? 1)).toBeCloseTo(1514 / 300, 0);
  for (const fair of ['drr', 'wf2q+']) {
    const { long = 0, short = 0, gap = 0 } = table[fair] ?? {};
    // Goodput is in bytes of frames; equal is what each holds of the wire, 24 bytes per frame more (IEEE 802.3).
    const wire = { long: (long * (1514 + 24)) / 1514, short: (short * (300 + 24)) / 300 };
    expect(Math.abs(wire.long - wire.short) / wire.long, fair).toBeLessThan(0.03);
    expect(gap, fair).toBeLessThan(4000);
  }
});

test('a discipline of your own: the laws hold, and the wire is shared 1 to 2 to 3', () => {
  const [laws, ...rows] = run('discipline-of-ones-own');
  expect(numbers(laws)[0]).toBeLessThanOrEqual(1);
  const rates = rows.map((row) => numbers(row)[1] ?? 0);
  expect(rates).toHaveLength(3);
  expect((rates[1] ?? 0) / (rates[0] ?? 1)).toBeCloseTo(2, 0);
  expect((rates[2] ?? 0) / (rates[0] ?? 1)).toBeCloseTo(3, 0);
});

test('a guest that is refused is told why, and without a check the bytes get out', () => {
  const output = run('refused-and-told-why');
  const none = output.indexOf('none: 1 accepted, refused for: nothing');
  expect(none).toBe(0);
  expect(output[1]).toContain('on the wire: the other guest keeps this here');
  for (const approach of ['cdna', 'iommu:single-use']) {
    const at = output.indexOf(`${approach}: 0 accepted, refused for: not-owner`);
    expect(output.slice(at + 1, at + 3), approach).toEqual([
      "  hypervisor's log: curious, caught by set-up, not-owner",
      '  nothing on the wire',
    ]);
  }
});

test('watching grants: eight milliseconds, and the one that comes late takes its share', () => {
  const output = run('watching-grants');
  const rows = output.slice(0, -1).map(numbers);
  expect(rows.map(([ms]) => ms)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  for (const [ms = 0, , , late] of rows) expect((late ?? 0) > 0, `${ms} ms`).toBe(ms > 4);
  // A line at 1 Gb/s carries no more than 125,000 bytes per millisecond, FIFO besides.
  for (const [, ...bytes] of rows)
    expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(125_000 + 16_384);
  expect(output.at(-1)).toMatch(/^\d+ frames, fingerprint [0-9a-f]{16}$/u);
});

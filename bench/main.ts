import { arch, cpus, platform } from 'node:os';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { makeFloorLoop } from './floor-loop.js';
import { measure, round } from './measure.js';
import type { BenchContext, Row } from './section.js';
import { sections } from './sections/index.js';

const usage = `usage: npm run bench -- [--json] [--quick] [--only NAME]...

  --json   one JSON document on stdout, nothing else
  --quick  few repetitions: shows that everything runs, its figures mean little
  --only   one section: ${sections.map(({ name }) => name).join(', ')}
`;

const flags = readFlags();
const progress = (text: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
};

progress('the floor');
const floorNs = new Map([60, 1514].map((frameBytes) => [frameBytes, timeFloor(frameBytes)]));
const context: BenchContext = {
  quick: flags.quick,
  progress,
  floorNs: (frameBytes) => {
    const known = floorNs.get(frameBytes);
    if (known !== undefined) return known;
    const measured = timeFloor(frameBytes);
    floorNs.set(frameBytes, measured);
    return measured;
  },
};

const results: { name: string; title: string; rows: Row[] }[] = [];
for (const section of sections) {
  if (flags.only.length > 0 && !flags.only.includes(section.name)) continue;
  progress(section.title);
  const rows = (await section.run(context)).map(withFloorRatio);
  results.push({ name: section.name, title: section.title, rows });
}
progress('');

if (flags.json) process.stdout.write(`${JSON.stringify(asDocument(), null, 2)}\n`);
else for (const { title, rows } of results) process.stdout.write(`\n${title}\n${asTable(rows)}\n`);

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const unknown = values.only.find((name) => !sections.some((section) => section.name === name));
    if (unknown !== undefined) throw new Error(`--only is "${unknown}", expected the name of a section`);
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${usage}`);
    process.exit(2);
  }
}

function timeFloor(frameBytes: number): number {
  const operations = flags.quick ? 20_000 : 400_000;
  return measure(makeFloorLoop(frameBytes), { operations, repetitions: flags.quick ? 3 : 15 }).medianNs;
}

/** A row's time over the floor's: comparable between machines and days, which nanoseconds are not. */
function withFloorRatio(row: Row): Row {
  if (row.floorRatio !== undefined) return row;
  const ns = timePerOperation(row);
  if (ns === undefined) return row;
  const frameBytes = typeof row.frameBytes === 'number' ? row.frameBytes : 60;
  return { ...row, floorRatio: round(ns / context.floorNs(frameBytes)) };
}

function timePerOperation(row: Row): number | undefined {
  if (typeof row.nsPerOperation === 'number') return row.nsPerOperation;
  if (typeof row.packetsPerSecond === 'number') return 1e9 / row.packetsPerSecond;
  return undefined;
}

function asDocument() {
  return {
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, platform: platform(), arch: arch() },
    node: process.version,
    quick: flags.quick,
    floorNs: Object.fromEntries([...floorNs].map(([frameBytes, ns]) => [frameBytes, round(ns)])),
    sections: Object.fromEntries(results.map(({ name, title, rows }) => [name, { title, rows }])),
  };
}

function asTable(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const numeric = new Set(columns.filter((column) => rows.some((row) => typeof row[column] === 'number')));
  const table = new Table({
    head: columns,
    colAligns: columns.map((column) => (numeric.has(column) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    table.push(
      columns.map((column) => {
        const value = row[column] ?? '';
        return typeof value === 'number' ? value.toLocaleString('en') : value;
      }),
    );
  }
  return table.toString();
}

import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { progressLine, runBench } from './run.js';
import type { Row } from './section.js';
import { sections } from './sections/index.js';

const usage = `usage: npm run bench -- [--json] [--quick] [--only NAME]...

  --json   one JSON document on stdout, nothing else
  --quick  few repetitions: shows that everything runs, its figures mean little
  --only   one section: ${sections.map(({ name }) => name).join(', ')}
`;

const flags = readFlags();
const document = await runBench({ quick: flags.quick, only: flags.only, progress: progressLine });
if (flags.json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
else {
  if (flags.quick)
    process.stdout.write('\n--quick: this shows that everything runs; the figures mean little\n');
  for (const { title, rows } of Object.values(document.sections)) {
    if (rows.length > 0) process.stdout.write(`\n${title}\n${asTable(rows)}\n`);
  }
}

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

import { aimRows } from './aims.js';
import type { BenchDocument } from './run.js';
import type { Row } from './section.js';

/** Figures of a section as a table of the page. */
type Render = (rows: readonly Row[]) => string;

const int = (value: Row[string] | undefined) =>
  typeof value === 'number' ? Math.round(value).toLocaleString('en') : (value ?? '');
const times = (value: Row[string] | undefined) =>
  typeof value === 'number' ? `${Number(value.toPrecision(3))} x` : '';
const milliseconds = (value: Row[string] | undefined) => (value === undefined ? '' : `${decimal(value)} ms`);
const megabytes = (value: Row[string] | undefined) => (value === undefined ? '' : `${int(value)} MB`);
const decimal = (value: Row[string] | undefined) =>
  typeof value === 'number' ? String(Number(value.toPrecision(3))) : (value ?? '');

/** How each block of docs/performance.md is made, by the section that it shows. */
const RENDERERS: Readonly<Record<string, Render>> = {
  aims: (rows) =>
    table(
      ['aim', 'reached', 'verdict'],
      rows.map((row) => [row.aim, row.reached, row.verdict]),
    ),
  floor: (rows) =>
    table(
      ['bytes', 'ns per packet', 'packets per second', 'over itself'],
      rows.map((row) => [
        int(row.frameBytes),
        decimal(row.nsPerOperation),
        int(row.operationsPerSecond),
        times(row.floorRatio),
      ]),
    ),
  paired: (rows) =>
    table(
      ['what', 'ns', 'ns of the other', 'ratio', 'least', 'most'],
      rows.map((row) => [
        row.pair,
        int(row.ns),
        int(row.otherNs),
        times(row.ratio),
        times(row.leastRatio),
        times(row.mostRatio),
      ]),
    ),
  'end-to-end': (rows) => endToEndTable(rows),
  components: (rows) => componentsTable(rows),
  decisions: (rows) =>
    pivot(rows, {
      row: 'discipline',
      column: ({ contexts }) => `${int(contexts)} contexts`,
      cell: (row) => `${decimal(row.nsPerOperation)} ns, ${times(row.floorRatio)}`,
    }),
  recorded: (rows) =>
    pivot(rows, {
      row: 'recording',
      column: ({ protection, frameBytes }) => `${protection}, ${int(frameBytes)} B`,
      cell: (row) => `${int(row.nsPerOperation)} ns, ${times(row.timesOff)}`,
    }),
  streams: (rows) =>
    table(
      [
        'subscribers',
        'bytes',
        'pairs',
        'events per packet',
        'time',
        'least',
        'most',
        'cost',
        '95 % interval',
      ],
      rows.map((row) => [
        row.subscribers,
        int(row.frameBytes),
        int(row.pairs),
        decimal(row.eventsPerPacket),
        decimal(row.timeRatio),
        decimal(row.leastRatio),
        decimal(row.mostRatio),
        `${decimal(row.costPercent)} %`,
        typeof row.lowPercent === 'number'
          ? `${decimal(row.lowPercent)} to ${decimal(row.highPercent)} %`
          : '',
      ]),
    ),
  allocation: (rows) =>
    table(
      [
        'approach',
        'frames',
        'from',
        'bytes per frame',
        'bytes allocated',
        'by growth of the heap',
        'most by',
      ],
      rows.map((row) => [
        row.protection,
        row.traffic,
        row.startNs === 0 ? 'the start' : '3 s',
        int(row.frameBytes),
        decimal(row.bytesPerPacket),
        decimal(row.grownBytesPerPacket),
        row.most,
      ]),
    ),
  memory: (rows) =>
    table(
      [
        'approach',
        'contexts',
        'slots',
        'own bytes',
        'objects',
        'heap',
        'typed arrays',
        'emulated RAM',
        'peak of the process',
      ],
      rows.map((row) => [
        row.protection,
        int(row.contexts),
        `${row.transmitSlots} + ${row.receiveSlots}`,
        int(row.ownBytesPerContext),
        int(row.heapObjectsPerContext),
        int(row.heapBytesPerContext),
        int(row.typedArrayBytesPerContext),
        int(row.ramBytesPerContext),
        `${int(row.peakMegabytes)} MB`,
      ]),
    ),
  'set-up': (rows) =>
    pivot(rows, {
      row: 'protection',
      column: ({ contexts }) => `${int(contexts)} contexts`,
      cell: (row) => `${decimal(row.cpuSeconds)} s`,
    }),
  sweeps: (rows) =>
    table(
      [
        'way',
        'runs',
        'ms per run',
        'CPU ms per run',
        'added',
        'added CPU',
        'after a fifth',
        'after all',
        'with tables',
      ],
      rows.map((row) => [
        row.way,
        int(row.runs),
        decimal(row.msPerRun),
        decimal(row.cpuMsPerRun),
        milliseconds(row.addedMsPerRun),
        milliseconds(row.addedCpuMsPerRun),
        megabytes(row.megabytesAfterFifth),
        megabytes(row.megabytesAfterAll),
        megabytes(row.megabytesWithTables),
      ]),
    ),
  programs: (rows) =>
    pivot(rows, {
      row: 'call',
      column: ({ way }) => String(way),
      cell: (row) =>
        row.milliseconds === null
          ? 'not built'
          : `${int(row.milliseconds)} ms, ${int(row.cpuMilliseconds)} ms of CPU time`,
    }),
  'column-reads': (rows) =>
    table(
      ['way', 'ns', 'of the floor'],
      rows.map((row) => [row.way, decimal(row.nsPerOperation), times(row.floorRatio)]),
    ),
  kernel: (rows) =>
    table(
      ['what', 'pending', 'ns', 'of the floor', 'RxJS over it'],
      rows.map((row) => [
        row.what,
        int(row.pending),
        int(row.nsPerOperation),
        times(row.floorRatio),
        times(row.timesRxjs),
      ]),
    ),
};

/**
 * The page with the tables of every section that the document has; the others stay as they are.
 * @throws Error when the page has a block that no section fills, or one that does not end.
 */
export function withFigures(page: string, document: BenchDocument): string {
  let next = page;
  for (const [, name = ''] of page.matchAll(/<!-- bench: ([a-z-]+) -->/g)) {
    const render = RENDERERS[name];
    if (render === undefined)
      throw new Error(`docs/performance.md has a block "${name}", expected a section`);
    const section = document.sections[name];
    const begin = `<!-- bench: ${name} -->`;
    const end = `<!-- /bench: ${name} -->`;
    const from = next.indexOf(begin);
    const to = next.indexOf(end, from);
    if (to < 0) throw new Error(`docs/performance.md has ${begin} and no ${end}`);
    if (section === undefined || section.rows.length === 0) continue;
    // A run of some sections judges the aims of those; the page keeps what it says of the others.
    const rows = name === 'aims' ? withKeptAims(section.rows, next.slice(from, to)) : section.rows;
    const { machine, node } = document;
    const about = `${machine.cpu}, ${machine.cores} cores, Node ${node.slice(1)}${document.quick ? ', quick' : ''}`;
    next = `${next.slice(0, from)}${begin}\n\n${render(rows)}\n\n_${about}._\n\n${next.slice(to)}`;
  }
  return next;
}

/** Every aim: as it was judged now, or as the block of the page has it. */
function withKeptAims(judged: readonly Row[], block: string): readonly Row[] {
  const kept = new Map<string, Row>();
  for (const [, aim = '', reached = '', verdict = ''] of block.matchAll(/^\| (.*?) \| (.*?) \| (.*?) \|$/gm))
    kept.set(aim, { aim, reached, verdict });
  return aimRows(new Map()).map(
    (unknown) => judged.find(({ aim }) => aim === unknown.aim) ?? kept.get(String(unknown.aim)) ?? unknown,
  );
}

/** Time per packet beside the floor by approach and number of contexts, one table per frame size. */
function endToEndTable(rows: readonly Row[]): string {
  const sizes = [...new Set(rows.map(({ frameBytes }) => frameBytes))];
  const by = (frameBytes: Row[string] | undefined, title: string, cell: (row: Row) => string) => {
    const body = pivot(
      rows.filter((row) => row.frameBytes === frameBytes),
      {
        row: 'protection',
        column: ({ contexts }) => `${int(contexts)} ${contexts === 1 ? 'context' : 'contexts'}`,
        cell,
      },
    );
    return `${int(frameBytes)}-byte frames: ${title}:\n\n${body}`;
  };
  return [
    ...sizes.map((frameBytes) =>
      by(
        frameBytes,
        'packets per second, and time per packet over that of the floor',
        (row) => `${int(row.packetsPerSecond)}, ${times(row.floorRatio)}`,
      ),
    ),
    ...sizes.map((frameBytes) =>
      by(
        frameBytes,
        'events per packet, and nanoseconds of virtual time per packet',
        (row) => `${decimal(row.eventsPerPacket)}, ${int(row.virtualNsPerPacket)} ns`,
      ),
    ),
  ].join('\n\n');
}

/** The budget of a packet: one component per row, one approach and frame size per column; the most expensive components first. */
function componentsTable(rows: readonly Row[]): string {
  const cost = new Map<Row[string] | undefined, number>();
  for (const { component, nsPerPacket } of rows)
    cost.set(component, (cost.get(component) ?? 0) + Number(nsPerPacket));
  const rank = (row: Row) => (row.component === 'all' ? -1 : (cost.get(row.component) ?? 0));
  return pivot(
    [...rows].sort((a, b) => rank(b) - rank(a)),
    {
      row: 'component',
      column: ({ protection, frameBytes }) => `${protection}, ${int(frameBytes)} B`,
      cell: (row) => int(row.nsPerPacket),
    },
  );
}

interface Pivot {
  readonly row: string;
  readonly column: (row: Row) => string;
  readonly cell: (row: Row) => string | number;
}

function pivot(rows: readonly Row[], { row: key, column, cell }: Pivot): string {
  const columns = [...new Set(rows.map(column))].sort(
    (a, b) => order(rows, column, a) - order(rows, column, b),
  );
  const names = [...new Set(rows.map((row) => row[key]))];
  return table(
    [key, ...columns],
    names.map((name) => [
      name,
      ...columns.map((title) => {
        const found = rows.find((row) => row[key] === name && column(row) === title);
        return found === undefined ? '' : cell(found);
      }),
    ]),
  );
}

/** Columns by approach as they come, and smaller numbers first within one. */
function order(rows: readonly Row[], column: Pivot['column'], title: string): number {
  const row = rows.find((other) => column(other) === title);
  const protections = ['none', 'cdna', 'iommu:direct-map', 'iommu:single-use', 'driver-domain'].flatMap(
    (name) => [name, `flat ${name}`],
  );
  return (
    protections.indexOf(String(row?.protection)) * 1e6 +
    Number(row?.frameBytes ?? 0) +
    Number(row?.contexts ?? 0)
  );
}

function table(head: readonly string[], rows: readonly (readonly (Row[string] | undefined)[])[]): string {
  const isNumber = head.map((_, index) =>
    rows.every((row) => /^[-\d,.]*( (x|ns|ms|MB|%).*)?$/.test(String(row[index] ?? ''))),
  );
  const line = (cells: readonly unknown[]) => `| ${cells.map((cell) => String(cell ?? '')).join(' | ')} |`;
  return [line(head), line(isNumber.map((right) => (right ? '--:' : '---'))), ...rows.map(line)].join('\n');
}

import { textTable } from '../reference-figure.js';
import { plainText, type Spread, spreadText } from '../several-seeds.js';
import { DISCIPLINE_PROMISES } from './expected.js';
import { HOSTILITIES } from './hostilities.js';
import { CORES } from './machine.js';
import {
  answersLeft,
  type IsolationCell,
  type IsolationResult,
  MAIN_DISCIPLINE,
  MAIN_HOSTILITY,
  type Verdict,
} from './reproduce.js';

const MARKS: Readonly<Record<Verdict, string>> = {
  kept: 'kept',
  broken: 'BROKEN',
  borne: 'borne',
  lost: 'lost',
};

/** Both halves as text: verdicts first, then what they rest on. */
export function printIsolation(result: IsolationResult): string {
  const { cells } = result;
  const main = cells.filter(({ hostility }) => hostility === MAIN_HOSTILITY);
  const drr = cells.filter(({ discipline }) => discipline === MAIN_DISCIPLINE);
  return [
    `Two victims and a neighbour on a port of 1 Gb/s and ${CORES} cores, ${result.seeds} seeds. One victim sends 200 Mb/s, the other asks and`,
    'waits for answers; the neighbour sends 200 Mb/s, and then turns on them.',
    `Not looked at: the first ${result.warm_up_ns / 1e6} ms, and ${result.settle_ns / 1e6} ms after the turn; looked at: ${result.before_ns / 1e6} ms before it and ${result.after_ns / 1e6} ms after.`,
    '',
    'kept: what was promised to the victims held with every seed. BROKEN: it did not. borne: nothing was promised and little was',
    'lost. lost: nothing was promised and the victims lost rate (more than 2 %) or wait longer than the weakest promise of any',
    'discipline allows. Behind it: answers a second of the victim that asks, of those before. Nobody promises these: it asks again',
    'when it has its answer, so the longer an answer takes, the fewer it gets.',
    '',
    `${MAIN_HOSTILITY}: ${HOSTILITIES[0]?.meaning}`,
    '',
    verdicts(main, (cell) => cell.discipline),
    '',
    `Other hostilities, under ${MAIN_DISCIPLINE}:`,
    ...HOSTILITIES.map(({ name, meaning }) => `  ${name}: ${meaning}`),
    '',
    verdicts(drr, (cell) => cell.hostility),
    '',
    'What they rest on: steady victim (share of its frames that left; 99th percentile from store to wire, us), asking victim (answers a',
    'second; 99th percentile from request to answer, us), before -> after; neighbour, Mb/s after, and why the card stopped it; mean',
    '(least-most).',
    '',
    textTable(HEADS, cells.map(cellRow)),
    '',
    ...DISCIPLINE_PROMISES.filter(({ told }) => told !== 'nothing').map(
      ({ discipline, told }) => `${discipline} is told: ${told}.`,
    ),
    '',
    `Nothing is fitted. Seed ${result.seed}.`,
  ].join('\n');
}

/** A row an approach, a column whatever `columnOf` says. */
function verdicts(cells: readonly IsolationCell[], columnOf: (cell: IsolationCell) => string): string {
  const columns = [...new Set(cells.map(columnOf))];
  const approaches = [...new Set(cells.map(({ approach }) => approach))];
  return textTable(
    ['approach', ...columns],
    approaches.map((approach) => [
      approach,
      ...columns.map((column) => {
        const cell = cells.find((one) => one.approach === approach && columnOf(one) === column);
        return cell === undefined ? '' : `${MARKS[cell.verdict]} ${percent(answersLeft(cell))}`;
      }),
    ]),
  );
}

const HEADS = [
  'approach',
  'discipline',
  'hostility',
  'sent',
  'p99 before',
  'after',
  'answers/s',
  'p99 before',
  'after',
  'neighbour',
  'verdict',
];

function cellRow(cell: IsolationCell): string[] {
  return [cell.approach, cell.discipline, cell.hostility, ...cellNumbers(cell)];
}

/** What stands behind a verdict, and the verdict. */
export function cellNumbers(cell: IsolationCell): string[] {
  const { before, after, verdict, because, stopped_for = [] } = cell;
  const left = percent(answersLeft(cell));
  return [
    `${(after.steady_served.mean * 100).toFixed(1)} %`,
    waited(before.steady_p99_us),
    waited(after.steady_p99_us, after.steady_silent_seeds),
    `${before.answers_per_s.toFixed(0)} -> ${after.answers_per_s.toFixed(0)} (${left})`,
    waited(before.asking_p99_us),
    waited(after.asking_p99_us, after.asking_silent_seeds),
    [after.neighbour_mbps.toFixed(0), ...stopped_for].join(', '),
    because.length === 0 ? MARKS[verdict] : `${MARKS[verdict]}: ${because.join(', ')}`,
  ];
}

function waited(spread: Spread | undefined, silentSeeds = 0): string {
  if (spread === undefined) return 'none';
  return `${spreadText(spread, 0)}${silentSeeds === 0 ? '' : `, none with ${silentSeeds} seeds`}`;
}

/** Of a whole, `35 %`. */
export function percent(share: number): string {
  return `${plainText(share * 100, 0)} %`;
}

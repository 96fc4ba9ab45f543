import type { Attack } from '../../guests/hostile/index.js';
import { stackedBars } from '../report/charts/bars.js';
import type { FigureParameter, ReportFigure } from '../report/html/figure.js';
import { type PageLink, pageHtml, type ReportPage } from '../report/html/page.js';
import { DEFAULT_TOTAL_NS, VICTIM_WIRE_RATE_BPS, WARM_UP_NS } from './attack-lab.js';
import { ATTACK_MACHINE } from './attack-machine.js';
import { compareCell } from './compare-cell.js';
import { verdictText } from './evidence-html.js';
import { gatesAnswer } from './gates-answer.js';
import { inapplicableText, letThrough } from './let-through.js';
import type { Cell, MatrixHeading, NamedApproach } from './matrix.js';
import { MATRIX_STYLE, matrixHtml } from './matrix-html.js';
import { SERVED, VERDICTS } from './verdict.js';

/** The report of `attack` as one HTML file. */
export function attackPage(
  request: MatrixHeading,
  cells: readonly Cell[],
  repeat: string,
  links: readonly PageLink[] = [],
): string {
  return pageHtml({ ...describeMatrix(request, cells, repeat), links });
}

/** What the report says and shows, before it is drawn. */
export function describeMatrix(
  { attacks, approaches, seed }: MatrixHeading,
  cells: readonly Cell[],
  repeat: string,
): ReportPage {
  const origin = { repeat, parameters: parametersOf(attacks, approaches, seed) };
  return {
    command: 'attack',
    title: 'Who gets through what',
    question:
      'Which attacks of guests and cards get through which way to protect memory, judged by what happened to bytes, frames and service?',
    setting: `${attacks.length} attacks, ${approaches.length} approaches, seed ${seed}: ${cells.length} machines, each with an attacker and a victim.`,
    answer: answerOf(attacks, approaches, cells),
    repeat,
    seed,
    broad: true,
    style: MATRIX_STYLE,
    sections: [
      {
        id: 'overview',
        title: 'At a glance',
        text: [],
        figures: [verdictsFigure(approaches, cells)],
        origin,
      },
      {
        id: 'matrix',
        title: 'The matrix',
        text: [],
        figures: [matrixFigure({ attacks, approaches, seed }, cells)],
        origin,
      },
    ],
  };
}

/** Worst first, as the bars show them; with each its colour of the palette. */
const PARTS = VERDICTS.toReversed();
const STYLES = [4, 2, 1, 6, 7];

function verdictsFigure(approaches: readonly NamedApproach[], cells: readonly Cell[]): ReportFigure {
  const rows = approaches.map(({ name }) => {
    const own = cells.filter(({ approach }) => approach === name);
    return { name, values: PARTS.map((part) => own.filter(({ verdict }) => verdict === part).length) };
  });
  return {
    id: 'verdicts',
    title: 'How attacks ended, by approach',
    sentence:
      'Each bar is all attacks against one approach, by how they ended; the label behind it is how many got through, of those that apply.',
    chart: stackedBars({
      title: 'Verdicts by approach',
      description: `Stacked bars, counts of attacks. Got through: ${rows.map(({ name, values }) => `${name} ${values[0]}`).join(', ')}.`,
      parts: PARTS.map(verdictText),
      styles: STYLES,
      rows: rows.map(({ name, values }) => ({
        name,
        values,
        label: `${values[0]} of ${letThrough(name, cells).of} through`,
      })),
      axis: 'attacks',
    }),
    table: {
      heads: ['approach', ...PARTS.map(verdictText)],
      rows: rows.map(({ name, values }) => [name, ...values.map(String)]),
    },
  };
}

function matrixFigure({ attacks, approaches }: MatrixHeading, cells: readonly Cell[]): ReportFigure {
  return {
    id: 'attacks-and-approaches',
    title: 'Every attack against every approach',
    sentence:
      'A row per attack, a column per approach: each verdict was computed from what happened in that machine.',
    table: {
      heads: ['attack', ...approaches.map(({ name }) => name)],
      rows: attacks.map((attack) => [
        attack.name,
        ...approaches.map(({ name }) => verdictText(verdictOf(cells, attack.name, name) ?? '')),
      ]),
    },
    body: matrixHtml(attacks, approaches, cells),
  };
}

function answerOf(
  attacks: readonly Attack[],
  approaches: readonly NamedApproach[],
  cells: readonly Cell[],
): string[] {
  const throughs = approaches.map(({ name }) => letThrough(name, cells));
  const counts = throughs.map(({ through }) => through);
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  const named = (count: number) =>
    throughs
      .filter(({ through }) => through === count)
      .map(({ approach, through, of }) => `${approach} (${through} of ${of})`)
      .join(', ');
  const everywhere = attacks.filter((attack) => {
    const own = cells.filter((cell) => cell.attack === attack.name && cell.verdict !== 'not-applicable');
    return own.length > 0 && own.every(({ verdict }) => verdict === 'succeeded');
  });
  const compared = cells.map(compareCell).filter((comparison) => comparison !== undefined);
  const odd = compared.filter(({ asExpected }) => !asExpected);
  const unexplained = odd.filter(({ explainedBy }) => explainedBy === undefined);
  const explained =
    unexplained.length > 0
      ? `${odd.length - unexplained.length} of them explained`
      : `${odd.length > 1 ? 'all ' : ''}explained`;
  const answer = [
    `${
      fewest === most
        ? `${most} attacks get through everywhere.`
        : `Most attacks get through under ${named(most)}; fewest get through under ${named(fewest)}.`
    } ${inapplicableText(throughs, attacks.length)}`,
  ];
  if (everywhere.length > 0 && approaches.length > 1)
    answer.push(
      `No approach here stops ${everywhere.map(({ name }) => name).join(', ')}; why that is to be expected stands behind their names in the matrix.`,
    );
  answer.push(...gatesAnswer(throughs));
  answer.push(
    `${compared.length - odd.length} of ${compared.length} cells are as the literature leads one to expect; ` +
      (odd.length === 0
        ? 'none differs.'
        : `${odd.length} ${odd.length === 1 ? 'differs' : 'differ'}, ${explained} in docs/threats.md.`),
  );
  return answer;
}

function verdictOf(cells: readonly Cell[], attack: string, approach: string): string | undefined {
  return cells.find((cell) => cell.attack === attack && cell.approach === approach)?.verdict;
}

function parametersOf(
  attacks: readonly Attack[],
  approaches: readonly NamedApproach[],
  seed: number,
): FigureParameter[] {
  return [
    { name: 'attacks', value: attacks.map(({ name }) => name).join(', ') },
    { name: 'approaches', value: approaches.map(({ name }) => name).join(', ') },
    { name: 'seed', value: `${seed}, of what is planted` },
    {
      name: 'machine',
      value: `${ATTACK_MACHINE}; a fresh one per cell`,
    },
    {
      name: 'victim',
      value: `sends and receives ${VICTIM_WIRE_RATE_BPS / 1e6} Mb/s of frames of which every byte is checked`,
    },
    {
      name: 'virtual time',
      value: `${DEFAULT_TOTAL_NS / 1e6} ms unless the attack needs longer, the script begins after ${WARM_UP_NS / 1e6} ms`,
    },
    { name: 'DMA scheduler', value: 'drr, unless the attack is on another' },
    { name: 'served', value: `at least ${SERVED * 100} % of what the victim gets when there is no attack` },
  ];
}

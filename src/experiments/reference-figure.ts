import type { Certainty } from '../../host/cpu/costs.js';
import { plainTable } from '../report/plain-table.js';

/** A figure that somebody has published. */
export interface ReferenceFigure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly source: string;
  /** How sure we are that it was published so; docs/calibration.md explains the marks. */
  readonly certainty: Certainty;
}

/**
 * What a comparison with it is worth. `fitted`: a parameter was found from it. `predicted`: nothing was. `shown`: it
 * is too vague to be expected (M-), and stands there to be seen.
 */
export type FigureRole = 'fitted' | 'predicted' | 'shown';

/** A published figure and what the emulator gives in its place. */
export interface ComparedFigure extends ReferenceFigure {
  /** Which of ours this is, where more than one may be what was published: each has a comparison of its own. */
  readonly candidate?: string;
  /** Mean over the seeds. */
  readonly ours: number;
  /** Least and most over the seeds. */
  readonly ours_range: readonly [number, number];
  /** ours / value - 1; points of difference, as a fraction, for shares of the CPU. Absent where `shown`. */
  readonly error?: number;
  readonly role: FigureRole;
}

/** Shares of the CPU are compared in points: a share of nearly nothing has no useful ratio. */
export const SHARE_UNIT = '% of CPU';

/** @param values ours, one for each seed */
export function compareFigure(
  figure: ReferenceFigure,
  values: readonly number[],
  role: 'fitted' | 'predicted',
): ComparedFigure {
  const ours = mean(values);
  const range = [rounded(Math.min(...values)), rounded(Math.max(...values))] as const;
  const compared = { ...figure, ours: rounded(ours), ours_range: range };
  if (figure.certainty === 'M-') return { ...compared, role: 'shown' };
  const error = figure.unit === SHARE_UNIT ? (ours - figure.value) / 100 : ours / figure.value - 1;
  return { ...compared, error: rounded(error), role };
}

/** The name by which a comparison is told from the others. */
export function comparisonName({ name, candidate }: ComparedFigure): string {
  return candidate === undefined ? name : `${name}: ${candidate}`;
}

/** Every figure a line: value, source, certainty, ours, error, fitted or predicted. */
export function printFigures(figures: readonly ComparedFigure[]): string {
  const rows = figures.map((figure) => [
    comparisonName(figure),
    `${figure.value} ${figure.unit}`,
    `[${figure.certainty}]`,
    spread(figure),
    figure.error === undefined ? '-' : errorText(figure.error, figure.unit),
    figure.role,
    figure.source,
  ]);
  return textTable(
    ['figure', 'published', 'sure', 'ours (range)', 'error', 'role', 'source'],
    rows,
    'figure',
  );
}

/** A table whose numbers stand right and whose first column and last (a source, a role) stand left. */
export function textTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  lastIs: 'figure' | 'number' = 'number',
): string {
  const left = (index: number) => index === 0 || (lastIs === 'figure' && index >= heads.length - 2);
  return plainTable(
    heads.map((head, index) => ({ head, align: left(index) ? 'left' : 'right' })),
    rows,
  );
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** To four places; adding zero makes a minus zero, which JSON cannot carry, a zero. */
export function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4 + 0;
}

export function percent(fraction: number): string {
  return `${fraction < 0 ? '-' : '+'}${(Math.abs(fraction) * 100).toFixed(1)} %`;
}

function errorText(error: number, unit: string): string {
  return unit === SHARE_UNIT ? percent(error).replace('%', 'points') : percent(error);
}

function spread({ ours, ours_range: [least, most] }: ComparedFigure): string {
  const text = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));
  return text(least) === text(most) ? text(ours) : `${text(ours)} (${text(least)}-${text(most)})`;
}

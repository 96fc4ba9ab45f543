import type { TopLevelSpec } from 'vega-lite';
import type { GuestResult } from '../../machine/run-result.js';
import type { ReportFigure } from '../html/figure.js';
import { decimal } from '../number-text.js';
import { PLOT_COLOURS, PLOT_DASHES, PLOT_INK, type Plot } from '../plot.js';
import { legendAbove, panelGrid, panelsOf } from '../plots/panels.js';
import { bothWidths, type PlotWidth } from '../plots/width.js';
import type { ComparedRuns } from './compared-runs.js';

/** More lines in a panel cannot be told apart. */
const MOST_LINES = PLOT_COLOURS.length;

/** Shares of what was sent over time, a line a context, with the share that its weight alone would give it. */
export function sharesFigure(compared: ComparedRuns): ReportFigure | undefined {
  const { runs, repeat, parameters } = compared;
  const [first] = runs;
  if (first === undefined || runs.every(({ bytesTransmitted }) => bytesTransmitted === 0)) return undefined;
  const shown = [...first.guests]
    .sort((one, other) => other.bytesTransmitted - one.bytesTransmitted)
    .slice(0, MOST_LINES)
    .sort((one, other) => one.context - other.context)
    .map(({ name }) => name);
  const left = first.guests.length - shown.length;
  const weights = weightShares(first.guests);
  return {
    id: 'shares',
    title: 'Shares over time',
    sentence: `Of all that was sent in each fiftieth of the run, the part of each guest; the thin dashed level is what its weight alone gives, which a guest stays below when it has no more to send.${
      left > 0 ? ` Shown are the ${shown.length} that sent most; ${left} more are in the JSON document.` : ''
    }`,
    plot: bothWidths((width) => sharesPlot(compared, shown, weights, width)),
    table: {
      heads: ['approach', 'guest', 'weight', 'by weight, %', 'mean, %', 'least, %', 'most, %', 'of its due'],
      rows: runs.flatMap((run) => {
        const totals = windowTotals(run.guests);
        return run.guests
          .filter(({ name }) => shown.includes(name))
          .map((guest) => {
            const shares = sharesOf(guest, totals).filter((share) => share !== undefined);
            const mean = run.bytesTransmitted === 0 ? 0 : guest.bytesTransmitted / run.bytesTransmitted;
            return [
              run.protection,
              guest.name,
              `${guest.weight}`,
              hundredths(weights.get(guest.name) ?? 0),
              hundredths(mean),
              hundredths(Math.min(1, ...shares)),
              hundredths(Math.max(0, ...shares)),
              Number.isNaN(guest.fairShareGot) ? '-' : decimal(guest.fairShareGot, 3),
            ];
          });
      }),
    },
    repeat,
    parameters: [
      ...parameters,
      { name: 'windows', value: `${first.guests[0]?.bytesTransmittedOverTime.length ?? 0}` },
    ],
  };
}

function sharesPlot(
  { runs, heading }: ComparedRuns,
  shown: readonly string[],
  weights: ReadonlyMap<string, number>,
  width: PlotWidth,
): Plot {
  const order = runs.map(({ protection }) => protection);
  const grid = panelGrid(order.length, width);
  const levels = [...new Set(shown.map((name) => Number(hundredths(weights.get(name) ?? 0))))];
  const values = runs.flatMap(({ protection, guests }) => {
    const totals = windowTotals(guests);
    return guests
      .filter(({ name }) => shown.includes(name))
      .flatMap((guest) =>
        sharesOf(guest, totals).map((share, window) => ({
          protection,
          guest: guest.name,
          ms: Number((((window + 0.5) / totals.length) * (heading.durationNs / 1e6)).toPrecision(6)),
          percent: share === undefined ? null : Number(hundredths(share)),
        })),
      );
  });
  const legend = legendAbove(shown, width);
  const spec = {
    data: { values },
    ...panelsOf('protection', order, grid),
    spec: {
      width: grid.width,
      height: grid.height,
      layer: [
        {
          // Data of its own, or there would be a rule for each point of the lines.
          data: { values: levels.map((level) => ({ level })) },
          mark: { type: 'rule', strokeDash: [4, 3], strokeWidth: 1, color: PLOT_INK.rule },
          encoding: { y: { field: 'level', type: 'quantitative' } },
        },
        {
          mark: { type: 'line', strokeWidth: 1.7 },
          encoding: {
            x: { field: 'ms', type: 'quantitative', title: 'time, ms', axis: { tickCount: 4, grid: false } },
            y: {
              field: 'percent',
              type: 'quantitative',
              title: 'share, %',
              axis: { tickCount: 4 },
            },
            color: {
              field: 'guest',
              type: 'nominal',
              scale: { domain: shown, range: PLOT_COLOURS.slice(0, shown.length) },
              legend,
            },
            strokeDash: {
              field: 'guest',
              type: 'nominal',
              scale: { domain: shown, range: PLOT_DASHES.slice(0, shown.length) },
              legend,
            },
          },
        },
      ],
    },
  };
  return {
    title: 'Shares over time, a panel an approach',
    description: `A line a guest (${shown.join(', ')}), percent of what all sent in a window; thin dashed levels at ${levels.join(', ')} % are what weights alone give.`,
    spec: spec as TopLevelSpec,
  };
}

/** Of each guest, by name: its weight over the sum of all. */
function weightShares(guests: readonly GuestResult[]): ReadonlyMap<string, number> {
  const sum = guests.reduce((whole, { weight }) => whole + weight, 0);
  return new Map(guests.map(({ name, weight }) => [name, weight / sum]));
}

function windowTotals(guests: readonly GuestResult[]): number[] {
  const windows = guests[0]?.bytesTransmittedOverTime.length ?? 0;
  return Array.from({ length: windows }, (_, window) =>
    guests.reduce((sum, { bytesTransmittedOverTime }) => sum + (bytesTransmittedOverTime[window] ?? 0), 0),
  );
}

/** A window in which nobody sent has no shares. */
function sharesOf(
  { bytesTransmittedOverTime }: GuestResult,
  totals: readonly number[],
): (number | undefined)[] {
  return totals.map((total, window) =>
    total === 0 ? undefined : (bytesTransmittedOverTime[window] ?? 0) / total,
  );
}

/** As percent with two digits. */
function hundredths(fraction: number): string {
  return (fraction * 100).toFixed(2);
}

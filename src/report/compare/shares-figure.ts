import { present } from '../../../scheduler/present.js';
import type { GuestResult, RunResult } from '../../machine/run-result.js';
import { type Chart, lineLegend, type Mark } from '../charts/chart.js';
import type { ReportFigure } from '../html/figure.js';
import { decimal } from '../number-text.js';

/** An approach has a line of its own where its shares are off those of the first by as many points. */
const DIFFERENT_POINTS = 3;

/** Shares of what was sent over time, a panel per guest: the first approach, and those that differ from it. */
export function sharesFigure(runs: readonly RunResult[], durationNs: number): ReportFigure | undefined {
  const [first] = runs;
  if (first === undefined || runs.every(({ bytesTransmitted }) => bytesTransmitted === 0)) return undefined;
  const shown = [...first.guests]
    .sort((one, other) => other.bytesTransmitted - one.bytesTransmitted)
    .slice(0, 6)
    .sort((one, other) => one.context - other.context)
    .map(({ name }) => name);
  const left = first.guests.length - shown.length;
  const weight = first.guests.reduce((sum, guest) => sum + guest.weight, 0);
  const byWeight = new Map(first.guests.map((guest) => [guest.name, guest.weight / weight]));
  const lines = new Map(runs.map((run) => [run, shown.map((name) => sharesOf(run.guests, name))]));
  const own = lines.get(first) ?? [];
  const differing = runs.filter((run) => run !== first && isDifferent(lines.get(run) ?? [], own));
  const drawn = [first, ...differing];
  const alike = runs.length - drawn.length;
  return {
    id: 'shares',
    title: 'Shares over time',
    sentence: `Of all that was sent in each fiftieth of the run, the part of each guest; the dotted level is what its weight alone gives, which a guest stays below when it has no more to send.${
      alike > 0
        ? ` ${alike} of ${runs.length} approaches stay within ${DIFFERENT_POINTS} points of ${first.protection} and are not drawn.`
        : ''
    }${left > 0 ? ` Shown are the ${shown.length} guests that sent most; ${left} more are in the JSON document.` : ''}`,
    chart: sharesChart({
      approaches: drawn.map(({ protection }) => protection),
      guests: shown.map((name, guest) => ({
        name,
        byWeight: present(byWeight.get(name)),
        lines: drawn.map((run) => lines.get(run)?.[guest] ?? []),
      })),
      durationNs,
    }),
    table: {
      heads: ['approach', 'guest', 'weight', 'by weight, %', 'mean, %', 'least, %', 'most, %', 'of its due'],
      rows: runs.flatMap((run) =>
        run.guests
          .filter(({ name }) => shown.includes(name))
          .map((guest) => sharesRow(run, guest, present(byWeight.get(guest.name)))),
      ),
    },
  };
}

/** What is drawn of shares: a panel per guest, in it a line per approach. */
interface DrawnShares {
  readonly approaches: readonly string[];
  readonly guests: readonly {
    readonly name: string;
    readonly byWeight: number;
    readonly lines: readonly (readonly (number | undefined)[])[];
  }[];
  readonly durationNs: number;
}

function sharesChart({ approaches, guests, durationNs }: DrawnShares): Chart {
  const legend = lineLegend(approaches);
  return {
    title: 'Shares over time, a panel per guest',
    description: `Lines of ${approaches.join(', ')}, percent of what all sent in a window; a dotted level is what the weight alone gives.`,
    x: { title: 'time, ms', grid: false },
    y: { title: 'share, %' },
    legend,
    panels: guests.map(({ name, byWeight, lines }) => ({
      title: name,
      marks: [
        { kind: 'rule', y: byWeight * 100, style: 'rule', dash: 6 },
        ...lines.map((shares, index): Mark => {
          const { style = 1, dash = 0 } = legend[index] ?? {};
          const points = shares.map((share, window): [number, number | undefined] => [
            (((window + 0.5) / shares.length) * durationNs) / 1e6,
            share === undefined ? undefined : share * 100,
          ]);
          return { kind: 'line', points, style, dash };
        }),
      ],
    })),
  };
}

/** A guest's shares under an approach, as a row of the table. */
function sharesRow(run: RunResult, guest: GuestResult, byWeight: number): string[] {
  const shares = sharesOf(run.guests, guest.name).filter((share) => share !== undefined);
  const mean = run.bytesTransmitted === 0 ? 0 : guest.bytesTransmitted / run.bytesTransmitted;
  return [
    run.protection,
    guest.name,
    `${guest.weight}`,
    hundredths(byWeight),
    hundredths(mean),
    hundredths(Math.min(1, ...shares)),
    hundredths(Math.max(0, ...shares)),
    Number.isNaN(guest.fairShareGot) ? '-' : decimal(guest.fairShareGot, 3),
  ];
}

/** Of what all sent in each window, the part of one; undefined where none sent. */
function sharesOf(guests: readonly GuestResult[], name: string): (number | undefined)[] {
  const own = guests.find((guest) => guest.name === name)?.bytesTransmittedOverTime ?? [];
  return own.map((bytes, window) => {
    const all = guests.reduce((sum, guest) => sum + present(guest.bytesTransmittedOverTime[window]), 0);
    return all === 0 ? undefined : bytes / all;
  });
}

/** Whether the shares of some guest are off, in the mean over the windows. */
function isDifferent(
  lines: readonly (readonly (number | undefined)[])[],
  others: readonly (readonly (number | undefined)[])[],
): boolean {
  return lines.some((line, guest) => {
    // 0: a guest that sent nothing in a window has no share of it.
    const off = line.map((share = 0, window) => Math.abs(share - (others[guest]?.[window] ?? 0)));
    return (100 * off.reduce((sum, one) => sum + one, 0)) / Math.max(1, off.length) > DIFFERENT_POINTS;
  });
}

/** As percent with two digits. */
function hundredths(fraction: number): string {
  return (fraction * 100).toFixed(2);
}

import { counted } from '../../../scheduler/counted.js';
import { present } from '../../../scheduler/present.js';
import type { GuestResult, RunResult } from '../../machine/run-result.js';
import { stackedBars } from '../charts/bars.js';
import { barLegend, lineLegend, type Mark } from '../charts/chart.js';
import { rowChart } from '../charts/rows.js';
import { belowShareFirst } from '../guest-rows.js';
import type { ReportFigure } from '../html/figure.js';
import { GUEST_METRIC } from '../metrics/guest-metrics.js';
import { FEW_MARK, FEW_NOTE, metricFigureTable } from '../metrics/metric.js';
import { isFewForP99 } from '../metrics/number-metric.js';
import {
  BALLOON_METRICS,
  COST_METRICS,
  cpuFraction,
  FLOW_CONTROL_METRICS,
  IOMMU_METRICS,
  TRAFFIC_METRICS,
} from '../metrics/run-metrics.js';
import { decimal, megabits, microseconds, percent } from '../number-text.js';
import { guestOf, ranked, shownGuests } from './compared.js';
import { FULL_WIRE_FRACTION } from './limits.js';

/** More guests than these are one part of a bar. */
const MOST_GUESTS_APART = 4;
const MOST_NAMED = 4;
/** An approach has a line of its own where its shares are off those of the first by as many points. */
const DIFFERENT_POINTS = 3;

const named = (runs: readonly RunResult[]) =>
  runs.map((subject) => ({ names: [subject.protection], subject }));

/** Latency out of each guest: from the median to the 99th percentile, a panel per guest. */
export function latencyFigure(runs: readonly RunResult[]): ReportFigure | undefined {
  const guests = shownGuests(runs).filter((name) =>
    runs.some((run) => guestOf(run, name)?.latencyNs !== undefined),
  );
  if (guests.length === 0) return undefined;
  const rows = runs.flatMap((run) =>
    guests.flatMap((panel) => {
      const latency = guestOf(run, panel)?.latencyNs;
      if (latency === undefined) return [];
      const text = `${microseconds(latency.p99Ns)}${isFewForP99(latency) ? FEW_MARK : ''}`;
      return [{ panel, name: run.protection, ...latency, text }];
    }),
  );
  const { latencyP50Ns, latencyP99Ns, latencyP999Ns, driverP99Ns, ringP99Ns, cardP99Ns, fairShareGot } =
    GUEST_METRIC;
  const all = present(runs[0]).guests.length;
  return {
    id: 'latency',
    title: 'Latency of each guest',
    sentence: `How long frames took from the guest’s store to the last bit on the wire: a line from the median to the 99th percentile, at which the dot and its number (us) stand. Guests with different loads are never pooled.${
      all > guests.length ? ` Shown are ${guests.length} of ${all} guests, those that wait longest.` : ''
    }${rows.some(isFewForP99) ? ` ${FEW_NOTE}.` : ''}`,
    chart: rowChart(
      {
        title: 'Latency out, median to 99th percentile, a panel per guest',
        description: guests
          .map((name) => {
            const waits = ranked(
              runs.map((run) => ({ name: run.protection, run, none: undefined, through: undefined })),
              ({ run }) => guestOf(run, name)?.latencyNs?.p99Ns,
            );
            const [least, most] = [waits[0], waits.at(-1)];
            return `${name}: 99th percentile ${microseconds(least?.value)} us (${least?.name}) to ${microseconds(most?.value)} us (${most?.name})`;
          })
          .join('; '),
        panels: guests,
        names: runs.map(({ protection }) => protection),
        axis: { title: 'us', scale: 'log', own: true },
        rows,
        columns: Math.min(4, guests.length),
      },
      ({ name, p50Ns, p99Ns, text }) => [
        { kind: 'rule', y: name, x: p50Ns / 1000, toX: p99Ns / 1000, style: 1, width: 2 },
        { kind: 'point', x: p99Ns / 1000, y: name, style: 1 },
        { kind: 'text', x: p99Ns / 1000, y: name, text },
      ],
    ),
    table: metricFigureTable(
      ['approach', 'guest'],
      [fairShareGot, latencyP50Ns, latencyP99Ns, latencyP999Ns, driverP99Ns, ringP99Ns, cardP99Ns],
      runs.flatMap((run) =>
        belowShareFirst(run.guests.filter(({ name }) => guests.includes(name))).map((subject) => ({
          names: [run.protection, subject.name],
          subject,
        })),
      ),
    ),
  };
}

/** Goodput both ways, two bars per approach. */
export function goodputFigure(runs: readonly RunResult[]): ReportFigure {
  const ways = ['out', 'in'];
  const ratesOf = ({ goodputBps, receiveGoodputBps }: RunResult) => [goodputBps, receiveGoodputBps];
  return {
    id: 'goodput',
    title: 'Goodput',
    sentence: `What the guests together sent (out) and received (in), in frame bytes over the whole run; ${wireSentence(runs)}.`,
    chart: {
      title: 'Goodput, a pair of bars per approach',
      description: `Frame bytes out and in, Mb/s. ${runs.map((run) => `${run.protection} ${ratesOf(run).map(megabits).join(' and ')}`).join(', ')}.`,
      x: { title: 'goodput, Mb/s' },
      y: { scale: 'rows', rows: runs.map(({ protection }) => protection) },
      rowHeight: 32,
      legend: barLegend(ways),
      panels: [
        {
          marks: runs.flatMap((run) =>
            ratesOf(run).flatMap((bps, index): Mark[] => {
              const slot = [index, ways.length] as const;
              const to = bps / 1e6;
              return [
                { kind: 'bar', row: run.protection, from: 0, to, style: index + 1, slot },
                { kind: 'text', x: to, y: run.protection, text: megabits(bps), slot },
              ];
            }),
          ),
        },
      ],
    },
    table: metricFigureTable(['approach'], Object.values(TRAFFIC_METRICS), named(runs)),
  };
}

/** Where the wire out was the limit, and where something besides it was: the load, the CPU, the protection. */
function wireSentence(runs: readonly RunResult[]): string {
  const spare = runs.filter(({ wireBusyFraction }) => wireBusyFraction < FULL_WIRE_FRACTION);
  const busy = runs.map(({ wireBusyFraction }) => wireBusyFraction);
  const [least, most] = [Math.min(...busy), Math.max(...busy)].map(percent);
  const range = least === most ? `${least} %` : `${least} to ${most} %`;
  if (spare.length === 0) return `the wire out was the limit, ${range} busy`;
  if (spare.length === runs.length) {
    return `the wire out was ${range} busy, so it was not the wire alone that limited them`;
  }
  const first = spare.slice(0, MOST_NAMED).map(({ protection }) => protection);
  const more = spare.length > first.length ? ` and ${spare.length - first.length} more` : '';
  return `the wire out was ${range} busy, and not the only limit under ${first.join(', ')}${more}`;
}

/** CPU time by domain, stacked, a bar per approach. */
export function cpuFigure(runs: readonly RunResult[]): ReportFigure {
  const [first] = runs;
  const cores = counted(present(first).cpu.cores, 'core');
  const guests = first?.guests.map(({ name }) => name) ?? [];
  const apart = guests.length <= MOST_GUESTS_APART;
  const hasDriverDomain = runs.some((run) => cpuFraction(run, 'driver-domain') > 0);
  const guestFraction = (run: RunResult, name: string) =>
    present(run.cpu.domains.find((domain) => domain.kind === 'guest' && domain.name === name)).fraction;
  const parts = [
    'hypervisor',
    ...(hasDriverDomain ? ['driver domain'] : []),
    ...(apart ? guests.map((name) => `guest ${name}`) : [`${guests.length} guests`]),
  ];
  const rows = runs.map((run) => {
    const fractions = [
      cpuFraction(run, 'hypervisor'),
      ...(hasDriverDomain ? [cpuFraction(run, 'driver-domain')] : []),
      ...(apart ? guests.map((name) => guestFraction(run, name)) : [cpuFraction(run, 'guest')]),
    ];
    const label = `${percent(fractions.reduce((sum, fraction) => sum + fraction, 0))} %`;
    return { name: run.protection, values: fractions.map((fraction) => fraction * 100), label };
  });
  return {
    id: 'cpu',
    title: 'CPU time by domain',
    sentence: `Each bar is the busy time of ${cores} under one approach, by the domain that was running.${workSentence(runs)}`,
    chart: stackedBars({
      title: 'CPU time by domain, a bar per approach',
      description: `Stacked bars, percent of ${cores}. ${rows.map(({ name, label }) => `${name} ${label}`).join(', ')}.`,
      parts,
      rows,
      axis: `busy, % of ${cores}`,
    }),
    table: {
      heads: [
        'approach',
        ...parts.map((part) => `${part}, %`),
        'idle, %',
        'hypercalls',
        'interrupts, physical',
      ],
      rows: runs.map((run, index) => [
        run.protection,
        ...(rows[index]?.values ?? []).map((value) => decimal(value, 2)),
        decimal(run.cpu.idleFraction * 100, 2),
        `${run.hypercalls}`,
        `${run.interrupts.physical}`,
      ]),
    },
  };
}

/** What of the bars is the guests' own, and what stands around it. */
function workSentence(runs: readonly RunResult[]): string {
  if (runs.length < 2) return '';
  const around = (run: RunResult) => cpuFraction(run, 'hypervisor') + cpuFraction(run, 'driver-domain');
  const range = (of: (run: RunResult) => number) => {
    const sorted = [...runs].sort((one, other) => of(one) - of(other));
    const [least, most] = [sorted[0], sorted.at(-1)];
    if (least === undefined || most === undefined) return '';
    return `from ${percent(of(least))} % (${least.protection}) to ${percent(of(most))} % (${most.protection})`;
  };
  return ` The guests' part goes ${range((run) => cpuFraction(run, 'guest'))}; what stands around it ${range(around)}.`;
}

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
  const legend = lineLegend(drawn.map(({ protection }) => protection));
  const alike = runs.length - drawn.length;
  return {
    id: 'shares',
    title: 'Shares over time',
    sentence: `Of all that was sent in each fiftieth of the run, the part of each guest; the dotted level is what its weight alone gives, which a guest stays below when it has no more to send.${
      alike > 0
        ? ` ${alike} of ${runs.length} approaches stay within ${DIFFERENT_POINTS} points of ${first.protection} and are not drawn.`
        : ''
    }${left > 0 ? ` Shown are the ${shown.length} guests that sent most; ${left} more are in the JSON document.` : ''}`,
    chart: {
      title: 'Shares over time, a panel per guest',
      description: `Lines of ${drawn.map(({ protection }) => protection).join(', ')}, percent of what all sent in a window; a dotted level is what the weight alone gives.`,
      x: { title: 'time, ms', grid: false },
      y: { title: 'share, %' },
      legend,
      panels: shown.map((title, guest) => ({
        title,
        marks: [
          { kind: 'rule', y: present(byWeight.get(title)) * 100, style: 'rule', dash: 6 },
          ...drawn.map((run, index): Mark => {
            const shares = lines.get(run)?.[guest] ?? [];
            const { style = 1, dash = 0 } = legend[index] ?? {};
            return {
              kind: 'line',
              points: shares.map((share, window) => [
                (((window + 0.5) / shares.length) * durationNs) / 1e6,
                share === undefined ? undefined : share * 100,
              ]),
              style,
              dash,
            };
          }),
        ],
      })),
    },
    table: {
      heads: ['approach', 'guest', 'weight', 'by weight, %', 'mean, %', 'least, %', 'most, %', 'of its due'],
      rows: runs.flatMap((run) =>
        run.guests
          .filter(({ name }) => shown.includes(name))
          .map((guest) => {
            const shares = sharesOf(run.guests, guest.name).filter((share) => share !== undefined);
            const mean = run.bytesTransmitted === 0 ? 0 : guest.bytesTransmitted / run.bytesTransmitted;
            return [
              run.protection,
              guest.name,
              `${guest.weight}`,
              hundredths(present(byWeight.get(guest.name))),
              hundredths(mean),
              hundredths(Math.min(1, ...shares)),
              hundredths(Math.max(0, ...shares)),
              Number.isNaN(guest.fairShareGot) ? '-' : decimal(guest.fairShareGot, 3),
            ];
          }),
      ),
    },
  };
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

/** What became of the pages that the balloon asked for; undefined when there was no balloon. */
export function balloonFigure(runs: readonly RunResult[]): ReportFigure | undefined {
  const rows = runs.flatMap(({ protection, memory: { balloon } }) =>
    balloon === undefined ? [] : [{ name: protection, ...balloon }],
  );
  if (rows.length === 0) return undefined;
  return {
    id: 'balloon',
    title: 'What the balloon got',
    sentence:
      'Of the pages that were asked back, how many were reclaimed, still wait, or were refused; the table has how long it took, and what devices did to pages after they were given away.',
    chart: stackedBars({
      title: 'Pages that the balloon asked for, a bar per approach',
      description: rows
        .map(({ name, reclaimed, asked }) => `${name}: ${reclaimed} of ${asked} reclaimed`)
        .join(', '),
      parts: ['reclaimed', 'waiting', 'refused'],
      rows: rows.map(({ name, reclaimed, waiting, refused, asked }) => ({
        name,
        values: [reclaimed, waiting, refused],
        label: `${reclaimed} of ${asked}`,
      })),
      axis: 'pages of 4 KB',
    }),
    table: metricFigureTable(['approach'], Object.values(BALLOON_METRICS), named(runs)),
  };
}

/** What priority flow control did; undefined where no class has it. */
export function flowControlFigure(runs: readonly RunResult[]): ReportFigure | undefined {
  const controlled = runs.filter(({ flowControl }) => flowControl !== undefined);
  if (controlled.length === 0) return undefined;
  return {
    id: 'flow-control',
    title: 'Priority flow control',
    sentence:
      'Pauses that the far end and the card asked each other for, all traffic classes with flow control together.',
    table: metricFigureTable(['approach'], Object.values(FLOW_CONTROL_METRICS), named(controlled)),
  };
}

/** How translations ended, a bar per approach with an IOMMU; undefined when there is none. */
export function iotlbFigure(runs: readonly RunResult[]): ReportFigure | undefined {
  const withIommu = runs.filter(
    ({ protectionDetails: { translations } }) => translations !== undefined && translations > 0,
  );
  if (withIommu.length === 0) return undefined;
  const rows = withIommu.map(({ protection, protectionDetails: details }) => {
    const { sharedWalks, walks } = details;
    const translations = present(details.translations);
    const iotlbHits = present(details.iotlbHits);
    return {
      name: protection,
      values: [iotlbHits, sharedWalks, walks].map((count) => (100 * present(count)) / translations),
      label: `${percent(iotlbHits / translations)} %`,
    };
  });
  return {
    id: 'iotlb',
    title: 'IOTLB hit rate',
    sentence:
      'How the translations of the card’s accesses ended, of the approaches that have an IOMMU; the figure at the end of a bar is the hit rate.',
    chart: stackedBars({
      title: 'IOTLB hits and misses, a bar per approach',
      description: `Stacked bars, percent of translations. Hit rates: ${rows.map(({ name, label }) => `${name} ${label}`).join(', ')}.`,
      parts: ['hit', 'waited for a walk under way', 'walked the tables'],
      rows,
      axis: 'translations, %',
      most: 100,
    }),
    table: metricFigureTable(
      ['approach'],
      [...Object.values(IOMMU_METRICS), COST_METRICS.accessGateNs],
      named(withIommu),
    ),
  };
}

/** As percent with two digits. */
function hundredths(fraction: number): string {
  return (fraction * 100).toFixed(2);
}

import { counted } from '../../../scheduler/counted.js';
import { present } from '../../../scheduler/present.js';
import type { RunResult } from '../../machine/run-result.js';
import { stackedBars } from '../charts/bars.js';
import { barLegend, type Mark } from '../charts/chart.js';
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
              runs.map((run) => ({ name: run.protection, run })),
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

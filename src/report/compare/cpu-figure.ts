import type { RunResult } from '../../machine/run-result.js';
import type { ReportFigure } from '../html/figure.js';
import { decimal, percent } from '../number-text.js';
import { stackedBars } from '../plots/stacked-bars.js';
import type { ComparedRuns } from './compared-runs.js';
import { extremes } from './extremes.js';

/** More guests than these are one part of a bar. */
const MOST_GUESTS_APART = 4;

/** CPU time by domain, stacked, a bar an approach. */
export function cpuFigure({ runs, repeat, parameters }: ComparedRuns): ReportFigure {
  const [first] = runs;
  const cores = first?.cpu.cores ?? 0;
  const guests = first?.guests.map(({ name }) => name) ?? [];
  const apart = guests.length <= MOST_GUESTS_APART;
  const hasDriverDomain = runs.some((run) => busy(run, 'driver-domain') > 0);
  const parts = [
    'hypervisor',
    ...(hasDriverDomain ? ['driver domain'] : []),
    ...(apart ? guests.map((name) => `guest ${name}`) : [`${guests.length} guests`]),
  ];
  const rows = runs.map((run) => {
    const ofGuests = apart ? guests.map((name) => guestFraction(run, name)) : [busy(run, 'guest')];
    const fractions = [
      busy(run, 'hypervisor'),
      ...(hasDriverDomain ? [busy(run, 'driver-domain')] : []),
      ...ofGuests,
    ];
    return { name: run.protection, fractions };
  });
  const whole = (fractions: readonly number[]) => fractions.reduce((sum, fraction) => sum + fraction, 0);
  return {
    id: 'cpu',
    title: 'CPU time by domain',
    sentence: `Each bar is the busy time of ${coresText(cores)} under one approach, by who was running.${workSentence(runs)}`,
    plot: stackedBars({
      title: 'CPU time by domain, an approach a bar',
      description: `Stacked bars, percent of ${coresText(cores)}. ${rows
        .map(({ name, fractions }) => `${name} ${percent(whole(fractions))} %`)
        .join(', ')}.`,
      parts,
      rows: rows.map(({ name, fractions }) => ({
        name,
        values: fractions.map((fraction) => fraction * 100),
        label: `${percent(whole(fractions))} %`,
      })),
      axis: `busy, % of ${coresText(cores)}`,
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
        ...(rows[index]?.fractions ?? []).map((fraction) => decimal(fraction * 100, 2)),
        decimal(run.cpu.idleFraction * 100, 2),
        `${run.hypercalls}`,
        `${run.interrupts.physical}`,
      ]),
    },
    repeat,
    parameters,
  };
}

/** What of the bars is the guests' own, and what stands around it. */
function workSentence(runs: readonly RunResult[]): string {
  if (runs.length < 2) return '';
  const around = (run: RunResult) => busy(run, 'hypervisor') + busy(run, 'driver-domain');
  return ` The guests' part goes ${rangeText(runs, (run) => busy(run, 'guest'))}; what stands around it ${rangeText(runs, around)}.`;
}

/** `from 1.0 % (one) to 2.0 % (other)`. */
function rangeText(runs: readonly RunResult[], of: (run: RunResult) => number): string {
  const { least, most } = extremes(runs, of);
  return `from ${percent(least.value)} % (${least.name}) to ${percent(most.value)} % (${most.name})`;
}

/** `2 cores`. */
export function coresText(cores: number): string {
  return `${cores} ${cores === 1 ? 'core' : 'cores'}`;
}

/** Fraction of all cores that domains of a kind were busy. */
export function busy(run: RunResult, kind: RunResult['cpu']['domains'][number]['kind']): number {
  return run.cpu.domains.reduce((sum, domain) => sum + (domain.kind === kind ? domain.fraction : 0), 0);
}

function guestFraction(run: RunResult, name: string): number {
  return run.cpu.domains.find((domain) => domain.kind === 'guest' && domain.name === name)?.fraction ?? 0;
}

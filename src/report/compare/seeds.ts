import type { LetThrough } from '../../attack/let-through.js';
import type { GuestResult, RunResult } from '../../machine/run-result.js';
import { dotChart } from '../charts/rows.js';
import type { ReportFigure } from '../html/figure.js';
import { GUEST_METRIC, GUEST_METRICS } from '../metrics/guest-metrics.js';
import { type Metric, metricAxis, metricHead } from '../metrics/metric.js';
import { RUN_METRICS } from '../metrics/run-metrics.js';
import { type SampleStatistics, sampleOf, sampleText } from '../metrics/sample.js';
import { plainTable } from '../plain-table.js';
import { portLines } from '../port-text.js';
import { headingLine, type RunHeading } from '../run-heading.js';
import { type Compared, compareRuns, guestOf, ofRun, PRICE_METRICS, shownGuests } from './compared.js';
import { type GuestsAndCard, keptInsideLines } from './kept-inside.js';

/** One approach under several seeds. */
export interface SeedSample {
  readonly approach: string;
  /** One per seed, each beside `none` of the same seed. */
  readonly runs: readonly Compared[];
}

/** Runs of a scenario under several approaches and seeds, approach by approach. */
export function seedSamples(
  runs: readonly RunResult[],
  through: readonly LetThrough[],
  scenario: GuestsAndCard,
): SeedSample[] {
  const seeds = [...new Set(runs.map(({ seed }) => seed))];
  const bySeed = seeds.map((seed, index) =>
    compareRuns(
      runs.filter((run) => run.seed === seed),
      // Attacks are played once, with the first seed.
      index === 0 ? through : [],
      scenario,
    ),
  );
  return (bySeed[0] ?? []).map(({ name }) => ({
    approach: name,
    runs: bySeed.flatMap((compared) => compared.filter((one) => one.name === name)),
  }));
}

/** Statistics of one approach for documents: every metric that has a value, in its unit. */
export interface SeedStatistics {
  readonly approach: string;
  readonly metrics: Readonly<Record<string, SampleStatistics>>;
  readonly guests: readonly {
    readonly name: string;
    readonly metrics: Readonly<Record<string, SampleStatistics>>;
  }[];
}

/** Mean, range and 95 % interval per figure, by the ids of the metrics. */
export function seedStatistics(samples: readonly SeedSample[]): SeedStatistics[] {
  const compared: readonly Metric<Compared>[] = [...RUN_METRICS.map(ofRun), ...Object.values(PRICE_METRICS)];
  return samples.map(({ approach, runs }) => ({
    approach,
    metrics: statisticsOf(compared, runs),
    guests: (runs[0]?.run.guests ?? []).map(({ name }) => ({
      name,
      metrics: statisticsOf(GUEST_METRICS, guestsNamed(runs, name)),
    })),
  }));
}

function statisticsOf<Subject>(metrics: readonly Metric<Subject>[], subjects: readonly Subject[]) {
  const entries = metrics.flatMap((metric) => {
    const sample = sampleOf(metric, subjects);
    return sample === undefined ? [] : [[metric.id, sample] as const];
  });
  return Object.fromEntries(entries);
}

function guestsNamed(runs: readonly Compared[], name: string): GuestResult[] {
  return runs.flatMap(({ run }) => guestOf(run, name) ?? []);
}

/** What an approach costs and lets through that a seed may move. */
const PRICE = Object.values(PRICE_METRICS);
const LATENCY = [GUEST_METRIC.latencyP50Ns, GUEST_METRIC.latencyP99Ns] as const;

/** The comparison over several seeds: of every figure the mean, the 95 % interval of the mean, and the range. */
export function seedsText(heading: RunHeading, samples: readonly SeedSample[], seeds: number): string {
  const runs = samples.flatMap((sample) => sample.runs.map(({ run }) => run));
  const metrics = PRICE.filter((metric) =>
    samples.some((sample) => sampleOf(metric, sample.runs) !== undefined),
  );
  const guests = shownGuests(runs);
  const perGuest = (metric: Metric<GuestResult>) =>
    table(
      guests,
      samples.map(({ approach, runs: own }) => ({
        approach,
        texts: guests.map((name) => sampleText(metric, guestsNamed(own, name))),
      })),
    );
  const broken = runs.filter(({ laws }) => laws.some(({ held }) => !held));
  return [
    `${headingLine(heading)} and the ${seeds === 2 ? 'one' : seeds - 1} after it`,
    ...portLines(heading.loaded.scenario),
    '',
    `Of each figure: the mean over ${seeds} seeds, the 95 % interval of the mean, the least and the most`,
    '',
    'The price, beside none with the same seed, and attacks that get through',
    '',
    table(
      metrics.map((metric) => metric.head ?? metricHead(metric)),
      samples.map(({ approach, runs: own }) => ({
        approach,
        texts: metrics.map((metric) => sampleText(metric, own)),
      })),
    ),
    ...(keptInsideLines(samples.flatMap(({ runs: [first] }) => first ?? [])) ?? []),
    '',
    ...LATENCY.flatMap((metric) => [`${metric.title} out, us, per guest`, '', perGuest(metric), '']),
    'What each guest got of its due',
    '',
    perGuest(GUEST_METRIC.fairShareGot),
    '',
    broken.length === 0
      ? `all ${new Set(runs.flatMap(({ laws }) => laws.map(({ law }) => law))).size} invariants held in every run`
      : `invariants were violated in: ${broken.map(({ protection, seed }) => `${protection} with seed ${seed}`).join(', ')}`,
  ].join('\n');
}

/** Three lines per approach: mean, interval, range. */
function table(
  heads: readonly string[],
  rows: readonly { readonly approach: string; readonly texts: readonly ReturnType<typeof sampleText>[] }[],
): string {
  return plainTable(
    [
      { head: 'approach', align: 'left' },
      { head: '', align: 'left' },
      ...heads.map((head) => ({ head, align: 'right' as const })),
    ],
    rows.flatMap(({ approach, texts }) => [
      [approach, 'mean', ...texts.map(({ mean }) => mean)],
      ['', '95 %', ...texts.map(({ interval }) => interval)],
      ['', 'range', ...texts.map(({ range }) => range)],
    ]),
  );
}

/** The same on a page: the CPU over none as a plot, and every figure in the table. */
export function seedsFigure(samples: readonly SeedSample[], seeds: number): ReportFigure {
  const metric = samples.some(({ runs }) => sampleOf(PRICE_METRICS.cpuOverNone, runs) !== undefined)
    ? PRICE_METRICS.cpuOverNone
    : PRICE_METRICS.cpu;
  const points = samples.flatMap(({ approach, runs }) => {
    const sample = sampleOf(metric, runs);
    if (sample === undefined) return [];
    const [mean, least, most] = [sample.mean * 100, sample.least * 100, sample.most * 100];
    return [{ name: approach, mean, least, most, label: sampleText(metric, runs).mean }];
  });
  const guests = shownGuests(samples.flatMap(({ runs }) => runs.map(({ run }) => run)));
  const rows = samples.flatMap(({ approach, runs }) => [
    ...PRICE.map((one) => [approach, '', metricHead(one), ...cells(one, runs)]),
    ...guests.flatMap((name) =>
      [...LATENCY, GUEST_METRIC.fairShareGot].map((one) => [
        approach,
        name,
        metricHead(one),
        ...cells(one, guestsNamed(runs, name)),
      ]),
    ),
  ]);
  return {
    id: 'seeds',
    title: `Over ${seeds} seeds`,
    sentence:
      'Dots are means, lines reach from the least to the most of the seeds. The table has for every figure the mean, the 95 % confidence interval of the mean (Student’s t), and the range; differences from none are of runs with the same seed.',
    chart: dotChart({
      title: `${metric.title}, mean and range of ${seeds} seeds`,
      description: points.map(({ name, label }) => `${name} ${label}`).join(', '),
      names: points.map(({ name }) => name),
      axis: { title: metricAxis(metric) },
      rows: points,
    }),
    table: { heads: ['approach', 'guest', 'figure', 'mean', '95 % interval', 'range'], rows },
  };
}

function cells<Subject>(metric: Metric<Subject>, subjects: readonly Subject[]): string[] {
  const { mean, interval, range } = sampleText(metric, subjects);
  return [mean, interval, range];
}

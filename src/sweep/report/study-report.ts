import { createHash } from 'node:crypto';
import { present } from '../../../scheduler/present.js';
import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import type { PageSection, ReportPage } from '../../report/html/page.js';
import type { Journal } from '../journal.js';
import type { Plan } from '../plan.js';
import { RESULT_VERSION } from '../result-version.js';
import { attacksFigure } from './attacks-figure.js';
import { cellsOf, type MetricCells } from './cells.js';
import { type Difference, differencesOf } from './differences.js';
import { differencesAnswer, differencesFigure, TEST_TEXT } from './differences-text.js';
import { type Layout, type LayoutRequest, layOut } from './layout.js';
import { guestsOf, readMeasured, reportMetrics } from './measured.js';
import { studyFigure } from './study-figure.js';

/** What a report is asked for. */
export interface StudyReportRequest extends LayoutRequest {
  /** Metrics by name, `all`, or the main ones. */
  readonly metrics: readonly string[] | undefined;
  /** The command line that writes the same report again. */
  readonly repeat: string;
}

/** A report of a study, before it is drawn, and every comparison behind it. */
export interface StudyReport {
  readonly page: ReportPage;
  readonly differences: readonly Difference[];
}

/**
 * What a sweep found: each metric over a variable, and which differences are larger than noise.
 * @throws SweepError for a metric or variable that does not exist, and when nothing was run
 */
export function studyReport(plan: Plan, journal: Journal, request: StudyReportRequest): StudyReport {
  const metrics = reportMetrics(request.metrics);
  const layout = layOut(plan, request);
  const { measured, missing } = readMeasured(plan, journal);
  const guests = guestsOf(measured);
  const shown = metrics
    .map((metric) => cellsOf(metric, layout, measured, guests))
    // A metric that applies to no run (an IOMMU's where there is none) has nothing to show.
    .filter(({ cells }) => cells.length > 0)
    .map((cells) => ({ cells, differences: differencesOf(cells, layout.over) }));
  const compared = layout.lines ?? layout.over;
  const { study, where } = plan.study;
  const runs = measured.flatMap((one) => one.runs);
  const failed = runs.filter(({ outcome }) => 'error' in outcome).length;
  const violated = runs.filter(({ outcome }) => 'violated' in outcome).length;
  const origin = { repeat: request.repeat, parameters: parametersOf(plan) };
  const attacks = attacksFigure(plan, layout.points, journal);
  const sections: PageSection[] = [
    {
      id: 'metrics',
      title: 'What was measured',
      text: [],
      figures: shown.map(({ cells }) => studyFigure(cells, layout)),
      origin,
    },
    ...(attacks === undefined ? [] : [section('attacks', 'What gets through', [attacks], origin)]),
    ...(compared === undefined
      ? []
      : [
          {
            ...section(
              'differences',
              'Which differences are larger than noise',
              shown.map(({ cells, differences }) => differencesFigure(cells.metric, differences)),
              origin,
            ),
            text: [TEST_TEXT, 'Every single comparison is in differences.csv beside this page.'],
          },
        ]),
  ];
  const page: ReportPage = {
    command: 'sweep report',
    title: capitalised(study.name ?? `study ${where.replace(/^.*[/\\]/u, '')}`),
    question: questionOf(shown, layout),
    setting: settingOf(plan, layout, request, runs.length, missing),
    answer: [
      ...shown.map(({ cells, differences }) =>
        compared === undefined
          ? `${cells.metric.metric.title}: one point, nothing to compare.`
          : differencesAnswer(cells.metric, differences, compared.name),
      ),
      ...(failed === 0 ? [] : [`${failed} runs could not be done and are in no figure; runs.csv says why.`]),
      violated === 0
        ? 'All invariants, from conservation of frames to the bounds of fairness, held in every run.'
        : `Invariants were violated in ${violated} runs: figures with those runs are not to be trusted.`,
    ],
    repeat: request.repeat,
    seed: present(plan.seeds[0]),
    sections,
    broad: layout.facets.length > 0,
  };
  return { page, differences: shown.flatMap(({ differences }) => differences) };
}

function section(
  id: string,
  title: string,
  figures: readonly ReportFigure[],
  origin: PageSection['origin'],
): PageSection {
  return { id, title, text: [], figures, origin };
}

function questionOf(
  shown: readonly { readonly cells: MetricCells }[],
  { over, lines, facets }: Layout,
): string {
  const metrics = shown.map(({ cells }) => inSentence(cells.metric.metric.title));
  const listed = metrics.length > 3 ? `${metrics.slice(0, 3).join(', ')} and more` : metrics.join(', ');
  const by = [over, lines, ...facets].flatMap((one) => (one === undefined ? [] : [one.name]));
  if (by.length === 0) return `What are ${listed}?`;
  return `How do ${listed} depend on ${by.join(', ')}, and which differences are larger than noise?`;
}

function settingOf(
  plan: Plan,
  { points }: Layout,
  { where }: StudyReportRequest,
  runs: number,
  missing: number,
): string {
  const shown =
    points.length === plan.points.length
      ? `${points.length} points`
      : `${points.length} of ${plan.points.length} points (${where.map(({ name, value }) => `${name} = ${value}`).join(', ')})`;
  const left = missing === 0 ? '' : `; ${missing} runs of the study are missing, sweep it to the end`;
  return `${plan.study.where}: ${shown}, ${runs} runs${left}.`;
}

function parametersOf(plan: Plan): FigureParameter[] {
  const { study, scenario, where } = plan.study;
  const [point] = plan.points;
  const run = point === undefined ? undefined : plan.run(point, 0).job.scenario;
  const content = createHash('sha256').update(JSON.stringify(scenario)).digest('hex').slice(0, 12);
  return [
    { name: 'study', value: where },
    {
      name: 'scenario',
      value: `${typeof study.scenario === 'string' ? study.scenario : 'in the study'} (SHA-256 ${content}...)`,
    },
    ...plan.variables.map(({ column, paths }) => ({ name: column, value: paths.join(', ') })),
    { name: 'seeds of a point', value: `${plan.seeds.length}: ${seedsText(plan.seeds)}` },
    { name: 'warm-up', value: `${(run?.warmUpNs ?? 0) / 1e6} ms` },
    { name: 'window', value: `${(run?.durationNs ?? 0) / 1e6} ms` },
    { name: 'version of results', value: RESULT_VERSION },
  ];
}

function seedsText(seeds: readonly number[]): string {
  return seeds.length <= 8 ? seeds.join(', ') : `${seeds.slice(0, 8).join(', ')}, ...`;
}

function capitalised(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** A title within a sentence; `CPU` and names keep their capitals. */
function inSentence(title: string): string {
  return /^[A-Z][a-z]+(?!')\b/u.test(title) ? `${title.charAt(0).toLowerCase()}${title.slice(1)}` : title;
}

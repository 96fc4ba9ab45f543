import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cdna2007Figures } from '../../src/experiments/cdna-2007/figures.js';
import { EXPERIMENTS } from '../../src/experiments/index.js';
import { iommuHardwareFigures } from '../../src/experiments/iommu-hardware/figures.js';
import { isolationReportFigures } from '../../src/experiments/isolation/figures.js';
import { priceOfSafetyFigures } from '../../src/experiments/price-of-safety/figures.js';
import { describeReproduction, type FinishedExperiment } from '../../src/experiments/reproduce-page.js';
import { scalingReportFigures } from '../../src/experiments/scaling/figures.js';
import { strategiesFigures } from '../../src/experiments/strategies/figures.js';
import { walkCostFigures } from '../../src/experiments/walk-cost/figures.js';
import type { ReportFigure } from '../../src/report/html/figure.js';
import { pageHtml } from '../../src/report/html/page.js';
import { invoke } from '../src/cli/invoke.js';

/** The four reports, each as its command writes it. */
export const REPORTS = ['compare', 'attack', 'fairness', 'reproduce'] as const;
export type ReportName = (typeof REPORTS)[number];

/** Figures of an experiment from its stored result: what `reproduce` shows, without the minutes that it takes. */
const FIGURES_OF: Readonly<Record<string, (stored: never, repeat: string) => ReportFigure[]>> = {
  'iommu-hardware': (stored: Parameters<typeof iommuHardwareFigures>[0][], repeat) =>
    stored.flatMap((result) => iommuHardwareFigures(result, repeat)),
  'walk-cost': walkCostFigures,
  'cdna-2007': cdna2007Figures,
  'price-of-safety': priceOfSafetyFigures,
  strategies: strategiesFigures,
  scaling: scalingReportFigures,
  isolation: isolationReportFigures,
};

/** All experiments with their stored results, as if they had just been run. */
export function storedExperiments(): FinishedExperiment[] {
  return EXPERIMENTS.map((experiment) => {
    const { name } = experiment;
    const path = new URL(`../../src/experiments/${name}/result.json`, import.meta.url);
    const stored = JSON.parse(readFileSync(path, 'utf8')) as never;
    const figures = FIGURES_OF[name]?.(stored, `cdna-nic reproduce ${name} --seed 1`);
    if (figures === undefined) throw new Error(`${name}: no figures`);
    const outcome = { text: `What ${name} prints`, document: {}, figures, asStored: true };
    return { experiment, outcome };
  });
}

/** The page of `reproduce all`. */
export function reproduceReport() {
  const call = { seed: 1, repeat: 'cdna-nic reproduce all --seed 1', dataPath: undefined };
  return describeReproduction(storedExperiments(), call);
}

/** Arguments of a run that takes a second or two. */
const SHORT: Readonly<Record<Exclude<ReportName, 'reproduce'>, readonly string[]>> = {
  compare: ['--duration', '4ms', '--protection', 'none,driver-domain,cdna,iommu:single-use,iommu:direct-map'],
  attack: [
    ...[
      '--attacks',
      'foreign-page-read,index-out-of-range,queue-as-target,own-page-after-unmap,card-unasked',
    ],
    ...['--protection', 'none,cdna,iommu:single-use,iommu:contiguous'],
  ],
  fairness: [
    ...['--contexts', '4', '--duration', '4ms', '--disciplines', 'fifo,wrr,drr,wf2q+'],
    ...['--workloads', 'mixed,churn'],
  ],
};

/** Writes a report into a folder, as the command does, and returns its path. */
export async function writeReport(
  name: ReportName,
  folder: string,
  args?: readonly string[],
): Promise<string> {
  const path = join(folder, `${name}.html`);
  if (name === 'reproduce') {
    writeFileSync(path, await pageHtml(reproduceReport()));
    return path;
  }
  const { code, err } = await invoke(name, ...(args ?? SHORT[name]), '--out', folder);
  if (code !== 0) throw new Error(`${name}: exit code ${code}: ${err}`);
  return path;
}

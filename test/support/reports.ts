import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FinishedExperiment } from '../../src/experiments/experiment.js';
import { EXPERIMENTS } from '../../src/experiments/index.js';
import { describeReproduction } from '../../src/experiments/reproduce-page.js';
import { readStored } from '../../src/experiments/stored-result.js';
import { pageHtml } from '../../src/report/html/page.js';
import { invoke } from '../src/cli/invoke.js';

/** The reports, each as its command writes it. */
export const REPORTS = ['compare', 'run', 'attack', 'fairness', 'reproduce', 'sweep'] as const;
export type ReportName = (typeof REPORTS)[number];

/** All experiments with their stored results, as if they had just been run: without the minutes that this takes. */
export function storedExperiments(): FinishedExperiment[] {
  return EXPERIMENTS.map((experiment) => {
    const result = readStored(experiment.storedUrl);
    const presentation = experiment.present(result);
    return { experiment, outcome: { ...presentation, result, stored: 'same' } };
  });
}

/** The page of `reproduce all`. */
export function reproduceReport() {
  const repeatOf = (name: string) => `cdna-nic reproduce ${name} --seed 1`;
  const call = { seed: 1, repeat: repeatOf('all'), repeatOf, dataPath: undefined };
  return describeReproduction(storedExperiments(), call);
}

/** Arguments of a run that takes a second or two. */
const SHORT: Readonly<Record<Exclude<ReportName, 'reproduce' | 'sweep'>, readonly string[]>> = {
  compare: [
    '--no-attacks',
    '--duration',
    '2ms',
    '--protection',
    'none,driver-domain,cdna,iommu:single-use,iommu:direct-map',
  ],
  run: ['--duration', '2ms', '--protection', 'iommu:deferred'],
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

const EXAMPLE_STUDY = fileURLToPath(
  new URL('../../examples/studies/price-of-small-frames.json', import.meta.url),
);

/** Three approaches over two loads in two panels: a second or two. */
const SHORT_STUDY = {
  name: 'approaches at two loads',
  scenario: {
    guests: [
      { name: 'a', traffic: { kind: 'poisson', wireRateBps: 1e8 } },
      { name: 'b', traffic: { kind: 'greedy' } },
    ],
  },
  vary: [
    { path: 'protection', values: ['none', 'cdna', 'iommu:single-use'] },
    { path: 'guests[a].traffic.wireRateBps', name: 'load', values: [1e8, 6e8] },
    { path: 'discipline', values: ['drr', 'sfq'] },
  ],
  seeds: [1, 2],
  windowNs: 200_000,
};

async function writeSweepReport(folder: string, study = join(folder, 'study.json')): Promise<string> {
  const out = join(folder, 'sweep');
  if (study !== EXAMPLE_STUDY) writeFileSync(study, JSON.stringify(SHORT_STUDY));
  const metrics = study === EXAMPLE_STUDY ? [] : ['--metrics', 'cpuBusyFraction,guest.latencyP99Ns'];
  for (const call of [
    ['sweep', study],
    ['sweep', 'report', study, ...metrics],
  ]) {
    const { code, err } = await invoke(...call, '--out', out);
    if (code !== 0) throw new Error(`${call.join(' ')}: exit code ${code}: ${err}`);
  }
  return join(out, 'report.html');
}

/** Writes a report into a folder, as the command does, and returns its path. */
export async function writeReport(
  name: ReportName,
  folder: string,
  args?: readonly string[],
): Promise<string> {
  const path = join(folder, `${name}.html`);
  if (name === 'reproduce') {
    writeFileSync(path, pageHtml(reproduceReport()));
    return path;
  }
  if (name === 'sweep') return writeSweepReport(folder, args === undefined ? undefined : EXAMPLE_STUDY);
  const { code, err } = await invoke(name, ...(args ?? SHORT[name]), '--out', folder);
  if (code !== 0) throw new Error(`${name}: exit code ${code}: ${err}`);
  return path;
}

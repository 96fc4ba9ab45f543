import type { RunResult } from '../../machine/run-result.js';
import { pageHtml, type ReportPage } from '../html/page.js';
import { decimal, megabits, percent } from '../number-text.js';
import { megabytes } from '../plots/pinned.js';
import { headingLine, type RunHeading } from '../run-heading.js';
import { balloonFigure } from './balloon-figure.js';
import { comparedRuns } from './compared-runs.js';
import { busy, coresText, cpuFigure } from './cpu-figure.js';
import { extremes } from './extremes.js';
import { goodputFigure } from './goodput-figure.js';
import { iotlbFigure } from './iotlb-figure.js';
import { latencyFigure } from './latency-figure.js';
import { memoryFigure } from './memory-figure.js';
import { sharesFigure } from './shares-figure.js';

/** The report of `compare` as one HTML file. */
export async function comparePage(
  heading: RunHeading,
  runs: readonly RunResult[],
  repeat: string,
): Promise<string> {
  return pageHtml(describeComparison(heading, runs, repeat));
}

/** What the report says and shows, before it is drawn. */
export function describeComparison(
  heading: RunHeading,
  runs: readonly RunResult[],
  repeat: string,
): ReportPage {
  const compared = comparedRuns(heading, runs, repeat);
  const present = <T>(...figures: readonly (T | undefined)[]) =>
    figures.filter((figure) => figure !== undefined);
  const approaches = runs.length === 1 ? 'one approach' : `${runs.length} approaches`;
  return {
    command: 'compare',
    title: `${approaches.charAt(0).toUpperCase()}${approaches.slice(1)} side by side`,
    question: `What does it cost to keep a guest’s network card out of memory that is not the guest’s?`,
    setting: `Scenario: ${headingLine(heading)}.`,
    answer: answerOf(runs),
    repeat,
    seed: heading.seed,
    sections: [
      { id: 'cost', title: 'What it costs', text: [], figures: [cpuFigure(compared)] },
      {
        id: 'service',
        title: 'What the guests get',
        text: [],
        figures: present(goodputFigure(compared), latencyFigure(compared), sharesFigure(compared)),
      },
      {
        id: 'memory-and-iommu',
        title: 'What it holds fast, and what the IOMMU does',
        text: [],
        figures: present(memoryFigure(compared), balloonFigure(compared), iotlbFigure(compared)),
      },
    ],
  };
}

function answerOf(runs: readonly RunResult[]): string[] {
  const [first] = runs;
  if (first === undefined) return ['Nothing was run.'];
  const rates = extremes(runs, ({ goodputBps }) => goodputBps);
  const work = extremes(runs, (run) => 1 - run.cpu.idleFraction);
  const pinned = extremes(runs, ({ memory }) => memory.mostPinnedPages);
  const cores = coresText(first.cpu.cores);
  const answer: string[] = [];
  if (runs.length === 1) {
    answer.push(
      `${first.protection} carries ${megabits(first.goodputBps)} Mb/s out with ${percent(1 - first.cpu.idleFraction)} % of ${cores}, ` +
        `${percent(busy(first, 'hypervisor'))} % of it in the hypervisor, and holds at most ${decimal(megabytes(first.memory.mostPinnedPages), 1)} MB fast.`,
    );
  } else {
    const spread = (rates.most.value - rates.least.value) / Math.max(1, rates.most.value);
    answer.push(
      spread < ALIKE
        ? `Goodput is alike under all of them, ${megabits(rates.least.value)} to ${megabits(rates.most.value)} Mb/s out: what differs is the price.`
        : `Goodput goes from ${megabits(rates.least.value)} Mb/s out (${rates.least.name}) to ${megabits(rates.most.value)} Mb/s (${rates.most.name}).`,
      `The cheapest keeps ${percent(work.least.value)} % of ${cores} busy (${work.least.name}), the dearest ${percent(work.most.value)} % (${work.most.name}). ` +
        `Memory held fast at any time goes from ${decimal(megabytes(pinned.least.value), 1)} MB (${pinned.least.name}) to ${decimal(megabytes(pinned.most.value), 1)} MB (${pinned.most.name}).`,
    );
  }
  const broken = runs
    .filter(({ laws }) => laws.some(({ held }) => !held))
    .map(({ protection }) => protection);
  answer.push(
    broken.length === 0
      ? `All ${first.laws.length} laws of the house, from conservation of frames to the bounds of fairness, held in every run.`
      : `Laws of the house were broken under ${broken.join(', ')}: the figures of those runs are not to be trusted.`,
    'What each approach lets through is another question, which the command attack answers.',
  );
  return answer;
}

/** Goodputs within this fraction of the largest are alike. */
const ALIKE = 0.02;

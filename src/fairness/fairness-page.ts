import { idOf } from '../report/html/markup.js';
import { type PageLink, pageHtml, type ReportPage } from '../report/html/page.js';
import { boundsFigure, capital, delaysFigure, sharesFigure } from './fairness-figures.js';
import { type StudySettings, WINDOWS, type WorkloadFinding } from './fairness-study.js';
import { WEIGHT_CLASSES } from './workload.js';

/** The report of `fairness` as one HTML file. What a decision costs on this host is not in it: it is never the same twice. */
export function fairnessPage(
  settings: StudySettings,
  findings: readonly WorkloadFinding[],
  repeat: string,
  links: readonly PageLink[] = [],
): string {
  return pageHtml({ ...describeStudy(settings, findings, repeat), links });
}

/** What the report says and shows, before it is drawn. */
function describeStudy(
  { contexts, disciplines, workloads, seed, durationNs, linkBps, capturePaths }: StudySettings,
  findings: readonly WorkloadFinding[],
  repeat: string,
): ReportPage {
  const parameters = [
    { name: 'contexts', value: `${contexts}, of weights ${WEIGHT_CLASSES.join(', ')} round-robin` },
    { name: 'disciplines', value: disciplines.join(', ') },
    { name: 'workloads', value: workloads.join(', ') },
    { name: 'link', value: `${linkBps / 1e9} Gb/s` },
    {
      name: 'virtual time',
      value: `${durationNs / 1e6} ms per run, ${WINDOWS} windows, no warm-up is cut; bytes are those of the wire`,
    },
    { name: 'due', value: 'what a fluid link gives that is weighted max-min fair at every instant' },
    { name: 'seed', value: `${seed}` },
    ...(capturePaths.length === 0
      ? []
      : [{ name: 'replayed', value: `${capturePaths.length} captures round-robin` }]),
  ];
  const origin = { repeat, parameters };
  return {
    command: 'fairness',
    title: 'DMA schedulers before the same workloads',
    question:
      'How do disciplines share a link among contexts of different weights, how far apart do they let them drift, and how long do frames wait?',
    setting: `${disciplines.length} disciplines, ${workloads.length} workloads, ${contexts} contexts, ${durationNs / 1e6} ms of virtual time each, seed ${seed}.`,
    answer: answerOf(findings),
    repeat,
    seed,
    sections: [
      { id: 'gaps', title: 'Gaps and bounds', text: [], figures: [boundsFigure(findings)], origin },
      ...findings.map((finding) => ({
        id: `workload-${idOf(finding.workload.name)}`,
        title: capital(finding.workload.name),
        text: [`${capital(finding.workload.meaning)}.`],
        figures: [sharesFigure(finding), delaysFigure(finding)],
        origin,
      })),
    ],
  };
}

function answerOf(findings: readonly WorkloadFinding[]): string[] {
  const rows = findings.flatMap(({ workload, findings: own }) =>
    own.map((finding) => ({ workload: workload.name, finding })),
  );
  const bounded = rows.flatMap(({ workload, finding }) =>
    finding.boundBytes === null || finding.boundBytes === 0
      ? []
      : [{ workload, finding, used: finding.largestGapBytes / finding.boundBytes }],
  );
  const broken = rows.filter(({ finding }) => finding.broken > 0);
  const names = [...new Set(rows.map(({ finding }) => finding.discipline))];
  const fairness = names
    .map((name) => {
      const own = rows.filter(({ finding }) => finding.discipline === name);
      return { name, mean: own.reduce((sum, { finding }) => sum + finding.windowJainIndex, 0) / own.length };
    })
    .toSorted((one, other) => other.mean - one.mean);
  const tightest = bounded.toSorted((one, other) => other.used - one.used)[0];
  const answer: string[] = [];
  if (broken.length > 0) {
    const which = broken.map(({ workload, finding }) => `${finding.discipline} under ${workload}`).join(', ');
    answer.push(`Bounds were broken: ${which}.`);
  } else if (tightest !== undefined) {
    answer.push(
      `Every discipline that promises a bound kept it, in all ${bounded.length} runs with one; nearest came ${tightest.finding.discipline} under ${tightest.workload}, with ${(tightest.used * 100).toFixed(0)} % of its bound.`,
    );
  } else {
    answer.push('None of the disciplines here promises a bound.');
  }
  const [best] = fairness;
  const worst = fairness.at(-1);
  if (best !== undefined && worst !== undefined && best !== worst) {
    answer.push(
      `On average over windows and workloads fairest was ${best.name}, with ${best.mean.toFixed(3)} for Jain’s index of what contexts got of their due, and least fair ${worst.name}, with ${worst.mean.toFixed(3)}.`,
    );
  }
  return answer;
}

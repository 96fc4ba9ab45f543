import { jsonDocument } from '../report/json-document.js';
import type { DisciplineFinding, FindingCurves, StudySettings, WorkloadFinding } from './fairness-study.js';
import { shareOf } from './workload.js';

/**
 * The study as a JSON document. Everything but `hostDependent` is the same on every machine; what a decision
 * costs (ns, by workload and discipline) is of the machine that it was measured on.
 */
export function fairnessDocument(
  settings: StudySettings,
  findings: readonly WorkloadFinding[],
  repeat: string,
): string {
  const { contexts, linkBps, durationNs, seed } = settings;
  return jsonDocument('fairness', {
    repeat,
    seed,
    contexts,
    linkBps,
    durationNs,
    weights: Array.from({ length: contexts }, (_, context) => shareOf(context).weight),
    workloads: findings.map(({ workload: { name, meaning }, findings: rows }) => ({
      name,
      meaning,
      disciplines: rows.map(tableRow),
    })),
    hostDependent: {
      decisionNs: Object.fromEntries(
        findings.map(({ workload, findings: rows }) => [
          workload.name,
          Object.fromEntries(rows.map(({ discipline, decisionNs }) => [discipline, Math.round(decisionNs)])),
        ]),
      ),
    },
  });
}

function tableRow(finding: DisciplineFinding & FindingCurves): DisciplineFinding {
  const { sentBytes: _sent, delayPercentilesNs: _delays, decisionNs: _cost, ...row } = finding;
  return row;
}

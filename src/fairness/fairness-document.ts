import { contextId } from '../../scheduler/branded.js';
import { type DocumentHead, jsonDocument } from '../report/json-document.js';
import type { DisciplineFinding, FindingCurves, StudySettings, WorkloadFinding } from './fairness-study.js';
import { shareOf } from './workload.js';

/** The document as it is printed; scenarios/fairness-document.schema.json is made from this type. */
export interface FairnessDocumentJson extends DocumentHead<'fairness'> {
  /** The command line that gives the same again. */
  readonly repeat: string;
  readonly seed: number;
  readonly contexts: number;
  /** Rate of the link that the contexts share, bits per second. */
  readonly linkBps: number;
  /** Virtual time of each run, ns. */
  readonly durationNs: number;
  /** Weight of each context. */
  readonly weights: readonly number[];
  readonly workloads: readonly {
    readonly name: string;
    readonly meaning: string;
    readonly disciplines: readonly DisciplineFinding[];
  }[];
  /** All that depends on the machine that it was measured on. */
  readonly hostDependent: {
    /** Time of a scheduling decision, ns, by workload and discipline. */
    readonly decisionNs: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}

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
    weights: Array.from({ length: contexts }, (_, context) => shareOf(contextId(context)).weight),
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

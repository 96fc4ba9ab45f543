import { ATTACKS, type Attack, type StageOptions } from '../../guests/hostile/index.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { AttackLab } from './attack-lab.js';
import type { Service } from './observation.js';
import { type Evidence, judge, notApplicable, type Verdict } from './verdict.js';

/** One attack on one approach, and its verdict. */
export interface Cell {
  readonly attack: string;
  readonly approach: string;
  readonly verdict: Verdict;
  readonly evidence: Evidence;
}

/** An approach under attack: one of the catalogue, or one of the user's own. */
export interface AttackedApproach {
  readonly name: string;
  /** Fresh for each machine. */
  readonly make: () => ProtectionPlan;
}

/** An approach as tables name it. */
export type NamedApproach = Pick<AttackedApproach, 'name'>;

/** What was attacked with what, as pages name it. */
export interface MatrixHeading {
  readonly attacks: readonly Attack[];
  readonly approaches: readonly NamedApproach[];
  readonly seed: number;
}

/** What is attacked with what. */
export interface MatrixRequest {
  readonly attacks: readonly Attack[];
  readonly approaches: readonly AttackedApproach[];
  readonly seed: number;
}

/** Everything that there is. */
export const WHOLE_MATRIX: MatrixRequest = { attacks: ATTACKS, approaches: APPROACHES, seed: 1 };

/**
 * Plays every attack on every approach, each on a fresh machine, one cell at a time, so that its caller can draw
 * progress or stop. Same request, same cells.
 */
export function* playMatrix({ attacks, approaches, seed }: MatrixRequest): Generator<Cell> {
  for (const approach of approaches) {
    const quiet = new Map<string, Service>();
    for (const attack of attacks) {
      const stage = attack.stage ?? {};
      const key = JSON.stringify(stage);
      const known = quiet.get(key) ?? leftAlone(approach, stage, seed);
      quiet.set(key, known);
      const outcome = new AttackLab(approach.make(), stage, seed).play(attack);
      const judgement =
        'notApplicable' in outcome ? notApplicable(outcome.notApplicable) : judge(outcome, known);
      yield { attack: attack.name, approach: approach.name, ...judgement };
    }
  }
}

/** The service of the same machine without an attack. */
function leftAlone(approach: AttackedApproach, stage: StageOptions, seed: number): Service {
  const outcome = new AttackLab(approach.make(), stage, seed).play(undefined);
  if ('notApplicable' in outcome)
    throw new InvariantViolation('a run without an attack has nothing that may be missing');
  return outcome.service;
}

import { ATTACKS } from '../../guests/hostile/index.js';
import { APPROACHES } from '../../host/protection/approaches.js';
import { type Cell, playMatrix } from '../attack/matrix.js';

/** Attacks on one approach, all by name. */
export interface AttackTask {
  readonly attacks: readonly string[];
  readonly approach: string;
  readonly seed: number;
}

/** Plays attacks against one approach; cells are in the order of the list of attacks. */
export function playAttacks({ attacks, approach, seed }: AttackTask): Cell[] {
  return [
    ...playMatrix({
      attacks: ATTACKS.filter(({ name }) => attacks.includes(name)),
      approaches: APPROACHES.filter(({ name }) => name === approach),
      seed,
    }),
  ];
}

import { ATTACKS } from '../../guests/hostile/index.js';
import { type Cell, playMatrix } from '../attack/matrix.js';
import { type ModuleName, OwnModules } from '../scenario/own-modules.js';
import { type Refusable, refusable } from './refusable.js';

/** Attacks on one approach, all by name. Plain data. */
export interface AttackTask {
  readonly attacks: readonly string[];
  /** A name of the catalogue, or the path of a module. */
  readonly approach: string;
  /** How the cells call it. */
  readonly shownAs: string;
  readonly moduleNames: readonly ModuleName[];
  readonly seed: number;
}

/** Plays attacks against one approach; cells are in the order of the list of attacks. */
export function playAttacks(task: AttackTask): Promise<Refusable<Cell[]>> {
  return refusable(() => play(task));
}

async function play({ attacks, approach, shownAs, moduleNames, seed }: AttackTask): Promise<Cell[]> {
  const modules = await OwnModules.load(
    moduleNames.filter(({ kind, name }) => kind === 'protection' && name === approach),
    true,
  );
  return modules.under(approach, () => [
    ...playMatrix({
      attacks: ATTACKS.filter(({ name }) => attacks.includes(name)),
      approaches: [{ name: shownAs, make: () => modules.protection(approach) }],
      seed,
    }),
  ]);
}

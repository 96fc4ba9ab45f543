import { ATTACKS } from '../../guests/hostile/index.js';
import type { Cell } from './matrix.js';

/** What one approach lets through, of what was played. Attacks that do not apply to it are not counted. */
export interface LetThrough {
  readonly approach: string;
  readonly byGuests: number;
  readonly ofGuests: number;
  readonly byCards: number;
  readonly ofCards: number;
  readonly through: number;
  readonly of: number;
  /** Names of the attacks that get through. */
  readonly attacks: readonly string[];
}

/** Counts the cells of one approach. */
export function letThrough(approach: string, cells: readonly Cell[]): LetThrough {
  const played = cells.filter((cell) => cell.approach === approach && cell.verdict !== 'not-applicable');
  const through = played.filter(({ verdict }) => verdict === 'succeeded');
  const by = (kind: string, of: readonly Cell[]) =>
    of.filter(({ attack }) => ATTACKS.find(({ name }) => name === attack)?.by === kind).length;
  return {
    approach,
    byGuests: by('guest', through),
    ofGuests: by('guest', played),
    byCards: by('card', through),
    ofCards: by('card', played),
    through: through.length,
    of: played.length,
    attacks: through.map(({ attack }) => attack),
  };
}

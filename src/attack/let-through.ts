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

/** How many of all attacks do not apply to an approach, or were not played on it. */
export function inapplicable({ of }: LetThrough): number {
  return Math.max(0, ATTACKS.length - of);
}

/** Which counts are out of fewer than all attacks, and why. */
export function inapplicableText(throughs: readonly LetThrough[], all = ATTACKS.length): string {
  const byCount = new Map<number, string[]>();
  for (const { approach, of } of throughs) {
    if (of < all) byCount.set(all - of, [...(byCount.get(all - of) ?? []), approach]);
  }
  if (byCount.size === 0) return `All ${all} attacks apply to each.`;
  const parts = [...byCount].sort(([one], [other]) => other - one);
  return `Attacks that do not apply to an approach are in no count: of ${all}, ${parts.map(([count, names]) => `${count} under ${names.join(', ')}`).join('; ')}.`;
}

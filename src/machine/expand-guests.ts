import { ScenarioError } from '../scenario/scenario-error.js';
import type { GuestSpec } from '../scenario/schema.js';

/** A guest of the scenario, with the name that it is known by. */
export interface NamedSpec {
  readonly name: string;
  readonly spec: GuestSpec;
}

/** Guests one by one, with their names. @throws ScenarioError when two have the same. */
export function expandGuests(specs: readonly GuestSpec[]): NamedSpec[] {
  const expanded: { name: string; spec: GuestSpec }[] = [];
  for (const spec of specs) {
    for (let copy = 0; copy < spec.count; copy += 1) {
      const base = spec.name ?? `guest${expanded.length}`;
      expanded.push({ name: spec.count > 1 && spec.name !== undefined ? `${base}${copy}` : base, spec });
    }
  }
  const names = new Set<string>();
  for (const { name } of expanded) {
    if (names.has(name)) throw new ScenarioError(`guests: two are named "${name}", expected a name for each`);
    names.add(name);
  }
  return expanded;
}

/** Each entry of `guests` in a message: by the name of its guest, or of its group, or by the names of those in it. */
export function entryNames(specs: readonly GuestSpec[]): string[] {
  let first = 0;
  return specs.map(({ name, count }) => {
    const ownName = count > 1 ? `guest${first} to guest${first + count - 1}` : `guest${first}`;
    first += count;
    return name ?? ownName;
  });
}

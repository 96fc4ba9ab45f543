/** Count of a kind in a map: 0 for one that has not been seen. */
export function countOf<Kind>(counts: ReadonlyMap<Kind, number>, kind: Kind): number {
  return counts.get(kind) ?? 0;
}

/** Counts one more of a kind in a map: a kind that has not been seen yet has count 0. */
export function tally<Kind>(counts: Map<Kind, number>, kind: Kind, by = 1): void {
  counts.set(kind, countOf(counts, kind) + by);
}

/** The same for a record or a list, in which a kind that has not been seen yet is absent. */
export function tallyIn<Kind extends PropertyKey>(
  counts: { [kind in Kind]?: number | undefined },
  kind: Kind,
  by = 1,
): void {
  // 0: the kind has not been seen yet.
  counts[kind] = (counts[kind] ?? 0) + by;
}

/** All of what is counted by name. */
export function total(counts: Readonly<Partial<Record<string, number>>>): number {
  let sum = 0;
  for (const count of Object.values(counts)) if (count !== undefined) sum += count;
  return sum;
}

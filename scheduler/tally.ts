/** Counts one more of a kind in a map: a kind that has not been seen yet has count 0. */
export function tally<Kind>(counts: Map<Kind, number>, kind: Kind, by = 1): void {
  counts.set(kind, (counts.get(kind) ?? 0) + by);
}

/** The same for a record or a list, in which a kind that has not been seen yet is absent. */
export function tallyIn<Kind extends PropertyKey>(
  counts: { [kind in Kind]?: number | undefined },
  kind: Kind,
  by = 1,
): void {
  counts[kind] = (counts[kind] ?? 0) + by;
}

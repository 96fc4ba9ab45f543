/**
 * The brute-force model of a set of tables: every entry as the range of addresses that it covers. It knows nothing
 * of indices, so it cannot make a walker's mistakes.
 */
export interface Region {
  readonly start: bigint;
  readonly end: bigint;
  readonly level: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly kind: 'page' | 'table' | 'reserved';
  readonly physical: bigint;
  readonly pageBits: number;
}

export type Expected =
  | {
      readonly ok: true;
      readonly physical: bigint;
      readonly pageBits: number;
      readonly read: boolean;
      readonly write: boolean;
    }
  | { readonly ok: false; readonly why: 'permission' | 'reserved' | 'absent' };

/** What a request at `iova` must meet, by looking at every region there is. */
export function expectAt(regions: readonly Region[], iova: bigint, write: boolean): Expected {
  const covering = regions.filter((region) => iova >= region.start && iova < region.end);
  covering.sort((a, b) => b.level - a.level);
  let read = true;
  let mayWrite = true;
  for (const region of covering) {
    if (!(write ? region.write : region.read)) return { ok: false, why: 'permission' };
    if (region.kind === 'reserved') return { ok: false, why: 'reserved' };
    read &&= region.read;
    mayWrite &&= region.write;
    if (region.kind === 'page') {
      return { ok: true, physical: region.physical, pageBits: region.pageBits, read, write: mayWrite };
    }
  }
  return { ok: false, why: 'absent' };
}

/** Addresses worth asking about: both ends of every region and their neighbours, and the middle. */
export function probes(regions: readonly Region[], limit: bigint): bigint[] {
  const found = new Set<bigint>([0n, limit - 1n]);
  for (const { start, end } of regions) {
    for (const address of [start - 1n, start, start + 4096n, (start + end) / 2n, end - 1n, end]) {
      if (address >= 0n && address < limit) found.add(address);
    }
  }
  return [...found];
}

/** An outcome as one line, so that a property compares strings and only builds a message for a difference. */
export function outcomeText(
  iova: bigint,
  write: boolean,
  outcome:
    | { physical: bigint | number; pageBits: number; read: boolean; write: boolean }
    | { reason: number; flags: number },
): string {
  const request = `${write ? 'write' : 'read'} 0x${iova.toString(16)}`;
  if ('reason' in outcome) return `${request}: fault ${outcome.reason} flags ${outcome.flags}`;
  const { physical, pageBits, read, write: mayWrite } = outcome;
  return `${request}: 0x${physical.toString(16)} 2^${pageBits} ${read} ${mayWrite}`;
}

export type NaiveReplacement = 'lru' | 'fifo';

/** A set-associative cache of strings, as a list a set: the victim is always the first of its list. */
export class NaiveCache {
  readonly ways: number;
  readonly replacement: NaiveReplacement;
  readonly #sets: string[][];

  constructor(entries: number, ways: number, replacement: NaiveReplacement) {
    this.ways = ways;
    this.replacement = replacement;
    this.#sets = Array.from({ length: entries / ways }, () => []);
  }

  has(domain: number, bits: number, page: number): boolean {
    const set = this.#set(page);
    const tag = `${domain}/${bits}/${page}`;
    const index = set.indexOf(tag);
    if (index >= 0 && this.replacement === 'lru') set.push(...set.splice(index, 1));
    return index >= 0;
  }

  add(domain: number, bits: number, page: number): void {
    if (this.has(domain, bits, page)) return;
    const set = this.#set(page);
    if (set.length === this.ways) set.shift();
    set.push(`${domain}/${bits}/${page}`);
  }

  drop(named: (domain: number, bits: number, page: number) => boolean): void {
    for (const set of this.#sets) {
      const kept = set.filter((tag) => {
        const [domain = 0, bits = 0, page = 0] = tag.split('/').map(Number);
        return !named(domain, bits, page);
      });
      set.splice(0, set.length, ...kept);
    }
  }

  get size(): number {
    return this.#sets.reduce((sum, set) => sum + set.length, 0);
  }

  #set(page: number): string[] {
    const set = this.#sets[page % this.#sets.length];
    if (set === undefined) throw new Error('no such set');
    return set;
  }
}

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { either, runs } from '../support/whole.js';

/** Time of a law, and of that what its runs and the shrinking of a counterexample may take: an interrupted law has too few runs. */
const LAW_MS = either(900_000, 120_000);
const RUNS_MS = LAW_MS - 20_000;

interface Entry {
  readonly wanted: number;
  runs: number;
  substantial: number;
}

/**
 * Laws as properties, and a count of what was really run: a fairness test that never runs, or one whose
 * scenarios never share a wire, passes for ever and says nothing.
 */
export class LawBook {
  readonly #name: string;
  readonly #entries = new Map<string, Entry>();

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * A law over random runs. The predicate calls `substance` once it has seen what the law is about (two
   * contexts backlogged together, a fault, ...); at least half of the runs must.
   */
  law<T>(
    name: string,
    arbitrary: fc.Arbitrary<T>,
    wholeRuns: number,
    predicate: (value: T, substance: () => void) => void,
  ): void {
    const numRuns = runs(wholeRuns);
    this.note(name, numRuns);
    test(name, { timeout: LAW_MS }, () => {
      fc.assert(
        fc.property(arbitrary, (value) => {
          let substantial = false;
          predicate(value, () => {
            substantial = true;
          });
          this.ran(name, substantial);
        }),
        // A counterexample is shrunk for as long as there is time, and told all the same.
        { numRuns, interruptAfterTimeLimit: RUNS_MS },
      );
    });
  }

  /** A law that is to run so often. */
  note(name: string, wanted: number): void {
    this.#entries.set(name, { wanted, runs: 0, substantial: 0 });
  }

  /** It has run once; `substantial` if it could have been broken. */
  ran(name: string, substantial: boolean): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new Error(`no law is called "${name}"`);
    entry.runs += 1;
    if (substantial) entry.substantial += 1;
  }

  /** Comes last: each law has run as often as it should, and on runs that could have broken it. */
  close(): void {
    test(`the laws of ${this.#name} have been put to the test`, () => {
      this.check();
      const runs = [...this.#entries.values()].reduce((sum, entry) => sum + entry.runs, 0);
      process.stdout.write(`laws of ${this.#name}: ${this.#entries.size} properties, ${runs} runs\n`);
    });
  }

  /** @throws when a law did not run, or only on runs that say nothing. */
  check(): void {
    expect(this.#entries.size, `laws of ${this.#name}`).toBeGreaterThan(0);
    for (const [name, { wanted, runs, substantial }] of this.#entries) {
      expect(runs, `runs of "${name}"`).toBeGreaterThanOrEqual(wanted);
      expect(substantial, `runs of "${name}" that could have broken it`).toBeGreaterThanOrEqual(wanted / 2);
    }
  }
}

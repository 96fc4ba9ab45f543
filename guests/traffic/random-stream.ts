import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { mix32 } from './mix32.js';

const WARM_UP_DRAWS = 8;

/** A stream of random numbers of its own. Same seed, same numbers, on every machine. */
export class RandomStream {
  readonly #generator: RandomGenerator;

  /** @param seed any whole number; its low 32 bits count. */
  constructor(seed: number) {
    // Seeds come as 1, 2, 3; without mixing and a few draws the first numbers of such neighbours are alike.
    this.#generator = xoroshiro128plus(mix32(seed));
    for (let draw = 0; draw < WARM_UP_DRAWS; draw += 1) this.#generator.next();
  }

  /** A number above 0, up to and including 1, in steps of 2^-53: what an inverse transform may take the logarithm of. */
  unit(): number {
    const high = this.#generator.next() >>> 5;
    const low = this.#generator.next() >>> 6;
    return (high * 2 ** 26 + low + 1) / 2 ** 53;
  }

  /** A whole number from 0 to `bound` - 1, each equally likely. */
  below(bound: number): number {
    return uniformInt(this.#generator, 0, bound - 1);
  }
}

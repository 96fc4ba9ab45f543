/** A fraction of whole numbers without limits, always reduced, with a positive denominator. */
export class Rational {
  static readonly ZERO = new Rational(0n, 1n);
  readonly #above: bigint;
  readonly #below: bigint;

  private constructor(above: bigint, below: bigint) {
    this.#above = above;
    this.#below = below;
  }

  static of(above: number | bigint, below: number | bigint = 1n): Rational {
    let [a, b] = [BigInt(above), BigInt(below)];
    while (b !== 0n) [a, b] = [b, a % b];
    const divisor = a < 0n === BigInt(below) < 0n ? a : -a;
    return new Rational(BigInt(above) / divisor, BigInt(below) / divisor);
  }

  plus(other: Rational): Rational {
    return Rational.of(this.#above * other.#below + other.#above * this.#below, this.#below * other.#below);
  }

  minus(other: Rational): Rational {
    return Rational.of(this.#above * other.#below - other.#above * this.#below, this.#below * other.#below);
  }

  times(above: number | bigint, below: number | bigint = 1n): Rational {
    return Rational.of(this.#above * BigInt(above), this.#below * BigInt(below));
  }

  /** Below, at or above 0 as this is less than, equal to or more than the other. */
  compare(other: Rational): number {
    const difference = this.#above * other.#below - other.#above * this.#below;
    return difference < 0n ? -1 : Number(difference > 0n);
  }

  isBefore(other: Rational): boolean {
    return this.compare(other) < 0;
  }

  /** Largest multiple of 1/parts that is not above this. */
  floor(parts: number | bigint = 1n): Rational {
    const scaled = this.#above * BigInt(parts);
    const whole = scaled / this.#below;
    return Rational.of(scaled < 0n && whole * this.#below !== scaled ? whole - 1n : whole, parts);
  }

  /** Smallest multiple of 1/parts that is not below this. */
  ceil(parts: number | bigint = 1n): Rational {
    return Rational.ZERO.minus(Rational.ZERO.minus(this).floor(parts));
  }

  toString(): string {
    return `${this.#above}/${this.#below}`;
  }
}

/** The larger of two. */
export function larger(left: Rational, right: Rational): Rational {
  return left.isBefore(right) ? right : left;
}

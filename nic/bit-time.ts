const BILLION = 1_000_000_000n;

/**
 * A time that a port counts in bits of its wire, as pauses are (IEEE 802.3, annex 31B: units of 512 bit times). Where the
 * wire gets another rate, what is left of it takes longer or shorter: the bits that have passed are counted exactly.
 */
export class BitTime {
  /** Bits that were still to pass at `#countedNs`, in billionths. */
  #owed = 0n;
  #countedNs = 0;

  /** So many bits are to pass from now on. */
  begin(bits: number, nowNs: number): void {
    this.#owed = BigInt(bits) * BILLION;
    this.#countedNs = nowNs;
  }

  /** The wire had one rate until now, and has another. Returns how long the rest takes, ns rounded up; 0 when it is over. */
  changeRate(earlierBps: number, rateBps: number, nowNs: number): number {
    const owed = this.#owed - BigInt(nowNs - this.#countedNs) * BigInt(earlierBps);
    this.#owed = owed > 0n ? owed : 0n;
    this.#countedNs = nowNs;
    const rate = BigInt(rateBps);
    return Number((this.#owed + rate - 1n) / rate);
  }
}

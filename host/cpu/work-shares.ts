import { absent } from '../../scheduler/present.js';

const INITIAL = 64;

/**
 * Whose time one unit of work was, in the order in which it was spent: a guest's, the hypervisor's during a hypercall,
 * the guest's again. Each share is a whole number of ns, and together they are what the core was busy for.
 */
export class WorkShares {
  #account: Int32Array = new Int32Array(INITIAL);
  // Where each share begins: while the unit runs in cycles, afterwards in whole ns.
  #begin: Float64Array = new Float64Array(INITIAL);
  #count = 0;
  #current = -1;
  #wholeNs = 0;
  readonly #nsPerCycle: number;
  /** What was left of a ns when the last unit ended: the next one begins with it. */
  #carryNs = 0;
  /** How far the unit that runs has come, cycles, a fraction once an account has waited. Here, so that it is no argument. */
  elapsedCycles = 0;

  constructor(nsPerCycle: number) {
    this.#nsPerCycle = nsPerCycle;
  }

  /** The shares of the unit that ended last: an account, and from when to when, ns after the unit began. */
  each(visit: (account: number, beginNs: number, endNs: number) => void): void {
    for (let share = 0; share < this.#count; share += 1) {
      const endNs = share + 1 < this.#count ? (this.#begin[share + 1] ?? absent()) : this.#wholeNs;
      visit(this.#account[share] ?? absent(), this.#begin[share] ?? absent(), endNs);
    }
  }

  /** The account that spends time now. */
  get current(): number {
    return this.#current;
  }

  /** A unit of work of an account begins. */
  begin(account: number): void {
    this.#count = 1;
    this.#current = account;
    this.elapsedCycles = 0;
    this.#account[0] = account;
    this.#begin[0] = 0;
  }

  /** Time spent from now on is charged to this account. */
  charge(account: number): void {
    if (account === this.#current) return;
    this.#current = account;
    if (this.#count === this.#account.length) this.#grow();
    this.#account[this.#count] = account;
    this.#begin[this.#count] = this.elapsedCycles;
    this.#count += 1;
  }

  /**
   * The unit has ended: adds each share to `accountNs`. Returns its time, whole ns; the fraction is carried on. Times with a
   * fraction stay here: as arguments they would be allocated.
   */
  end(accountNs: number[]): number {
    const busyNs = this.elapsedCycles * this.#nsPerCycle + this.#carryNs;
    const wholeNs = Math.floor(busyNs);
    this.#wholeNs = wholeNs;
    let endNs = wholeNs;
    for (let share = this.#count - 1; share >= 0; share -= 1) {
      const beginNs = share === 0 ? 0 : this.#wholeNsAt(share, endNs);
      this.#begin[share] = beginNs;
      const account = this.#account[share] ?? absent();
      accountNs[account] = (accountNs[account] ?? absent()) + endNs - beginNs;
      endNs = beginNs;
    }
    this.#carryNs = busyNs - wholeNs;
    return wholeNs;
  }

  /** The core has nothing to do: what was left of a ns is idle time. */
  rest(): void {
    this.#carryNs = 0;
  }

  /** How much of the last `ns` of the unit is of this account, ns. */
  lastNs(account: number, ns: number): number {
    const fromNs = this.#wholeNs - ns;
    let sum = 0;
    let endNs = this.#wholeNs;
    for (let share = this.#count - 1; share >= 0 && endNs > fromNs; share -= 1) {
      const beginNs = this.#begin[share] ?? absent();
      if (this.#account[share] === account) sum += endNs - Math.max(beginNs, fromNs);
      endNs = beginNs;
    }
    return sum;
  }

  /** The whole ns at which a share of the unit that ends begins. */
  #wholeNsAt(share: number, mostNs: number): number {
    return Math.min(mostNs, Math.floor((this.#begin[share] ?? absent()) * this.#nsPerCycle + this.#carryNs));
  }

  #grow(): void {
    const account = new Int32Array(this.#account.length * 2);
    const begin = new Float64Array(this.#begin.length * 2);
    account.set(this.#account);
    begin.set(this.#begin);
    this.#account = account;
    this.#begin = begin;
  }
}

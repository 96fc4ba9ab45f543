import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import type { FluidLink, FluidShare } from './fluid-link.js';
import { maxMinFair } from './max-min-fair.js';

/** A backlog below this is what rounding left, bytes. */
const NOTHING_BYTES = 1e-6;

/** A node between the link and the queues: what its children have together. */
export interface FluidTenant {
  readonly share: FluidShare;
  /** Place of its parent in the list of tenants; a child of the link when absent. */
  readonly parent?: number;
}

/** A queue, and where it hangs. */
export interface FluidMember {
  readonly share: FluidShare;
  /** Place of its tenant in the list; a child of the link when absent. */
  readonly tenant?: number;
}

interface Node {
  share: FluidShare;
  readonly children: number[];
  /** Bytes that wait; 0 for a tenant. */
  backlog: number;
  isPaused: boolean;
  served: number;
  /** What it may have at most and what it has now, bytes per ns. */
  cap: number;
  rate: number;
}

/**
 * What each queue of a hierarchy is due: hierarchical generalised processor sharing (Bennett and Zhang, "Hierarchical
 * Packet Fair Queueing Algorithms", SIGCOMM 1996, section 2), with what a share may say besides its weight. At every
 * instant each node divides what it has among its children that have work:
 *
 * - a smaller `priority` has all that it can use before a larger one has anything;
 * - among equals, weighted max-min: none gets more than its `limitBps`, none less than its `minimumBps` while the node
 *   has it to give, and the rest by weight.
 *
 * Rates are computed anew, in O(n), when a queue begins or ends; between two such instants service is linear in time.
 * Of a limit only the rate counts: its burst is an addend that a window of milliseconds does not see. A link whose
 * queues differ in weight alone is `FluidReference`, which is faster.
 */
export class FluidHierarchy implements FluidLink {
  /** Queues first, then tenants, then the link. */
  readonly #nodes: Node[];
  readonly #members: number;
  #bytesPerNs: number;
  #nowNs = 0;
  #isStale = true;

  constructor(members: readonly FluidMember[], tenants: readonly FluidTenant[], linkBps: number) {
    this.#members = members.length;
    this.#bytesPerNs = linkBps / 8e9;
    const node = (share: FluidShare): Node => ({
      share,
      children: [],
      backlog: 0,
      isPaused: false,
      served: 0,
      cap: 0,
      rate: 0,
    });
    const link = node({ weight: 1 });
    this.#nodes = [...members, ...tenants].map(({ share }) => node(share));
    this.#nodes.push(link);
    const parentOf = (tenant: number | undefined) =>
      tenant === undefined ? link : this.#at(members.length + tenant);
    for (const [number, { tenant }] of members.entries()) parentOf(tenant).children.push(number);
    for (const [number, { parent }] of tenants.entries())
      parentOf(parent).children.push(members.length + number);
  }

  arrived(member: number, bytes: number, nowNs: number, queueBytes = Number.POSITIVE_INFINITY): void {
    this.advance(nowNs);
    const node = this.#at(member);
    if (node.backlog === 0) this.#isStale = true;
    else if (node.backlog + bytes > queueBytes) return;
    node.backlog += bytes;
  }

  wants(member: number, nowNs: number): void {
    this.advance(nowNs);
    const node = this.#at(member);
    if (node.backlog === 0) this.#isStale = true;
    node.backlog = Number.POSITIVE_INFINITY;
  }

  withdraw(member: number, nowNs: number): void {
    this.advance(nowNs);
    this.#at(member).backlog = 0;
    this.#isStale = true;
  }

  pause(member: number, nowNs: number): void {
    this.#setPaused(member, true, nowNs);
  }

  resume(member: number, nowNs: number): void {
    this.#setPaused(member, false, nowNs);
  }

  change(member: number, change: Partial<FluidShare>, nowNs: number): void {
    this.advance(nowNs);
    const node = this.#at(member);
    node.share = { ...node.share, ...change };
    this.#isStale = true;
  }

  changeRate(linkBps: number, nowNs: number): void {
    this.advance(nowNs);
    this.#bytesPerNs = linkBps / 8e9;
    this.#isStale = true;
  }

  wantsAll(member: number): boolean {
    return this.#at(member).backlog === Number.POSITIVE_INFINITY;
  }

  advance(toNs: number): void {
    while (this.#nowNs < toNs) {
      if (this.#isStale) this.#divide();
      let stepNs = toNs - this.#nowNs;
      for (let member = 0; member < this.#members; member += 1) {
        const { backlog, rate } = this.#at(member);
        if (rate > 0) stepNs = Math.min(stepNs, backlog / rate);
      }
      for (let member = 0; member < this.#members; member += 1) {
        const node = this.#at(member);
        if (node.rate === 0) continue;
        const bytes = node.rate * stepNs;
        node.served += bytes;
        node.backlog -= bytes;
        if (node.backlog > NOTHING_BYTES) continue;
        node.backlog = 0;
        this.#isStale = true;
      }
      this.#nowNs += stepNs;
    }
  }

  served(): Float64Array {
    return Float64Array.from({ length: this.#members }, (_, member) => this.#at(member).served);
  }

  checkInvariants(): void {
    if (this.#isStale) return;
    let rate = 0;
    for (let member = 0; member < this.#members; member += 1) {
      const node = this.#at(member);
      rate += node.rate;
      if (node.backlog < 0 || (node.backlog === 0 && node.rate > 0))
        throw new InvariantViolation(`queue ${member} of the fluid hierarchy is served and has nothing`);
    }
    if (rate > this.#bytesPerNs * (1 + 1e-9))
      throw new InvariantViolation(
        `the fluid hierarchy serves ${rate} bytes per ns, expected at most ${this.#bytesPerNs}`,
      );
  }

  #setPaused(member: number, isPaused: boolean, nowNs: number): void {
    this.advance(nowNs);
    this.#at(member).isPaused = isPaused;
    this.#isStale = true;
  }

  #at(number: number): Node {
    return present(this.#nodes[number]);
  }

  #divide(): void {
    const link = this.#nodes.length - 1;
    this.#bound(link);
    this.#give(link, this.#bytesPerNs);
    this.#isStale = false;
  }

  /** From the queues up: what each could have at most. Nothing for one that has no work, or may not do it. */
  #bound(number: number): number {
    const node = this.#at(number);
    const own = (node.share.limitBps ?? Number.POSITIVE_INFINITY) / 8e9;
    const wanted =
      number < this.#members
        ? node.backlog > 0 && !node.isPaused
          ? Number.POSITIVE_INFINITY
          : 0
        : node.children.reduce((sum, child) => sum + this.#bound(child), 0);
    node.cap = wanted === 0 ? 0 : Math.min(own, wanted);
    return node.cap;
  }

  /** From the link down: what each has. */
  #give(number: number, rate: number): void {
    const node = this.#at(number);
    node.rate = Math.min(rate, node.cap);
    let left = node.rate;
    const priorities = new Set(node.children.map((child) => this.#at(child).share.priority ?? 0));
    for (const priority of [...priorities].sort((i, j) => i - j)) {
      const equals = node.children.filter((child) => (this.#at(child).share.priority ?? 0) === priority);
      const given = divide(
        equals.map((child) => this.#at(child)),
        left,
      );
      for (const [index, child] of equals.entries()) {
        const rateOfChild = present(given[index]);
        this.#give(child, rateOfChild);
        left -= rateOfChild;
      }
      left = Math.max(0, left);
    }
  }
}

/** Weighted max-min with a floor for each: one whose part by weight is below its floor has the floor. */
function divide(nodes: readonly Node[], rate: number): number[] {
  const floors = nodes.map(({ share, cap }) => Math.min(cap, (share.minimumBps ?? 0) / 8e9));
  const promised = floors.reduce((sum, floor) => sum + floor, 0);
  if (promised >= rate) return floors.map((floor) => (promised === 0 ? 0 : (floor * rate) / promised));
  const weights = nodes.map(({ share }) => share.weight);
  const isHeld = nodes.map(() => false);
  for (;;) {
    const left = floors.reduce((sum, floor, index) => sum - (isHeld[index] === true ? floor : 0), rate);
    const caps = nodes.map(({ cap }, index) => (isHeld[index] === true ? 0 : cap));
    const given = maxMinFair(caps, weights, left);
    const below = given.findIndex(
      (part, index) => isHeld[index] === false && part < present(floors[index]) * (1 - 1e-12),
    );
    if (below < 0)
      return given.map((part, index) => (isHeld[index] === true ? present(floors[index]) : part));
    isHeld[below] = true;
  }
}

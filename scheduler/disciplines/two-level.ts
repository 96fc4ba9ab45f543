import { type ContextId, storedContextId } from '../branded.js';
import { type Discipline, NONE, type Share } from '../discipline.js';
import { InvariantViolation, ParameterError } from '../errors.js';
import { present } from '../present.js';
import { ContextList } from './context-list.js';
import { Roster } from './roster.js';
import { capacityFor, widened } from './widened.js';

/** Number of a tenant. The outer discipline takes tenants for its contexts. */
type TenantId = ContextId;

/** Options of a TwoLevel. */
export interface TwoLevelOptions {
  /** Decides between tenants; made for it alone. */
  readonly outer: Discipline;
  /** Makes the discipline that decides between the contexts of one tenant. */
  readonly makeInner: () => Discipline;
  /** The tenant of a context with this share, a whole number >= 0. @defaultValue `share.tenant`, or 0 */
  readonly tenantOf?: (share: Share) => number;
  /** What a tenant is entitled to, asked when its first context joins. @defaultValue a weight of 1 each */
  readonly tenantShare?: (tenant: number, firstContext: Share) => Share;
}

/**
 * Two levels of a hierarchy: tenants share the link, contexts share what their tenant receives. J. Bennett and H. Zhang,
 * "Hierarchical Packet Fair Queueing Algorithms", SIGCOMM 1996: each node offers its parent one frame, a
 * logical head of line, and chooses the next when that has been served. An offer is final: a frame that arrives
 * later does not overtake it, however urgent. An urgent frame may thus wait for one frame of its own tenant; in
 * return the outer discipline is never told one length and charged another.
 *
 * - Complexity: that of the outer discipline plus that of the inner one.
 * - Fairness: between tenants the outer discipline's bound over tenants; within a tenant the inner one's bound.
 *   Between contexts of different tenants none is stated (`relativeFairnessBoundBytes` is told no tenants).
 * - Delay: the delays of both levels add up (shown there for WF2Q+ at both).
 *
 * A tenant joins with its first context and leaves with its last. With a TwoLevel as the inner discipline the hierarchy
 * has three levels, and so on.
 */
export class TwoLevel implements Discipline {
  readonly name: string;
  readonly pause?: (context: ContextId, nowNs: number) => void;
  readonly linkRateChanged?: (linkBps: number, nowNs: number) => void;
  readonly #outer: Discipline;
  readonly #makeInner: () => Discipline;
  readonly #tenantOfShare: (share: Share) => number;
  readonly #tenantShare: (tenant: number, firstContext: Share) => Share;
  readonly #roster: Roster;
  readonly #inner: (Discipline | undefined)[] = [];
  #tenantOf: Int32Array = new Int32Array(64);
  /** Members, waiting and paused contexts of a tenant, and the context that it offers. */
  #members: Int32Array = new Int32Array(64);
  #waiting: Int32Array = new Int32Array(64);
  #paused: Int32Array = new Int32Array(64);
  #offer: Int32Array = new Int32Array(64).fill(NONE);
  /** Tenants in which the inner discipline releases no context yet (rate limits). */
  readonly #held = new ContextList();
  /** Tenants that are paused in the outer discipline: the context that they offered is, and they have offered none since. */
  readonly #keptOutside = new Set<TenantId>();
  /** Rate of the link, if it has changed since the disciplines were made with one. */
  #linkRate: { readonly bps: number; readonly sinceNs: number } | undefined;

  constructor({
    outer,
    makeInner,
    tenantOf = ({ tenant = 0 }) => tenant,
    tenantShare = () => ({ weight: 1 }),
  }: TwoLevelOptions) {
    this.#outer = outer;
    this.#makeInner = makeInner;
    this.#tenantOfShare = tenantOf;
    this.#tenantShare = tenantShare;
    const inner = makeInner();
    this.name = `${grouped(outer.name)}/${grouped(inner.name)}`;
    if (outer.pause !== undefined || inner.pause !== undefined)
      this.pause = (context, nowNs) => this.#pause(context, nowNs);
    if (outer.linkRateChanged !== undefined || inner.linkRateChanged !== undefined)
      this.linkRateChanged = (linkBps, nowNs) => this.#changeLinkRate(linkBps, nowNs);
    this.#roster = new Roster(this.name);
  }

  join(context: ContextId, share: Share): void {
    const tenant = storedContextId(this.#tenantOfShare(share));
    if (!Number.isInteger(tenant) || tenant < 0 || tenant >= 2 ** 20) {
      throw new ParameterError(
        `${this.name}: tenant of context ${context} is ${tenant}, expected a whole number >= 0`,
      );
    }
    this.#roster.join(context);
    this.#tenantOf = widened(this.#tenantOf, this.#roster.capacity);
    const capacity = capacityFor(tenant);
    this.#members = widened(this.#members, capacity);
    this.#waiting = widened(this.#waiting, capacity);
    this.#paused = widened(this.#paused, capacity);
    this.#offer = widened(this.#offer, capacity, NONE);
    this.#tenantOf[context] = tenant;
    const members = present(this.#members[tenant]);
    if (members === 0) {
      this.#inner[tenant] ??= this.#makeInnerNow();
      this.#outer.join(tenant, this.#tenantShare(tenant, share));
    }
    this.#members[tenant] = members + 1;
    this.#innerOf(tenant).join(context, share);
  }

  leave(context: ContextId, nowNs: number): void {
    this.withdraw(context, nowNs);
    this.#roster.leave(context);
    const tenant = this.#tenant(context);
    this.#innerOf(tenant).leave(context, nowNs);
    const members = present(this.#members[tenant]) - 1;
    this.#members[tenant] = members;
    if (members === 0) this.#outer.leave(tenant, nowNs);
  }

  arrived(context: ContextId, bytes: number, nowNs: number): void {
    // Not told to the outer discipline: which frame of a tenant is next is not known when it arrives.
    this.#innerOf(this.#tenant(context)).arrived?.(context, bytes, nowNs);
  }

  activate(context: ContextId, headBytes: number, nowNs: number): void {
    const wasPaused = this.#roster.isStarved(context);
    if (!this.#roster.activate(context, headBytes)) return;
    const tenant = this.#tenant(context);
    if (wasPaused) this.#paused[tenant] = present(this.#paused[tenant]) - 1;
    this.#waiting[tenant] = present(this.#waiting[tenant]) + 1;
    this.#innerOf(tenant).activate(context, headBytes, nowNs);
    if (this.#offer[tenant] === NONE) this.#makeOffer(tenant, nowNs);
  }

  select(nowNs: number): ContextId {
    this.#offerHeld(nowNs);
    const tenant = this.#outer.select(nowNs);
    return tenant === NONE ? NONE : storedContextId(this.#offer[tenant] ?? NONE);
  }

  served(context: ContextId, bytes: number, nextHeadBytes: number, nowNs: number): void {
    const tenant = this.#tenant(context);
    if (this.#offer[tenant] !== context)
      throw new InvariantViolation(`${this.name}: context ${context} was served, not offered`);
    const more = this.#roster.served(context, bytes, nextHeadBytes);
    if (!more) this.#waiting[tenant] = present(this.#waiting[tenant]) - 1;
    const inner = this.#innerOf(tenant);
    inner.served(context, bytes, nextHeadBytes, nowNs);
    const next = this.#nextOf(tenant, nowNs);
    this.#offer[tenant] = next;
    this.#outer.served(tenant, bytes, next === NONE ? 0 : this.#roster.headBytes(next), nowNs);
  }

  withdraw(context: ContextId, nowNs: number): void {
    const wasPaused = this.#roster.isStarved(context);
    if (!this.#roster.withdraw(context) && !wasPaused) return;
    const tenant = this.#tenant(context);
    const counted = wasPaused ? this.#paused : this.#waiting;
    counted[tenant] = present(counted[tenant]) - 1;
    const inner = this.#innerOf(tenant);
    // A discipline without `pause` was told then.
    if (!wasPaused || inner.pause !== undefined) inner.withdraw(context, nowNs);
    if (this.#offer[tenant] === context) {
      this.#offer[tenant] = NONE;
      this.#outer.withdraw(tenant, nowNs);
      this.#makeOffer(tenant, nowNs);
    } else if (this.#waiting[tenant] === 0) {
      if (this.#held.has(tenant)) this.#held.remove(tenant);
      // Nobody is left for whom the tenant keeps its place.
      if (this.#paused[tenant] === 0 && this.#keptOutside.delete(tenant)) this.#outer.withdraw(tenant, nowNs);
    }
  }

  nextEligibleNs(nowNs: number): number {
    let earliest = this.#outer.nextEligibleNs?.(nowNs) ?? Number.POSITIVE_INFINITY;
    for (let tenant = this.#held.front; tenant !== NONE; tenant = this.#held.after(tenant)) {
      earliest = Math.min(
        earliest,
        this.#innerOf(tenant).nextEligibleNs?.(nowNs) ?? Number.POSITIVE_INFINITY,
      );
    }
    return earliest;
  }

  relativeFairnessBoundBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  checkInvariants(): void {
    this.#roster.checkInvariants();
    this.#outer.checkInvariants();
    for (const [index, inner] of this.#inner.entries()) {
      inner?.checkInvariants();
      const tenant = storedContextId(index);
      const offer = storedContextId(this.#offer[tenant] ?? NONE);
      const waits = present(this.#waiting[tenant]) > 0;
      if (offer !== NONE && !(this.#roster.isBacklogged(offer) && this.#tenantOf[offer] === tenant)) {
        throw new InvariantViolation(
          `${this.name}: tenant ${tenant} offers context ${offer}, which does not wait there`,
        );
      }
      if (this.#keptOutside.has(tenant) && (offer !== NONE || !(waits || present(this.#paused[tenant]) > 0)))
        throw new InvariantViolation(`${this.name}: tenant ${tenant} is kept for none of its contexts`);
      if (waits !== (offer !== NONE || this.#held.has(tenant))) {
        throw new InvariantViolation(
          `${this.name}: tenant ${tenant} ${waits ? 'waits and offers no context' : 'has nothing to offer'}`,
        );
      }
    }
  }

  /** Every level was made with the rate of the whole link. */
  #changeLinkRate(linkBps: number, nowNs: number): void {
    this.#linkRate = { bps: linkBps, sinceNs: nowNs };
    this.#outer.linkRateChanged?.(linkBps, nowNs);
    for (const inner of this.#inner) inner?.linkRateChanged?.(linkBps, nowNs);
  }

  /** The discipline of a tenant that is new, which knows the rate that the link has now. */
  #makeInnerNow(): Discipline {
    const inner = this.#makeInner();
    if (this.#linkRate !== undefined) inner.linkRateChanged?.(this.#linkRate.bps, this.#linkRate.sinceNs);
    return inner;
  }

  #tenant(context: ContextId): TenantId {
    return storedContextId(present(this.#tenantOf[context]));
  }

  #innerOf(tenant: TenantId): Discipline {
    const inner = this.#inner[tenant];
    if (inner === undefined) throw new InvariantViolation(`${this.name}: there is no tenant ${tenant}`);
    return inner;
  }

  /** The context that the tenant offers next; a tenant that waits for a rate limit is noted as held. */
  #nextOf(tenant: TenantId, nowNs: number): ContextId {
    if (this.#waiting[tenant] === 0) return NONE;
    const next = this.#innerOf(tenant).select(nowNs);
    if (next === NONE && !this.#held.has(tenant)) this.#held.pushBack(tenant);
    return next;
  }

  #makeOffer(tenant: TenantId, nowNs: number): void {
    const next = this.#nextOf(tenant, nowNs);
    if (next === NONE) return;
    if (this.#held.has(tenant)) this.#held.remove(tenant);
    this.#offer[tenant] = next;
    this.#keptOutside.delete(tenant);
    this.#outer.activate(tenant, this.#roster.headBytes(next), nowNs);
  }

  /**
   * The context is paused within its tenant; the tenant only if the context was its offer, and until it offers another. So
   * neither forfeits what it had saved. A level without `pause` is told `withdraw`.
   */
  #pause(context: ContextId, nowNs: number): void {
    if (!this.#roster.isBacklogged(context)) return;
    this.#roster.pause(context);
    const tenant = this.#tenant(context);
    this.#waiting[tenant] = present(this.#waiting[tenant]) - 1;
    this.#paused[tenant] = present(this.#paused[tenant]) + 1;
    pauseIn(this.#innerOf(tenant), context, nowNs);
    if (this.#offer[tenant] === context) {
      this.#offer[tenant] = NONE;
      if (pauseIn(this.#outer, tenant, nowNs)) this.#keptOutside.add(tenant);
      this.#makeOffer(tenant, nowNs);
    } else if (this.#waiting[tenant] === 0 && this.#held.has(tenant)) {
      this.#held.remove(tenant);
    }
  }

  #offerHeld(nowNs: number): void {
    let tenant = this.#held.front;
    while (tenant !== NONE) {
      const after = this.#held.after(tenant);
      this.#makeOffer(tenant, nowNs);
      tenant = after;
    }
  }
}

/** Pauses a context. False if the discipline knows no pause and has forgotten the context. */
function pauseIn(discipline: Discipline, context: ContextId, nowNs: number): boolean {
  if (discipline.pause === undefined) {
    discipline.withdraw(context, nowNs);
    return false;
  }
  discipline.pause(context, nowNs);
  return true;
}

/** A prefix reaches to the end of a name, so a name that begins with one needs parentheses beside a slash. */
function grouped(name: string): string {
  return /^\w+:/.test(name) ? `(${name})` : name;
}

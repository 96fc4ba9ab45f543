import { contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import type { PublishedOrder } from '../../../scheduler/laws/index.js';

interface Tenant {
  readonly order: PublishedOrder;
  members: number;
  /** Contexts that wait, with their heads. */
  readonly heads: Map<number, number[]>;
  offer: number | undefined;
}

/**
 * Bennett and Zhang 1996, hierarchical packet fair queueing: each node offers one frame to its parent, which sees a flow
 * of one frame after the other, and chooses another when that has been served.
 */
export class HierarchyOrder implements PublishedOrder {
  readonly #outer: PublishedOrder;
  readonly #makeInner: () => PublishedOrder;
  readonly #weightOf: (tenant: number) => number;
  readonly #tenants = new Map<number, Tenant>();
  readonly #tenantOf = new Map<number, number>();

  constructor(outer: PublishedOrder, makeInner: () => PublishedOrder, weightOf: (tenant: number) => number) {
    this.#outer = outer;
    this.#makeInner = makeInner;
    this.#weightOf = weightOf;
  }

  next(nowNs: number): readonly number[] {
    return this.#outer.next(nowNs).map((number) => this.#tenants.get(number)?.offer ?? -1);
  }

  joined(context: number, share: Share): void {
    const number = share.tenant ?? 0;
    const tenant = this.#tenants.get(number) ?? {
      order: this.#makeInner(),
      members: 0,
      heads: new Map(),
      offer: undefined,
    };
    this.#tenants.set(number, tenant);
    this.#tenantOf.set(context, number);
    if (tenant.members === 0) this.#outer.joined?.(contextId(number), { weight: this.#weightOf(number) });
    tenant.members += 1;
    tenant.heads.set(context, []);
    tenant.order.joined?.(contextId(context), share);
  }

  left(context: number): void {
    const [number, tenant] = this.#find(context);
    tenant.order.left?.(contextId(context));
    tenant.heads.delete(context);
    tenant.members -= 1;
    if (tenant.members === 0) this.#outer.left?.(contextId(number));
  }

  arrived(context: number, bytes: number, first: boolean, nowNs: number): void {
    const [number, tenant] = this.#find(context);
    tenant.heads.get(context)?.push(bytes);
    tenant.order.arrived?.(contextId(context), bytes, first, nowNs);
    if (tenant.offer === undefined) this.#offer(number, tenant, true, nowNs);
  }

  granted(context: number, bytes: number, more: boolean, nowNs: number): void {
    const [number, tenant] = this.#find(context);
    if (tenant.offer !== context) throw new Error(`tenant ${number} has not offered a frame of ${context}`);
    tenant.heads.get(context)?.shift();
    tenant.order.granted?.(contextId(context), bytes, more, nowNs);
    this.#offer(number, tenant, false, nowNs);
    this.#outer.granted?.(contextId(number), bytes, tenant.offer !== undefined, nowNs);
  }

  withdrawn(context: number, nowNs: number): void {
    const [number, tenant] = this.#find(context);
    tenant.heads.set(context, []);
    tenant.order.withdrawn?.(contextId(context), nowNs);
    if (tenant.offer !== context) return;
    this.#outer.withdrawn?.(contextId(number), nowNs);
    this.#offer(number, tenant, true, nowNs);
  }

  /** The next frame that a tenant offers joins its queue above; that queue is empty if `first`. */
  #offer(number: number, tenant: Tenant, first: boolean, nowNs: number): void {
    [tenant.offer] = tenant.order.next(nowNs);
    if (tenant.offer === undefined) return;
    this.#outer.arrived?.(contextId(number), tenant.heads.get(tenant.offer)?.[0] ?? 0, first, nowNs);
  }

  #find(context: number): [number, Tenant] {
    const number = this.#tenantOf.get(context) ?? -1;
    const tenant = this.#tenants.get(number);
    if (tenant === undefined) throw new Error(`context ${context} has no tenant`);
    return [number, tenant];
  }
}

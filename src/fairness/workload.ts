import { type ContextId, contextAfter, FIRST_CONTEXT } from '../../scheduler/branded.js';
import type { Share } from '../../scheduler/discipline.js';
import type { Tenant } from '../../scheduler/disciplines/index.js';

/** A context that contends for a link. */
export interface Contender {
  readonly share: Share;
  /** Its frames have these sizes in rotation, bytes of the wire (frame, padding, FCS, preamble and gap). */
  readonly frameBytes: readonly number[];
}

/**
 * - `join`, `leave`: the context takes part, or no longer; what waits is lost with it.
 * - `begin`, `end`: it wants to send as much as it may, or no longer; what waits at the end is withdrawn.
 * - `arrive`: one frame of `bytes` (of the wire) joins its queue.
 */
export type WorkloadEventKind = 'join' | 'leave' | 'begin' | 'end' | 'arrive';

/** Something that happens to one context, whatever the discipline decides. */
export interface WorkloadEvent {
  readonly atNs: number;
  readonly kind: WorkloadEventKind;
  readonly context: ContextId;
  /** Of the frame that arrives; 0 for the other kinds. */
  readonly bytes: number;
}

/** What every discipline is given, identical frame by frame. */
export interface Workload {
  readonly name: string;
  /** One line. */
  readonly meaning: string;
  readonly contenders: readonly Contender[];
  /** In the order of time. */
  readonly events: readonly WorkloadEvent[];
  readonly linkBps: number;
  readonly durationNs: number;
}

/** Contexts have these weights round-robin; those of one weight are a class. */
export const WEIGHT_CLASSES = [1, 2, 4, 8] as const;

/** Class of a context. */
export function classOf(context: ContextId): number {
  return context % WEIGHT_CLASSES.length;
}

/**
 * What a context of a class is entitled to, said in every way that a discipline may ask for: by weight, by priority
 * (the heaviest first), by deadline (the heavier the sooner), and by tenant (a class is a tenant).
 */
export function shareOf(context: ContextId): Share {
  const index = classOf(context);
  const weight = WEIGHT_CLASSES[index] ?? 1;
  return {
    weight,
    priority: WEIGHT_CLASSES.length - 1 - index,
    deadlineNs: LONGEST_DEADLINE_NS / weight,
    tenant: index,
  };
}

/** The tenants under which a hierarchy owes each context what a flat discipline owes it. */
export function tenantsOf(contexts: number): Record<number, Tenant> {
  const tenants: Record<number, Tenant> = {};
  for (let context = FIRST_CONTEXT; context < contexts; context = contextAfter(context)) {
    const { tenant = 0, weight, ...share } = shareOf(context);
    // 0: the first context of the tenant.
    tenants[tenant] = { share: { ...share, weight: (tenants[tenant]?.share.weight ?? 0) + weight } };
  }
  return tenants;
}

const LONGEST_DEADLINE_NS = 8_000_000;

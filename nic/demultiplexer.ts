import { InvariantViolation } from '../scheduler/errors.js';
import { absent } from '../scheduler/present.js';
import type { Context } from './context.js';
import { isGroup, isGroupAt, readMac } from './station-address.js';
import { StationTable } from './station-table.js';

const BROADCAST = 0xffffffffffff;
const NOBODY: readonly Context[] = [];
/** Multicast groups that one context may be in: the state that a guest can take up on the card is bounded. */
export const GROUPS_PER_CONTEXT = 64;

/**
 * Says which contexts a destination address is for: the one that has it, all of them for broadcast, the
 * members of a multicast group, and promiscuous contexts.
 */
export class Demultiplexer {
  readonly #byMac = new StationTable<Context>();
  readonly #open: Context[] = [];
  readonly #groups = new Map<number, Set<Context>>();
  readonly #groupsOf = new Map<Context, Set<number>>();
  #promiscuous = 0;
  readonly #found: Context[] = [];

  /** An open context takes part; false when another one has its address. */
  add(context: Context): boolean {
    if (this.#byMac.get(context.mac) !== undefined) return false;
    this.#byMac.set(context.mac, context);
    const at = this.#placeOf(context);
    if (at === this.#open.length) this.#open.push(context);
    else this.#open.splice(at, 0, context);
    if (context.promiscuous) this.#promiscuous += 1;
    return true;
  }

  remove(context: Context): void {
    if (this.#byMac.get(context.mac) !== context) return;
    this.#byMac.delete(context.mac);
    this.#open.splice(this.#placeOf(context), 1);
    for (const group of this.#groupsOf.get(context) ?? []) this.leave(context, group);
    if (context.promiscuous) this.#promiscuous -= 1;
  }

  /** A context's promiscuous bit has changed. */
  recount(): void {
    this.#promiscuous = this.#open.filter((context) => context.promiscuous).length;
  }

  /** Puts a context into a multicast group. False if that is not a group's address, or one too many. */
  join(context: Context, group: number): boolean {
    const groups = this.#groupsOf.get(context) ?? new Set();
    if (!isGroup(group) || (groups.size >= GROUPS_PER_CONTEXT && !groups.has(group))) return false;
    this.#groupsOf.set(context, groups.add(group));
    this.#groups.set(group, (this.#groups.get(group) ?? new Set()).add(context));
    return true;
  }

  leave(context: Context, group: number): void {
    const members = this.#groups.get(group);
    if (members?.delete(context) !== true) return;
    if (members.size === 0) this.#groups.delete(group);
    const groups = this.#groupsOf.get(context);
    groups?.delete(group);
    if (groups?.size === 0) this.#groupsOf.delete(context);
  }

  /** The context that owns the unicast address at an offset of a frame. */
  owner(bytes: Uint8Array, offset: number): Context | undefined {
    return this.#byMac.at(bytes, offset);
  }

  /**
   * The contexts that a frame to the address at an offset goes to, `except` left out (the sender does not hear itself).
   * The list is reused by the next call.
   */
  destinations(bytes: Uint8Array, offset: number, except?: Context): readonly Context[] {
    const group = isGroupAt(bytes, offset);
    const found = this.#found;
    let count = 0;
    if (this.#promiscuous === 0 && !group) {
      const owner = this.#byMac.at(bytes, offset);
      if (owner === undefined || owner === except) return NOBODY;
      found[0] = owner;
      if (found.length !== 1) found.length = 1;
      return found;
    }
    const mac = group ? readMac(bytes, offset) : 0;
    const members = group ? this.#groups.get(mac) : undefined;
    for (const context of this.#open) {
      if (context === except) continue;
      const takes =
        context.promiscuous ||
        (group
          ? mac === BROADCAST || context.allMulticast || members?.has(context) === true
          : context.isMacAt(bytes, offset));
      if (!takes) continue;
      found[count] = context;
      count += 1;
    }
    // A list that is emptied gives its memory away.
    if (found.length !== count) found.length = count;
    return found;
  }

  checkInvariants(): void {
    for (const context of this.#open) {
      if (this.#byMac.get(context.mac) !== context)
        throw new InvariantViolation(`context ${context.index} is open and its address leads elsewhere`);
    }
    if (this.#byMac.size !== this.#open.length)
      throw new InvariantViolation('an address leads to a closed context');
    for (const [group, members] of this.#groups) {
      for (const context of members) {
        if (this.#byMac.get(context.mac) !== context || this.#groupsOf.get(context)?.has(group) !== true)
          throw new InvariantViolation(`context ${context.index} is in a group that it does not know of`);
      }
    }
    const promiscuous = this.#open.filter((context) => context.promiscuous).length;
    if (promiscuous !== this.#promiscuous)
      throw new InvariantViolation('promiscuous contexts are miscounted');
    if (this.#open.some((context, at) => at > 0 && (this.#open[at - 1] ?? absent()).index >= context.index))
      throw new InvariantViolation('open contexts are out of order');
  }

  /** Index of a context among the open ones, or its insertion point: they are kept in the order of their numbers. */
  #placeOf(context: Context): number {
    let first = 0;
    let end = this.#open.length;
    while (first < end) {
      const middle = (first + end) >>> 1;
      if ((this.#open[middle] ?? absent()).index < context.index) first = middle + 1;
      else end = middle;
    }
    return first;
  }
}

import type { Context } from './context.js';

/** Bit 40 of a station address as a number: the group bit of its first byte (IEEE 802.3). */
const GROUP_BIT = 0x010000000000;
const BROADCAST = 0xffffffffffff;

/** Reads a station address as a 48-bit number, most significant byte first. */
export function readMac(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
  const low =
    (((bytes[offset + 2] ?? 0) << 24) |
      ((bytes[offset + 3] ?? 0) << 16) |
      ((bytes[offset + 4] ?? 0) << 8) |
      (bytes[offset + 5] ?? 0)) >>>
    0;
  return high * 0x100000000 + low;
}

/** Whether an address names a group (multicast or broadcast). */
export function isGroup(mac: number): boolean {
  return Math.floor(mac / GROUP_BIT) % 2 === 1;
}

/**
 * Says which contexts a destination address is for: the one that has it, all of them for broadcast, the
 * members of a multicast group, and whoever is promiscuous.
 */
export class Demultiplexer {
  readonly #byMac = new Map<number, Context>();
  readonly #open: Context[] = [];
  readonly #groups = new Map<number, Set<Context>>();
  #promiscuous = 0;
  readonly #found: Context[] = [];

  /** An open context takes part; false when another one has its address. */
  add(context: Context): boolean {
    if (this.#byMac.has(context.mac)) return false;
    this.#byMac.set(context.mac, context);
    this.#open.push(context);
    this.#open.sort((left, right) => left.index - right.index);
    return true;
  }

  remove(context: Context): void {
    if (this.#byMac.get(context.mac) !== context) return;
    this.#byMac.delete(context.mac);
    this.#open.splice(this.#open.indexOf(context), 1);
    for (const members of this.#groups.values()) members.delete(context);
    this.recount();
  }

  /** A context's promiscuous bit has changed. */
  recount(): void {
    this.#promiscuous = this.#open.filter((context) => context.promiscuous).length;
  }

  join(context: Context, group: number): void {
    const members = this.#groups.get(group) ?? new Set();
    members.add(context);
    this.#groups.set(group, members);
  }

  leave(context: Context, group: number): void {
    this.#groups.get(group)?.delete(context);
  }

  /** The context that owns a unicast address. */
  owner(mac: number): Context | undefined {
    return this.#byMac.get(mac);
  }

  /**
   * The contexts that a frame to `mac` goes to, `except` left out (the sender does not hear itself). The list
   * is reused by the next call.
   */
  destinations(mac: number, except?: Context): readonly Context[] {
    const found = this.#found;
    found.length = 0;
    if (this.#promiscuous === 0 && !isGroup(mac)) {
      const owner = this.#byMac.get(mac);
      if (owner !== undefined && owner !== except) found.push(owner);
      return found;
    }
    const members = isGroup(mac) && mac !== BROADCAST ? this.#groups.get(mac) : undefined;
    for (const context of this.#open) {
      if (context === except) continue;
      const takes =
        context.promiscuous ||
        context.mac === mac ||
        mac === BROADCAST ||
        (isGroup(mac) && (context.allMulticast || members?.has(context) === true));
      if (takes) found.push(context);
    }
    return found;
  }
}

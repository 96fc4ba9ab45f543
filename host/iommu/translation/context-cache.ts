import { requesterId as asRequesterId, type RequesterId } from '../../../nic/addresses.js';
import { absent } from '../../../scheduler/present.js';
import { READ, WRITE } from '../entry-format.js';
import type { ContextGranularity } from '../invalidation-sink.js';
import { ENTRY_WORDS } from '../table-walker.js';
import type { Replacement } from './parameters.js';
import { type CacheSlot, cacheSlot, TagStore } from './tag-store.js';

/** Whether the functions of an invalidation with a function mask include a requester: `device` names one of them. */
function namesFunction(device: number, requesterId: RequesterId, functionMask: number): boolean {
  // FM = 1 ignores function bit 2, FM = 2 bits 2:1, FM = 3 all three (VT-d specification, context-cache invalidate).
  const ignored = functionMask === 0 ? 0 : (0b111 << (3 - functionMask)) & 0b111;
  return ((requesterId ^ device) & ~ignored) === 0;
}

/** Whether a context-cache invalidation covers the entry of a requester that belongs to a domain. */
export function coversContext(
  granularity: ContextGranularity,
  domainId: number,
  device: number,
  functionMask: number,
  entryDomain: number,
  entryRequester: RequesterId,
): boolean {
  if (granularity === 'global') return true;
  if (granularity === 'domain') return entryDomain === domainId;
  return namesFunction(device, entryRequester, functionMask);
}

/**
 * The context cache (VT-d) or device-table cache (AMD-Vi): requesters' entries as they were read. Until an
 * invalidation names it, an entry counts here, whatever software has written to memory since.
 */
export class ContextCache {
  readonly #tags: TagStore;
  readonly #requester: Int32Array;
  readonly #domain: Int32Array;
  readonly #decided: Uint8Array;
  readonly #rights: Uint8Array;
  readonly #words: Uint32Array;

  constructor(entries: number, ways: number, replacement: Replacement, seed: number) {
    this.#tags = new TagStore(entries, ways, replacement, seed);
    this.#requester = new Int32Array(entries);
    this.#domain = new Int32Array(entries);
    this.#decided = new Uint8Array(entries);
    this.#rights = new Uint8Array(entries);
    this.#words = new Uint32Array(entries * ENTRY_WORDS);
  }

  get size(): number {
    return this.#tags.size;
  }

  /** The slot of a requester, or NO_SLOT. */
  find(requesterId: RequesterId): CacheSlot {
    return this.#tags.find(0, 0, requesterId);
  }

  domain(slot: CacheSlot): number {
    return this.#domain[slot] ?? absent();
  }

  /** Whether the entry settles every request by itself: it passes through, or it is not present (caching mode). */
  decides(slot: CacheSlot): boolean {
    return this.#decided[slot] === 1;
  }

  /**
   * Whether the entry has requests translated and grants them this right. Pages are held by domain, and another device of
   * the domain may have more rights (AMD-Vi's IR and IW), or none of its requests translated.
   */
  grants(slot: CacheSlot, write: boolean): boolean {
    return ((this.#rights[slot] ?? absent()) & (write ? WRITE : READ)) !== 0;
  }

  /** Copies the entry of a slot. */
  load(slot: CacheSlot, into: Uint32Array): void {
    for (let word = 0; word < ENTRY_WORDS; word += 1)
      into[word] = this.#words[slot * ENTRY_WORDS + word] ?? absent();
  }

  /** @param rights READ and WRITE that the entry grants; 0 if it has no request translated */
  insert(
    requesterId: RequesterId,
    domainId: number,
    decided: boolean,
    rights: number,
    words: Uint32Array,
  ): void {
    const slot = this.#tags.insert(0, 0, requesterId);
    this.#requester[slot] = requesterId;
    this.#domain[slot] = domainId;
    this.#decided[slot] = decided ? 1 : 0;
    this.#rights[slot] = rights;
    for (let word = 0; word < ENTRY_WORDS; word += 1)
      this.#words[slot * ENTRY_WORDS + word] = words[word] ?? absent();
  }

  /** @param functionMask low function bits of the requester to ignore, 0..3 (granularity `device`) */
  invalidate(
    granularity: ContextGranularity,
    domainId: number,
    requesterId: RequesterId,
    functionMask: number,
  ): void {
    if (granularity === 'global') {
      this.#tags.clear();
      return;
    }
    for (let index = 0; index < this.#tags.entries; index += 1) {
      const slot = cacheSlot(index);
      if (!this.#tags.holds(slot)) continue;
      const domain = this.#domain[slot] ?? absent();
      const requester = asRequesterId(this.#requester[slot] ?? absent());
      if (coversContext(granularity, domainId, requesterId, functionMask, domain, requester))
        this.#tags.removeSlot(slot);
    }
  }

  checkInvariants(): void {
    this.#tags.checkInvariants();
  }
}

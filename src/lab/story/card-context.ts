import type { Host } from '../../../host/host.js';
import { HYPERVISOR } from '../../../host/hypervisor/hypervisor.js';
import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import type { ContextPort } from '../../../host/protection/context-port.js';
import type { ContextQueue } from '../../../host/protection/context-queue.js';
import { pageNumber } from '../../../nic/addresses.js';
import type { Context, Direction } from '../../../nic/context.js';
import { LENGTH_AND_FLAGS_OFFSET } from '../../../nic/descriptor.js';
import { present } from '../../../scheduler/present.js';
import { accessSteps } from '../access-steps.js';
import { gatesOf } from '../gates.js';
import { hex, requester } from '../notation.js';
import { driverOf, slotAddress } from '../probes.js';
import { wordsOf } from '../words.js';
import type { AccessFacts } from './story-book.js';

/** An access of the card, as the bus tells of it. */
export interface SeenAccess {
  readonly requesterId: number;
  readonly address: number;
  readonly physical: number;
  readonly length: number;
  readonly write: boolean;
  readonly gateNs: number;
}

/** Whether index `one` is `other` or comes after it: indices run freely modulo 2^32. */
export function isAtOrAfter(one: number, other: number): boolean {
  return (one - other) >>> 0 < 2 ** 31;
}

/** A context of the card and the domain that has it, as a story asks about them. */
export class CardContext {
  readonly host: Host;
  readonly port: ContextPort;
  #walks: number;
  #isWalked = false;

  constructor(host: Host, port: ContextPort) {
    this.host = host;
    this.port = port;
    this.#walks = this.#walkCount();
  }

  /** The domain whose driver uses it. */
  get name(): string {
    return this.port.domain.name;
  }

  get context(): Context {
    return present(this.host.nic.contexts[this.port.context]);
  }

  ownerOf(page: number): string {
    const { pages, hypervisor } = this.host;
    return hypervisor.domains[pages.owner(pageNumber(page))]?.name ?? 'no domain';
  }

  /** Notes whether the access which is told of now, of whatever requester, had tables walked for it. */
  noteWalks(): void {
    const walks = this.#walkCount();
    this.#isWalked = walks > this.#walks;
    this.#walks = walks;
  }

  /** What an access that passed was like at the gate, once `noteWalks` has been called for it. */
  factsOf({ requesterId, address, physical, write, gateNs }: SeenAccess): AccessFacts {
    const page = Math.floor(physical / PAGE_BYTES);
    const where =
      address === physical ? `at ${hex(physical)}` : `at ${hex(address)}, translated to ${hex(physical)}`;
    const plain = gateNs > 0 ? `the gate took ${gateNs} ns` : 'the gate takes no time';
    const cached = this.#isWalked
      ? `not in the IOTLB: the walk took ${gateNs} ns`
      : `found in the IOTLB, ${gateNs} ns`;
    return {
      facts: [where, driverOf(this.host) === undefined ? plain : cached],
      page,
      walk: accessSteps(this.host, requesterId, address, write),
    };
  }

  /** What an access that the gate refused was like. */
  denialOf({ requesterId, address, length, write }: Omit<SeenAccess, 'physical' | 'gateNs'>): AccessFacts {
    const what = `${write ? 'write' : 'read'} of ${length} bytes at ${hex(address)} by ${requester(requesterId)}`;
    return {
      facts: [`${what}; no byte moves`],
      page: Math.floor(address / PAGE_BYTES),
      walk: accessSteps(this.host, requesterId, address, write),
    };
  }

  /** What the set-up gate did with a buffer that is in the ring: who checked it, and what of that still holds. */
  setUpFacts(
    queue: ContextQueue,
    index: number,
  ): { readonly facts: readonly string[]; readonly page: number } {
    const { pages } = this.host;
    const address: number = queue.postedAddress(index);
    const bus: number = queue.postedBusAddress(index);
    const page = Math.floor(address / PAGE_BYTES);
    const pins = pages.count(pageNumber(page));
    const isGuest = this.port.domain.kind === 'guest';
    const { name } = this.host.protection;
    const byHypervisor = pages.owner(pageNumber(Math.floor(queue.ringAddress / PAGE_BYTES))) === HYPERVISOR;
    return {
      facts: [
        isGuest
          ? `${name}: ${gatesOf(name).setUp.label}`
          : 'nobody asks the driver domain: it has the card to itself, and is trusted with it',
        byHypervisor
          ? 'the hypervisor looked up the owner of every page of the buffer, and writes the descriptor itself'
          : `the ${isGuest ? 'guest' : 'driver domain'} writes the descriptor itself`,
        pins > 0
          ? `page ${page} is pinned ${pins} ${pins === 1 ? 'time' : 'times'}: it has no next owner while the card may use it`
          : `page ${page} is not pinned`,
        bus === address
          ? 'the card will use the physical address'
          : `the card will use the I/O virtual address ${hex(bus)}`,
      ],
      page,
    };
  }

  /** A descriptor as it is in memory now. */
  slotFacts(
    queue: ContextQueue,
    index: number,
  ): { readonly facts: readonly string[]; readonly page: number } {
    const memory = wordsOf(this.host);
    const at = slotAddress(queue, index);
    const address = memory.readU32(at + 4) * 2 ** 32 + memory.readU32(at);
    const length = memory.readU32(at + LENGTH_AND_FLAGS_OFFSET) & 0xffff;
    const slot = index & (queue.slots - 1);
    return {
      facts: [
        `slot ${slot} at ${hex(at)}: address ${hex(address)}, length ${length}, sequence ${memory.readU32(at + 12)}`,
      ],
      page: Math.floor(at / PAGE_BYTES),
    };
  }

  /** What the card's check of sequence numbers says of a descriptor that is on it. */
  sequenceFact(way: Direction, index: number): string {
    return this.context.sequenceChecking
      ? `sequence ${this.context[way].sequence(index)} is the one that comes next, so the hypervisor wrote it for this slot now`
      : 'the card does not check sequence numbers under this approach';
  }

  #walkCount(): number {
    // 0: an approach without an IOMMU walks no tables.
    return driverOf(this.host)?.counters().walks ?? 0;
  }
}

import type { HostParts } from '../../host/host-parts.js';
import type { CpuAccess, Domain } from '../../host/hypervisor/domain.js';
import type { ContextPort } from '../../host/protection/context-port.js';
import type { FrontEnd } from '../../host/protection/driver-domain/front-end.js';
import { PAGES_PER_SLOT } from '../../host/protection/driver-domain/front-queue.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import {
  addressAfter,
  type BusAddress,
  busAddress,
  guestAddress,
  type HostPhysicalAddress,
  offsetInPage,
  PAGE_BYTES,
  pageAfter,
  pageNumber,
} from '../../nic/addresses.js';
import { DESCRIPTOR_BYTES, encodeDescriptor } from '../../nic/descriptor.js';
import { MAILBOX } from '../../nic/registers.js';
import { ParameterError } from '../../scheduler/errors.js';

export type Way = 'transmit' | 'receive';

/**
 * A buffer as a driver names it to its device. Its address is a plain number: an attack takes an address of one kind for
 * one of another, and only what it is handed to decides what the number means.
 */
export interface NamedBuffer {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
}

/**
 * The memory behind a port's queues, for a driver that bypasses the port: every store is one that the guest's own CPU can
 * make, through its MMU, and every doorbell goes through the register window.
 */
export interface RawRing {
  /** Physical address at which the ring of a direction begins. */
  address(way: Way): HostPhysicalAddress;
  /** Overwrites the entry of an index. The address is the one that the device will use. */
  store(way: Way, index: number, buffer: NamedBuffer): CpuAccess;
  /** Announces entries up to `producer` to the device. False when the guest cannot reach a doorbell. */
  doorbell(way: Way, producer: number): boolean;
  /** The address by which the device knows the buffer that was posted under an index. */
  busAddress(way: Way, index: number, address: number): BusAddress;
}

/**
 * Whether a port is a context of the card. Ports are told apart by what they have and not by their class: the module of
 * an approach of the user's own may bring its own copy of each class.
 */
export function isContextPort(port: GuestPort): port is ContextPort {
  return 'ringMemory' in port;
}

function isFrontEnd(port: GuestPort): port is FrontEnd {
  return 'grants' in port;
}

/** The memory and registers behind a guest's port. @throws ParameterError for a kind of port without known attacks. */
export function rawRingOf(parts: HostParts, domain: Domain, port: GuestPort): RawRing {
  if (isContextPort(port)) return new DescriptorRings(parts, domain, port);
  if (isFrontEnd(port)) return new RequestRings(domain, port);
  throw new ParameterError(
    `the approach opens ports of the kind ${port.constructor.name}, expected ContextPort or FrontEnd: of others no attack is known`,
  );
}

/** The rings of a context of the card, wherever they lie: under CDNA only the hypervisor can make the store. */
class DescriptorRings implements RawRing {
  readonly #parts: HostParts;
  readonly #domain: Domain;
  readonly #port: ContextPort;
  readonly #scratch = new Uint8Array(DESCRIPTOR_BYTES);

  constructor(parts: HostParts, domain: Domain, port: ContextPort) {
    this.#parts = parts;
    this.#domain = domain;
    this.#port = port;
  }

  address(way: Way): HostPhysicalAddress {
    return this.#port[way].ringAddress;
  }

  store(way: Way, index: number, { address, length, flags }: NamedBuffer): CpuAccess {
    const queue = this.#port[way];
    // The best guess of what CDNA's card expects: queues count their descriptors from 1.
    const high = Math.floor(address / 2 ** 32) | 0;
    encodeDescriptor(this.#scratch, 0, address | 0, high, length, flags, (index + 1) >>> 0);
    const slot = addressAfter(queue.ringAddress, (index & (queue.slots - 1)) * DESCRIPTOR_BYTES);
    return this.#domain.write(guestAddress(slot), DESCRIPTOR_BYTES, this.#scratch, 0);
  }

  doorbell(way: Way, producer: number): boolean {
    const mailbox = way === 'transmit' ? MAILBOX.TX_PRODUCER : MAILBOX.RX_PRODUCER;
    const { window } = this.#parts;
    return window.write(this.#domain.id, this.#port.context, mailbox * 4, producer) === 'done';
  }

  busAddress(way: Way, index: number): BusAddress {
    return this.#port[way].postedBusAddress(index);
  }
}

/** The rings that a paravirtual front end shares with its back end, and the guest's grant table. */
class RequestRings implements RawRing {
  readonly #domain: Domain;
  readonly #front: FrontEnd;

  constructor(domain: Domain, front: FrontEnd) {
    this.#domain = domain;
    this.#front = front;
  }

  address(way: Way): HostPhysicalAddress {
    return this.#front[way].shared.base;
  }

  store(way: Way, index: number, { address, length, flags }: NamedBuffer): CpuAccess {
    const { shared, plan } = this.#front[way];
    const probe = new Uint8Array(1);
    if (this.#domain.read(guestAddress(shared.base), 1, probe, 0) !== 'done') return 'page-fault';
    const offset = offsetInPage(address);
    const first = plan.firstReference + (index & (shared.slots - 1)) * PAGES_PER_SLOT;
    const pages = Math.min(PAGES_PER_SLOT, Math.ceil((offset + length) / PAGE_BYTES));
    // A grant has 32 bits for a page number.
    const named = pageNumber(Math.floor(address / PAGE_BYTES) % 2 ** 32);
    for (let page = 0; page < pages; page += 1)
      plan.grants.grant(first + page, plan.grantee, pageAfter(named, page), way === 'transmit');
    shared.put(index, first, offset, flags, length);
    return 'done';
  }

  doorbell(way: Way, producer: number): boolean {
    const { shared, plan } = this.#front[way];
    shared.pushRequests(producer);
    plan.notify();
    return true;
  }

  busAddress(_way: Way, _index: number, address: number): BusAddress {
    return busAddress(address);
  }
}

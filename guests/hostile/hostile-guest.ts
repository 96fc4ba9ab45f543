import type { HostParts } from '../../host/host-parts.js';
import type { CpuAccess, Domain } from '../../host/hypervisor/domain.js';
import { BufferBatch, type GuestPort } from '../../host/protection/guest-port.js';
import {
  type GuestPhysicalAddress,
  guestAddress,
  guestPhysicalAddress,
  hostPhysicalAddress,
  pageAddress,
  pageOf,
} from '../../nic/addresses.js';
import { FLAG_END_OF_PACKET } from '../../nic/descriptor.js';
import { present } from '../../scheduler/present.js';
import { tallyIn } from '../../scheduler/tally.js';
import { type DriverOptions, NicDriver } from '../nic-driver.js';
import { ETHERTYPE_EXPERIMENTAL } from '../traffic/frame-format.js';
import { writeMac } from '../traffic/mac-address.js';
import { type NamedBuffer, type RawRing, rawRingOf, type Way } from './raw-ring.js';

/** Requests of a hostile guest that were stopped before they reached a device. */
export interface StoppedEarly {
  /** Buffers that the set-up gate refused, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Stores and register accesses that ended in a page fault. */
  readonly pageFaults: number;
  /** Pages that it released and that were not reassigned, since they were pinned. */
  readonly withheldPages: number;
}

/** Header of a frame that carries stolen bytes: padded, so that it is a frame by itself. */
const HEADER_BYTES = 64;

/**
 * A guest whose driver follows no rule. It has what every guest has: a port, a page of registers, its own
 * memory. It uses the set-up gate where that helps, and writes refused buffers into a ring of its own itself.
 */
export class HostileGuest {
  readonly domain: Domain;
  readonly port: GuestPort;
  readonly raw: RawRing;
  readonly #parts: HostParts;
  readonly #batch = new BufferBatch(64);
  readonly #refusals: Record<string, number> = {};
  #headerPage: GuestPhysicalAddress | undefined;
  #pageFaults = 0;
  #withheld = 0;

  constructor(parts: HostParts, domain: Domain, port: GuestPort) {
    this.#parts = parts;
    this.domain = domain;
    this.port = port;
    this.raw = rawRingOf(parts, domain, port);
  }

  get stopped(): StoppedEarly {
    return { refusals: this.#refusals, pageFaults: this.#pageFaults, withheldPages: this.#withheld };
  }

  /** Where a page of its own lies. */
  page(): GuestPhysicalAddress {
    return guestAddress(pageAddress(present(this.domain.allocate(1)[0])));
  }

  /** A frame header in memory of its own: to `destination`, from itself or whom it claims to be. */
  header(destination: number, source = this.port.mac): NamedBuffer {
    this.#headerPage ??= this.page();
    this.domain.write(this.#headerPage, HEADER_BYTES, headerBytes(destination, source), 0);
    return { address: this.#headerPage, length: HEADER_BYTES, flags: 0 };
  }

  /** CPU store of its own, wherever it likes. */
  store(address: number, bytes: Uint8Array): CpuAccess {
    return this.#minded(this.domain.write(guestPhysicalAddress(address), bytes.length, bytes, 0));
  }

  /** Hands buffers over as a driver should. True if all were accepted; the doorbell is not rung. */
  ask(way: Way, buffers: readonly NamedBuffer[]): boolean {
    const batch = this.#batch;
    batch.clear();
    for (const { address, length, flags } of buffers) batch.add(guestPhysicalAddress(address), length, flags);
    const queue = this.port[way];
    const accepted = queue.post(batch);
    const refusal = queue.refusal?.refusal;
    if (refusal !== undefined) tallyIn(this.#refusals, refusal);
    return accepted === buffers.length;
  }

  /** Writes an entry of the ring itself. */
  forge(way: Way, index: number, buffer: NamedBuffer): boolean {
    return this.#minded(this.raw.store(way, index >>> 0, buffer)) === 'done';
  }

  /** Rings for entries up to `producer`, posted or not. */
  doorbell(way: Way, producer: number): void {
    if (!this.raw.doorbell(way, producer >>> 0)) this.#pageFaults += 1;
  }

  /** Writes a register, of its own page or another. */
  poke(page: number, offset: number, value: number, width = 4): boolean {
    const done = this.#parts.window.write(this.domain.id, page, offset, value, width) === 'done';
    if (!done) this.#pageFaults += 1;
    return done;
  }

  /** Returns the page at an address to the hypervisor. */
  release(address: number): 'freed' | 'pending' | 'refused' {
    const outcome = this.domain.release(pageOf(hostPhysicalAddress(address)));
    if (outcome === 'pending') this.#withheld += 1;
    return outcome;
  }

  /** Has foreign bytes sent behind a header of its own: through the gate if the gate accepts them, past it if not. */
  exfiltrate(destination: number, target: NamedBuffer): void {
    const header = this.header(destination);
    const queue = this.port.transmit;
    if (this.ask('transmit', [header, target])) {
      queue.ring();
      return;
    }
    // Its own part goes through the gate; the foreign part is written past it.
    if (!this.ask('transmit', [{ ...header, flags: FLAG_END_OF_PACKET }])) return;
    const first = (queue.producer - 1) >>> 0;
    const bus = this.raw.busAddress('transmit', first, header.address);
    if (!this.forge('transmit', first, { ...header, address: bus })) return;
    if (this.forge('transmit', first + 1, target)) this.doorbell('transmit', first + 2);
  }

  /** Has the next received frame put into foreign memory, likewise. */
  invade(target: NamedBuffer): void {
    const queue = this.port.receive;
    if (this.ask('receive', [target])) {
      queue.ring();
      return;
    }
    const next = queue.producer;
    if (this.forge('receive', next, target)) this.doorbell('receive', next + 1);
  }

  /** Has the next received frame scattered over several buffers, likewise: what the gate refuses is written past it. */
  invadeWith(targets: readonly NamedBuffer[]): void {
    const queue = this.port.receive;
    let forged = 0;
    for (const target of targets) {
      if (forged === 0 && this.ask('receive', [target])) continue;
      if (!this.forge('receive', queue.producer + forged, target)) return;
      forged += 1;
    }
    if (forged === 0) queue.ring();
    else this.doorbell('receive', queue.producer + forged);
  }

  /** Runs an ordinary driver on the port, for attacks that are made of traffic. */
  drive(options: Partial<DriverOptions> = {}): NicDriver {
    return new NicDriver(this.#parts, this.domain, this.port, options);
  }

  #minded(outcome: CpuAccess): CpuAccess {
    if (outcome === 'page-fault') this.#pageFaults += 1;
    return outcome;
  }
}

/** The first bytes of a frame. */
export function headerBytes(destination: number, source: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  writeMac(bytes, 0, destination);
  writeMac(bytes, 6, source);
  bytes[12] = ETHERTYPE_EXPERIMENTAL >>> 8;
  bytes[13] = ETHERTYPE_EXPERIMENTAL & 0xff;
  return bytes;
}

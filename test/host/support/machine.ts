import { type CpuAccess, type Domain, Host, type HostParameters } from '../../../host/index.js';
import { BufferBatch, type GuestPort, type PortOptions } from '../../../host/protection/guest-port.js';
import type { Protection, ProtectionPlan } from '../../../host/protection/protection.js';
import { guestPhysicalAddress, hostPhysicalAddress } from '../../../nic/addresses.js';
import { FLAG_DONE, FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import type { NicInstruments, WirePort } from '../../../nic/host-port.js';
import type { NicParameters } from '../../../nic/parameters.js';
import { makeDiscipline } from '../../../scheduler/disciplines/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';

export const PAGE = 4096;
export const EVERYONE = 0xffffffffffff;
/** A station beyond the wire. */
export const STRANGER = 0x02_00_00_00_99_01;

export const PORT: PortOptions = {
  mac: 0x02_00_00_00_00_01,
  share: { weight: 1 },
  transmitSlots: 16,
  receiveSlots: 16,
  antiSpoofing: false,
  promiscuous: false,
  coalesceFrames: 1,
  coalesceNs: 0,
};

export interface SentFrame {
  readonly bytes: Uint8Array;
  readonly context: number;
  /** Its last descriptor, or its last request where a driver domain is between. */
  readonly index: number;
}

/** A cable that keeps what comes out. */
export class WireTap implements WirePort {
  readonly frames: SentFrame[] = [];

  transmitted(bytes: Uint8Array, offset: number, length: number, context: number, index: number): void {
    this.frames.push({ bytes: bytes.slice(offset, offset + length), context, index });
  }
}

export interface MachineOptions {
  readonly host?: Partial<HostParameters>;
  readonly nic?: Partial<NicParameters>;
  readonly instruments?: NicInstruments;
}

/** A small machine: 64 MB, two cores, one port of 1 Gb/s into a tap. */
export class Machine<P extends Protection = Protection> {
  readonly kernel = new EventKernel();
  readonly wire = new WireTap();
  readonly host: Host<P>;

  constructor(protection: ProtectionPlan<P>, options: MachineOptions = {}) {
    this.host = new Host({
      kernel: this.kernel,
      protection,
      wire: this.wire,
      transmitDiscipline: makeDiscipline('drr'),
      receiveDiscipline: makeDiscipline('drr'),
      host: { memoryBytes: 64 * 2 ** 20, ...options.host },
      ...(options.nic === undefined ? {} : { nic: options.nic }),
      ...(options.instruments === undefined ? {} : { instruments: options.instruments }),
    });
  }

  /** A guest with an open port; MACs and cores by number. */
  guest(number: number, options: Partial<PortOptions> = {}): TestGuest {
    const domain = this.host.createGuest(`guest ${number}`, number);
    return new TestGuest(this, domain, { ...PORT, mac: macOf(number), ...options });
  }

  /** Lets time pass, and looks at every invariant then. */
  run(ns = 1_000_000): void {
    this.kernel.run(this.kernel.nowNs + ns);
    this.host.checkInvariants();
  }

  /** A frame comes in from the wire. */
  arrive(frame: Uint8Array): void {
    this.host.nic.receive(frame, 0, frame.length);
  }

  peek(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.host.memory.read(hostPhysicalAddress(address), length, bytes, 0);
    return bytes;
  }

  poke(address: number, bytes: Uint8Array): void {
    this.host.memory.write(hostPhysicalAddress(address), bytes.length, bytes, 0);
  }
}

export function macOf(guest: number): number {
  return 0x02_00_00_00_00_00 + guest;
}

/** A frame of `length` bytes, its payload from a simple sequence that starts at `seed`. */
export function frame(destination: number, source: number, length = 100, seed = 1): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, index) => (index * 7 + seed * 31) & 0xff);
  writeMac(bytes, 0, destination);
  writeMac(bytes, 6, source);
  bytes[12] = 0x88;
  bytes[13] = 0xb5;
  return bytes;
}

function writeMac(bytes: Uint8Array, offset: number, mac: number): void {
  for (let index = 0; index < 6; index += 1) bytes[offset + index] = Math.floor(mac / 2 ** (40 - 8 * index));
}

/** A driver as short as it gets: one buffer a call, everything by hand, no CPU time. */
export class TestGuest {
  readonly domain: Domain;
  readonly port: GuestPort;
  interrupts = 0;
  readonly #machine: Machine;
  readonly #options: PortOptions;
  readonly #batch = new BufferBatch(64);
  #taken = 0;

  constructor(machine: Machine, domain: Domain, options: PortOptions) {
    this.#machine = machine;
    this.#options = options;
    this.domain = domain;
    this.port = machine.host.openPort(domain, options);
    this.port.onInterrupt(() => {
      this.interrupts += 1;
    });
  }

  /** Closes its port and opens a new one. */
  reopen(): TestGuest {
    this.#machine.host.protection.closePort(this.port);
    return new TestGuest(this.#machine, this.domain, this.#options);
  }

  /** Address of a fresh page of its own. */
  page(): number {
    return (this.domain.allocate(1)[0] ?? 0) * PAGE;
  }

  /** Addresses of fresh pages that follow each other. */
  pages(count: number): number {
    return (this.domain.allocate(count, true)[0] ?? 0) * PAGE;
  }

  store(address: number, bytes: Uint8Array): CpuAccess {
    return this.domain.write(guestPhysicalAddress(address), bytes.length, bytes, 0);
  }

  /** Posts buffers for sending and rings; returns how many were accepted. */
  post(...buffers: readonly { address: number; length: number; flags?: number }[]): number {
    this.#fill(buffers, FLAG_END_OF_PACKET);
    const accepted = this.port.transmit.post(this.#batch);
    if (accepted > 0) this.port.transmit.ring();
    return accepted;
  }

  /** Posts buffers for receiving and rings. */
  postReceive(...buffers: readonly { address: number; length: number }[]): number {
    this.#fill(buffers, 0);
    const accepted = this.port.receive.post(this.#batch);
    if (accepted > 0) this.port.receive.ring();
    return accepted;
  }

  /** Writes a frame to a page of its own and sends it; returns the page. */
  send(bytes: Uint8Array): number {
    const address = this.pages(Math.ceil(bytes.length / PAGE));
    this.store(address, bytes);
    this.post({ address, length: bytes.length });
    return address;
  }

  /** Discards what is sent. */
  reclaim(): void {
    this.port.transmit.finish(this.port.transmit.consumer());
  }

  /** Takes the frames that have come in. The buffers are taken back first: until then their bytes need not be there. */
  receive(): Uint8Array[] {
    const queue = this.port.receive;
    const frames: Uint8Array[] = [];
    let parts: number[] = [];
    const end = queue.consumer();
    queue.finish(end);
    for (; this.#taken !== end; this.#taken = (this.#taken + 1) >>> 0) {
      const flags = queue.completedFlags(this.#taken);
      if ((flags & FLAG_DONE) === 0) throw new Error('a receive buffer is finished without saying so');
      const length = queue.completedLength(this.#taken);
      parts.push(...this.#machine.peek(queue.completedAddress(this.#taken), length));
      if ((flags & FLAG_END_OF_PACKET) === 0) continue;
      frames.push(Uint8Array.from(parts));
      parts = [];
    }
    return frames;
  }

  #fill(buffers: readonly { address: number; length: number; flags?: number }[], flags: number): void {
    this.#batch.clear();
    for (const buffer of buffers)
      this.#batch.add(guestPhysicalAddress(buffer.address), buffer.length, buffer.flags ?? flags);
  }
}

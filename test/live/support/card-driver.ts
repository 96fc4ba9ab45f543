import { type Client, words } from './client.js';
import { GUEST_BYTES, Lab, type LabOptions } from './lab.js';

/** Numbers of docs/datasheet-guest.md, restated: this driver has been written from it. */
export const CALL = { open: 1, close: 2, transmit: 3, receive: 4, transmitFinished: 5, receiveFinished: 6 };
export const RESULT = {
  done: 0,
  busy: 1,
  noSuchCall: 2,
  wrongState: 3,
  badRings: 4,
  badRequests: 5,
  noContext: 6,
  refused: 8,
};
export const PAGE = {
  handOver: 0x08,
  ringSizes: 0x0c,
  macLow: 0x10,
  address: 0x18,
  rings: 0x20,
  requests: 0x28,
  argument: 0x30,
  call: 0x34,
  result: 0x38,
  accepted: 0x3c,
  refusal: 0x40,
  state: 0x44,
  fault: 0x48,
  counters: 0x200,
};
export const HAND_OVER = { write: 0, mapThenWrite: 1, hypervisorWrites: 2 };
const CONTEXT_BAR = 0;
const CALL_BAR = 1;
const RING_BAR = 2;
const TX_PRODUCER = 0x00;
const RX_PRODUCER = 0x04;
const END_OF_PACKET = 1;

/** Guest-physical places that the driver uses: rings of up to 256 slots, each on a page, status block, request page. */
export const RINGS_AT = 0x10000;
export const REQUESTS_AT = 0x20000;
const RECEIVE_RING = 0x1000;
const STATUS = 0x2000;
/** Slots of the rings where a lab says nothing else: few, so that they wrap. */
const SLOTS = 16;

export type Way = 'transmit' | 'receive';

/** A buffer as the driver names it: guest-physical, or where it likes in the machine. */
export interface Buffer {
  readonly at: number;
  readonly bytes: number;
  /** Not the last of its frame. */
  readonly more?: boolean;
}

/**
 * A driver of the card's own registers, of a few lines, written from the datasheet; honest or hostile as it is told. Each
 * direction keeps a producer, and a sequence number for rings that it writes itself.
 */
export class CardDriver {
  readonly client: Client;
  readonly ram: Uint8Array;
  readonly producers = { transmit: 0, receive: 0 };
  handOver = 0;
  /** Where the guest's address 0 lies in the machine. */
  base = 0;
  readonly #run: (ns: number) => void;
  #slots = 0;

  constructor(client: Client, ram: Uint8Array, run: (ns: number) => void) {
    this.client = client;
    this.ram = ram;
    this.#run = run;
  }

  /** From power-on to an open context. Returns the result of the open call. */
  start(): number {
    this.client.connect();
    this.client.version();
    this.client.map(0, GUEST_BYTES, 0);
    this.enableMsi();
    return this.open();
  }

  /** Follows the list of capabilities to MSI, sets address and data, and enables it. */
  enableMsi(): void {
    const { client } = this;
    client.write(7, 0x04, 0x0406, 2);
    let at = client.read(7, 0x34, 1);
    while (at !== 0 && client.read(7, at, 1) !== 0x05) at = client.read(7, at + 1, 1);
    client.write(7, at + 4, 0xfee00000, 4);
    client.write(7, at + 8, 0, 4);
    client.write(7, at + 12, 0x40, 2);
    client.write(7, at + 2, 1, 2);
  }

  open(rings = RINGS_AT): number {
    this.handOver = this.page(PAGE.handOver);
    this.base = this.page(PAGE.address) + this.page(PAGE.address + 4) * 2 ** 32;
    this.#slots = 2 ** (this.page(PAGE.ringSizes) % 256);
    this.ram.fill(0, RINGS_AT, RINGS_AT + STATUS + 0x1000);
    this.client.write(CALL_BAR, PAGE.rings, rings % 2 ** 32, 4);
    this.client.write(CALL_BAR, PAGE.rings + 4, Math.floor(rings / 2 ** 32), 4);
    this.client.write(CALL_BAR, PAGE.requests, REQUESTS_AT, 4);
    this.producers.transmit = 0;
    this.producers.receive = 0;
    return this.call(CALL.open, 0);
  }

  /** Reads a register of the hypercall page. */
  page(offset: number): number {
    return this.client.read(CALL_BAR, offset, 4);
  }

  /** Reads and writes the context's page. */
  register(offset: number, width = 4): number {
    return this.client.read(CONTEXT_BAR, offset, width);
  }

  setRegister(offset: number, value: number, width = 4): void {
    this.client.write(CONTEXT_BAR, offset, value, width);
  }

  ringWindow(offset: number): number {
    return this.client.read(RING_BAR, offset, 4);
  }

  writeRingWindow(offset: number, value: number): void {
    this.client.write(RING_BAR, offset, value, 4);
  }

  /** Makes a hypercall and waits for its result. */
  call(number: number, argument: number): number {
    this.client.write(CALL_BAR, PAGE.argument, argument, 4);
    this.client.write(CALL_BAR, PAGE.call, number, 4);
    for (let turn = 0; turn < 1000 && this.page(PAGE.result) === RESULT.busy; turn += 1) this.#run(1000);
    return this.page(PAGE.result);
  }

  /** A counter of the page by its place. */
  counter(index: number): number {
    const low = this.page(PAGE.counters + 8 * index);
    return low + this.page(PAGE.counters + 8 * index + 4) * 2 ** 32;
  }

  /** Leaves requests in the request page. */
  request(buffers: readonly Buffer[]): void {
    for (const [entry, { at, bytes, more }] of buffers.entries()) {
      const descriptor = words(
        [8, this.base + at],
        [2, bytes],
        [2, more === true ? 0 : END_OF_PACKET],
        [4, 0],
      );
      this.ram.set(descriptor, REQUESTS_AT + 16 * entry);
    }
  }

  /** Hands buffers over as the approach wants it, and rings. Returns how many went. */
  post(way: Way, buffers: readonly Buffer[]): number {
    let accepted = buffers.length;
    let addresses = buffers.map(({ at }) => this.base + at);
    if (this.handOver !== HAND_OVER.write) {
      this.request(buffers);
      this.call(way === 'transmit' ? CALL.transmit : CALL.receive, buffers.length);
      accepted = this.page(PAGE.accepted);
      if (this.handOver === HAND_OVER.mapThenWrite)
        addresses = buffers.map((_, entry) => wordAt(this.ram, REQUESTS_AT + 16 * entry, 6));
    }
    if (this.handOver !== HAND_OVER.hypervisorWrites)
      for (const [entry, buffer] of buffers.slice(0, accepted).entries())
        this.writeDescriptor(way, this.producers[way] + entry, addresses[entry] ?? 0, buffer);
    this.ring(way, this.producers[way] + accepted);
    return accepted;
  }

  /** Stores a descriptor into the ring in the driver's own memory. */
  writeDescriptor(way: Way, index: number, address: number, { bytes, more }: Omit<Buffer, 'at'>): void {
    const ring = RINGS_AT + (way === 'transmit' ? 0 : RECEIVE_RING);
    const flags = more === true ? 0 : END_OF_PACKET;
    this.ram.set(
      words([8, address], [2, bytes], [2, flags], [4, (index + 1) % 2 ** 16]),
      ring + 16 * (index % this.#slots),
    );
  }

  ring(way: Way, producer: number): void {
    this.producers[way] = producer;
    this.setRegister(way === 'transmit' ? TX_PRODUCER : RX_PRODUCER, producer);
  }

  /** The consumer index in the status block. */
  consumer(way: Way): number {
    const word = way === 'transmit' ? 0 : 4;
    return this.handOver === HAND_OVER.hypervisorWrites
      ? this.ringWindow(STATUS + word)
      : wordAt(this.ram, RINGS_AT + STATUS + word, 4);
  }

  /** Length and flags that the card has left in a receive descriptor. */
  received(index: number): { readonly bytes: number; readonly flags: number } {
    const at = RECEIVE_RING + 16 * (index % this.#slots) + 8;
    const both =
      this.handOver === HAND_OVER.hypervisorWrites ? this.ringWindow(at) : wordAt(this.ram, RINGS_AT + at, 4);
    return { bytes: both % 2 ** 16, flags: Math.floor(both / 2 ** 16) };
  }

  /** Tells of finished buffers, where that has a call. */
  finish(way: Way): void {
    if (this.handOver !== HAND_OVER.mapThenWrite) return;
    this.call(way === 'transmit' ? CALL.transmitFinished : CALL.receiveFinished, this.consumer(way));
  }
}

/** A little-endian number of so many bytes. */
export function wordAt(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let byte = count - 1; byte >= 0; byte -= 1) value = value * 256 + (bytes[at + byte] ?? 0);
  return value;
}

/** A lab whose guests have the card's own registers, and a driver for each. */
export function cardLab(options: LabOptions = {}, guests = 2): { lab: Lab; drivers: CardDriver[] } {
  const lab = new Lab({
    ...options,
    weights: Array.from({ length: guests }, () => 1),
    scenario: {
      guests: Array.from({ length: guests }, (_, index) => ({
        name: `guest${index}`,
        attached: true,
        card: 'cdna',
        memoryMegabytes: 4,
        transmitSlots: SLOTS,
        receiveSlots: SLOTS,
      })),
      ...options.scenario,
    },
  });
  const drivers = Array.from({ length: guests }, (_, index) => cardDriver(lab, index));
  return { lab, drivers };
}

/** A driver for a guest of a lab that has such a card. */
export function cardDriver(lab: Lab, index: number): CardDriver {
  const client = lab.clients[index];
  if (client === undefined) throw new Error(`no client ${index}`);
  return new CardDriver(client, lab.ram(index), (ns) => lab.run(ns));
}

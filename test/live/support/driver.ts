import { type Client, words } from './client.js';

/** A guest's RAM as its own CPU has it. */
export interface Ram {
  read(address: number, length: number): Uint8Array;
  write(address: number, bytes: Uint8Array): void;
}

/** A piece of a chain, as a driver describes it. */
export interface Piece {
  readonly at: number;
  readonly bytes: number;
  /** Flags besides those that the chain and its direction need. */
  readonly flags?: number;
  /** Where the next one is, instead of in the next slot. */
  readonly next?: number;
}

/** Feature bits of VIRTIO 1.2 that a driver may accept. */
export const MRG_RXBUF = 1n << 15n;
export const INDIRECT = 1n << 28n;
export const EVENT_IDX = 1n << 29n;
export const VERSION_1 = 1n << 32n;
export const ACCESS_PLATFORM = 1n << 33n;
const MAC = 1n << 5n;

export const RECEIVE = 0;
export const TRANSMIT = 1;
const SIZE = 256;

/** Where the driver's rings lie: table, available ring and used ring of each queue. */
export const RINGS = [
  { table: 0x10000, available: 0x12000, used: 0x13000 },
  { table: 0x20000, available: 0x22000, used: 0x23000 },
] as const;

/**
 * A virtio network driver of a few lines, as VIRTIO 1.2 describes one; every offset is restated. It posts whatever it is
 * told to, so the same driver is honest or hostile.
 */
export class Driver {
  readonly client: Client;
  readonly ram: Ram;
  /** What it accepts unless it is told otherwise. */
  features = MRG_RXBUF | VERSION_1 | MAC;
  readonly #available = [0, 0];
  readonly #seen = [0, 0];

  constructor(client: Client, ram: Ram) {
    this.client = client;
    this.ram = ram;
  }

  /** From a reset to DRIVER_OK (3.1.1). Returns the status that the device then shows. */
  start(
    features = this.features,
    rings: readonly { table: number; available: number; used: number }[] = RINGS,
  ): number {
    const { client } = this;
    // BAR 1 has an address, so that its table can be read.
    client.write(7, 0x14, 0xfeb00000, 4);
    client.write(0, 20, 0, 1);
    client.write(0, 20, 1, 1);
    client.write(0, 20, 3, 1);
    client.write(0, 8, 0, 4);
    client.write(0, 12, Number(features & 0xffffffffn), 4);
    client.write(0, 8, 1, 4);
    client.write(0, 12, Number(features >> 32n), 4);
    client.write(0, 20, 11, 1);
    for (const [queue, ring] of rings.entries()) {
      const own = RINGS[queue] ?? RINGS[0];
      this.ram.write(own.table, new Uint8Array(0x4000));
      client.write(0, 22, queue, 2);
      client.write(0, 24, SIZE, 2);
      client.write(0, 26, queue + 1, 2);
      for (const [offset, address] of [
        [32, ring.table],
        [40, ring.available],
        [48, ring.used],
      ] as const) {
        client.write(0, offset, address % 2 ** 32, 4);
        client.write(0, offset + 4, Math.floor(address / 2 ** 32), 4);
      }
      client.write(0, 28, 1, 2);
    }
    this.#available.fill(0);
    this.#seen.fill(0);
    client.write(0, 16, 0, 2);
    client.setInterrupts();
    client.write(0, 20, 15, 1);
    return this.status;
  }

  get status(): number {
    return this.client.read(0, 20, 1);
  }

  /** Puts a chain into the table from `slot` on and makes it available; tells the device unless `quiet`. */
  post(queue: number, slot: number, chain: readonly Piece[], quiet = false): void {
    const { table } = RINGS[queue] ?? RINGS[0];
    for (const [step, piece] of chain.entries()) {
      const flags = (piece.flags ?? 0) | (step < chain.length - 1 ? 1 : 0) | (queue === RECEIVE ? 2 : 0);
      this.ram.write(
        table + 16 * ((slot + step) % SIZE),
        words([8, piece.at], [4, piece.bytes], [2, flags], [2, piece.next ?? slot + step + 1]),
      );
    }
    this.offer(queue, slot);
    if (!quiet) this.notify(queue);
  }

  /** Puts a head into the available ring and moves its index. */
  offer(queue: number, head: number): void {
    const { available } = RINGS[queue] ?? RINGS[0];
    const index = this.#available[queue] ?? 0;
    this.ram.write(available + 4 + 2 * (index % SIZE), words([2, head]));
    this.setIndex(queue, (index + 1) & 0xffff);
  }

  /** Says how far the available ring is filled. */
  setIndex(queue: number, index: number): void {
    this.#available[queue] = index;
    this.ram.write((RINGS[queue] ?? RINGS[0]).available + 2, words([2, index]));
  }

  availableIndex(queue: number): number {
    return this.#available[queue] ?? 0;
  }

  notify(queue: number): void {
    this.client.write(0, 0x3000 + 4 * queue, queue, 2, 0x10);
  }

  /** The device's used index. */
  used(queue: number): number {
    return word(this.ram.read((RINGS[queue] ?? RINGS[0]).used + 2, 2));
  }

  /** Entries of the used ring that were not looked at before: head and length. */
  takeUsed(queue: number): { head: number; length: number }[] {
    const { used } = RINGS[queue] ?? RINGS[0];
    const list: { head: number; length: number }[] = [];
    for (const end = this.used(queue); this.#seen[queue] !== end; ) {
      const at = (this.#seen[queue] ?? 0) % SIZE;
      const entry = this.ram.read(used + 4 + 8 * at, 8);
      list.push({ head: word(entry), length: word(entry.subarray(4)) });
      this.#seen[queue] = ((this.#seen[queue] ?? 0) + 1) & 0xffff;
    }
    return list;
  }

  /** Writes a header and a frame to RAM, and sends it in one piece. */
  send(slot: number, at: number, frame: Uint8Array): void {
    this.ram.write(at, new Uint8Array(12));
    this.ram.write(at + 12, frame);
    this.post(TRANSMIT, slot, [{ at, bytes: 12 + frame.length }]);
  }
}

/** A frame: destination, source, type 0800h, and text padded to `bytes`. */
export function ethernet(destination: number, source: number, text: string, bytes = 60): Uint8Array {
  const frame = new Uint8Array(Math.max(bytes, 14 + text.length));
  for (const [at, mac] of [
    [0, destination],
    [6, source],
  ] as const) {
    let rest = mac;
    for (let step = 5; step >= 0; step -= 1) {
      frame[at + step] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
  frame[12] = 8;
  frame.set(new TextEncoder().encode(text), 14);
  return frame;
}

function word(bytes: Uint8Array): number {
  return (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8);
}

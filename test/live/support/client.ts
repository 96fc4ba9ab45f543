import type { ClientConnection } from '../../../src/live/vfio-user/session.js';

/** A message as it came, taken apart. */
export interface Received {
  readonly id: number;
  readonly command: number;
  readonly flags: number;
  readonly error: number;
  readonly payload: Uint8Array;
}

/** Where a client's bytes go. */
export interface Wire {
  connect(connection: ClientConnection): boolean;
  /** @param ram for each file descriptor that goes along, whether it is of the RAM file */
  send(bytes: Uint8Array, ram?: readonly boolean[]): void;
  close(): void;
}

/**
 * A vfio-user client as a virtual machine monitor has one, written from the protocol's specification: its numbers are
 * restated here. It answers the server's DMA_READ from a table of three MSI-X vectors, and counts DMA_WRITEs to them.
 */
export class Client {
  readonly interrupts = [0, 0, 0];
  readonly messages: Uint8Array[] = [];
  closedFor: string | undefined;
  /** The MSI-X table as the guest has set it; its address is that of BAR 1. */
  readonly table = new Uint8Array(48);
  /** Descriptors that the server has signalled and let go, by their numbers: they are counted from 0 as they are sent. */
  readonly signalled: number[] = [];
  readonly released: number[] = [];
  readonly #wire: Wire;
  readonly #sendsDescriptors: boolean;
  readonly #replies = new Map<number, Received>();
  #id = 0;

  /** @param sendsDescriptors with mappings that of the RAM file, with interrupts one for each vector, as QEMU does. */
  constructor(wire: Wire, sendsDescriptors = false) {
    this.#wire = wire;
    this.#sendsDescriptors = sendsDescriptors;
    const view = new DataView(this.table.buffer);
    for (let vector = 0; vector < 3; vector += 1) {
      view.setUint32(16 * vector, 0xfee00000, true);
      view.setUint32(16 * vector + 8, 0x40 + vector, true);
    }
  }

  connect(): boolean {
    return this.#wire.connect({
      send: (bytes) => this.#take(bytes),
      close: (reason) => {
        this.closedFor = reason;
      },
      ...(this.#sendsDescriptors
        ? {
            descriptors: {
              signal: (number) => void this.signalled.push(number),
              release: (number) => void this.released.push(number),
            },
          }
        : {}),
    });
  }

  disconnect(): void {
    this.#wire.close();
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array, ram: readonly boolean[] = []): void {
    this.#wire.send(bytes, ram);
  }

  /** Sends a command; returns the reply that has come at once, or undefined. */
  command(code: number, payload: Uint8Array, flags = 0, ram: readonly boolean[] = []): Received | undefined {
    this.#id = (this.#id + 1) & 0x7fff;
    this.raw(frame(this.#id, code, flags, payload), this.#sendsDescriptors ? ram : []);
    const reply = this.#replies.get(this.#id);
    this.#replies.delete(this.#id);
    return reply;
  }

  /** A reply to a command that was not answered at once. */
  lateReply(): Received | undefined {
    const reply = this.#replies.get(this.#id);
    this.#replies.delete(this.#id);
    return reply;
  }

  version(major = 0): Received | undefined {
    const text = new TextEncoder().encode('{"capabilities":{"max_msg_fds":8}}\0');
    const payload = new Uint8Array(4 + text.length);
    new DataView(payload.buffer).setUint16(0, major, true);
    new DataView(payload.buffer).setUint16(2, 1, true);
    payload.set(text, 4);
    return this.command(1, payload);
  }

  map(address: number, size: number, offset: number, flags = 3): Received | undefined {
    return this.command(2, words([4, 32], [4, flags], [8, offset], [8, address], [8, size]), 0, [true]);
  }

  unmap(address: number, size: number, flags = 0): Received | undefined {
    return this.command(3, words([4, 24], [4, flags], [8, address], [8, size]));
  }

  read(region: number, offset: number, count: number): number {
    const reply = this.command(9, words([8, offset], [4, region], [4, count]));
    if (reply === undefined || reply.error !== 0) return -1;
    let value = 0;
    for (let at = count - 1; at >= 0; at -= 1) value = value * 256 + (reply.payload[16 + at] ?? 0);
    return value;
  }

  write(region: number, offset: number, value: number, count: number, flags = 0): Received | undefined {
    return this.command(10, words([8, offset], [4, region], [4, count], [count, value]), flags);
  }

  setInterrupts(): Received | undefined {
    const payload = words([4, 20], [4, this.#sendsDescriptors ? 0x24 : 4], [4, 2], [4, 0], [4, 3]);
    return this.command(8, payload, 0, [false, false, false]);
  }

  #take(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const got: Received = {
      id: view.getUint16(0, true),
      command: view.getUint16(2, true),
      flags: view.getUint32(8, true),
      error: view.getUint32(12, true),
      payload: bytes.subarray(16),
    };
    this.messages.push(bytes);
    if ((got.flags & 0xf) === 1) this.#replies.set(got.id, got);
    else if (got.command === 12) this.#interrupt(view);
    else if (got.command === 11) {
      const answer = new Uint8Array(16 + this.table.length);
      answer.set(got.payload.subarray(0, 16));
      answer.set(this.table, 16);
      this.#wire.send(frame(got.id, 11, 1, answer));
    }
  }

  #interrupt(view: DataView): void {
    const data = view.getUint32(32, true);
    for (let vector = 0; vector < 3; vector += 1)
      if (data === 0x40 + vector) this.interrupts[vector] = (this.interrupts[vector] ?? 0) + 1;
  }
}

/** A message: header and payload. */
export function frame(id: number, code: number, flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id, true);
  view.setUint16(2, code, true);
  view.setUint32(4, bytes.length, true);
  view.setUint32(8, flags, true);
  bytes.set(payload, 16);
  return bytes;
}

/** Little-endian words, each given as its width and value. */
export function words(...list: readonly (readonly [width: number, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(list.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of list) {
    let rest = value;
    for (let step = 0; step < width; step += 1) {
      bytes[at + step] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    at += width;
  }
  return bytes;
}

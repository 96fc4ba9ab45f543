/**
 * Writes captures for the tests, straight from the two drafts (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng)
 * and sharing nothing with the reader.
 */
export class ByteSink {
  readonly littleEndian: boolean;
  readonly #bytes: number[] = [];

  constructor(littleEndian: boolean) {
    this.littleEndian = littleEndian;
  }

  get length(): number {
    return this.#bytes.length;
  }

  u8(value: number): this {
    this.#bytes.push(value & 0xff);
    return this;
  }

  u16(value: number): this {
    return this.littleEndian ? this.u8(value).u8(value >>> 8) : this.u8(value >>> 8).u8(value);
  }

  u32(value: number): this {
    const [low, high] = [value & 0xffff, value >>> 16];
    return this.littleEndian ? this.u16(low).u16(high) : this.u16(high).u16(low);
  }

  u64(value: bigint): this {
    const [low, high] = [Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn)];
    return this.littleEndian ? this.u32(low).u32(high) : this.u32(high).u32(low);
  }

  bytes(values: Iterable<number>): this {
    for (const value of values) this.#bytes.push(value);
    return this;
  }

  pad(): this {
    while (this.#bytes.length % 4 !== 0) this.#bytes.push(0);
    return this;
  }

  toBytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

export interface WrittenFrame {
  readonly timeNs: bigint;
  readonly bytes: Uint8Array;
  readonly originalLength: number;
}

export interface PcapStyle {
  readonly littleEndian: boolean;
  readonly nanoseconds: boolean;
  readonly linkType?: number;
}

export function writePcap(style: PcapStyle, frames: readonly WrittenFrame[]): Uint8Array {
  const sink = new ByteSink(style.littleEndian);
  sink.u32(style.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4);
  sink.u16(2).u16(4).u32(0).u32(0).u32(65535);
  sink.u32(style.linkType ?? 1);
  for (const { timeNs, bytes, originalLength } of frames) {
    const fraction = timeNs % 1_000_000_000n;
    sink.u32(Number(timeNs / 1_000_000_000n)).u32(Number(style.nanoseconds ? fraction : fraction / 1000n));
    sink.u32(bytes.length).u32(originalLength).bytes(bytes);
  }
  return sink.toBytes();
}

/** A block: type, length, body padded, length. */
export function block(littleEndian: boolean, type: number, fill: (body: ByteSink) => void): Uint8Array {
  const body = new ByteSink(littleEndian);
  fill(body);
  body.pad();
  const length = body.length + 12;
  return new ByteSink(littleEndian).u32(type).u32(length).bytes(body.toBytes()).u32(length).toBytes();
}

export function option(sink: ByteSink, code: number, value: Iterable<number>): void {
  const bytes = [...value];
  sink.u16(code).u16(bytes.length).bytes(bytes).pad();
}

export function sectionHeader(littleEndian: boolean): Uint8Array {
  return block(littleEndian, 0x0a0d0d0a, (body) => body.u32(0x1a2b3c4d).u16(1).u16(0).u64(-1n));
}

export interface InterfaceStyle {
  readonly linkType?: number;
  readonly name?: string;
  /** The raw if_tsresol byte. */
  readonly resolution?: number;
  readonly offsetSeconds?: bigint;
  readonly snapBytes?: number;
  readonly fcsBytes?: number;
}

export function interfaceBlock(littleEndian: boolean, style: InterfaceStyle): Uint8Array {
  return block(littleEndian, 1, (body) => {
    body
      .u16(style.linkType ?? 1)
      .u16(0)
      .u32(style.snapBytes ?? 0);
    if (style.name !== undefined) option(body, 2, new TextEncoder().encode(style.name));
    if (style.resolution !== undefined) option(body, 9, [style.resolution]);
    if (style.fcsBytes !== undefined) option(body, 13, [style.fcsBytes]);
    if (style.offsetSeconds !== undefined) {
      option(body, 14, new ByteSink(littleEndian).u64(style.offsetSeconds).toBytes());
    }
    option(body, 0, []);
  });
}

export interface PacketStyle {
  readonly interfaceId: number;
  readonly ticks: bigint;
  readonly bytes: Uint8Array;
  readonly originalLength: number;
  readonly flags?: number;
  readonly comment?: string;
}

export function enhancedPacket(littleEndian: boolean, packet: PacketStyle): Uint8Array {
  return block(littleEndian, 6, (body) => {
    body.u32(packet.interfaceId);
    packetBody(body, packet);
  });
}

export function obsoletePacket(littleEndian: boolean, packet: PacketStyle): Uint8Array {
  return block(littleEndian, 2, (body) => {
    body.u16(packet.interfaceId).u16(0xffff);
    packetBody(body, packet);
  });
}

export function simplePacket(littleEndian: boolean, bytes: Uint8Array, originalLength: number): Uint8Array {
  return block(littleEndian, 3, (body) => body.u32(originalLength).bytes(bytes));
}

function packetBody(body: ByteSink, packet: PacketStyle): void {
  body.u32(Number(packet.ticks >> 32n)).u32(Number(packet.ticks & 0xffffffffn));
  body.u32(packet.bytes.length).u32(packet.originalLength).bytes(packet.bytes).pad();
  if (packet.comment !== undefined) option(body, 1, new TextEncoder().encode(packet.comment));
  if (packet.flags !== undefined) {
    option(body, 2, new ByteSink(body.littleEndian).u32(packet.flags).toBytes());
  }
  if (packet.comment !== undefined || packet.flags !== undefined) option(body, 0, []);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

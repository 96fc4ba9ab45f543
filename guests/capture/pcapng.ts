import { linkTypeName } from './capture.js';
import type { CaptureBytes } from './capture-bytes.js';
import type { FrameCollector } from './frame-collector.js';
import { linkLayerOf, type RecordedPacket } from './link-layer.js';
import { checkLengths } from './pcap.js';
import { type PcapngInterface, parseInterface } from './pcapng-interface.js';
import { forEachOption, padded } from './pcapng-options.js';

/** Type of the section header block, with which every pcapng file starts. It reads the same in both byte orders. */
export const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION_BLOCK = 1;
const PACKET_BLOCK = 2;
const SIMPLE_PACKET_BLOCK = 3;
const ENHANCED_PACKET_BLOCK = 6;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const BYTE_ORDER_MAGIC_SWAPPED = 0x4d3c2b1a;
/** Type and length before a block's body, length again behind it. */
const BLOCK_OVERHEAD_BYTES = 12;
const OPTION_PACKET_FLAGS = 2;

/** A block that is longer than this is damage; a shorter one that the file does not hold whole was cut off. */
const MOST_BLOCK_BYTES = 1 << 24;

/** Reads pcapng (draft-ietf-opsawg-pcapng). Block types that carry no packets are skipped. */
export function parsePcapng(source: CaptureBytes, frames: FrameCollector): void {
  new PcapngReader(source, frames).read();
}

class PcapngReader {
  readonly #source: CaptureBytes;
  readonly #frames: FrameCollector;
  /** Of the section that is being read; each section counts its interfaces from 0. */
  #interfaces: PcapngInterface[] = [];
  #wantsMore = true;

  constructor(source: CaptureBytes, frames: FrameCollector) {
    this.#source = source;
    this.#frames = frames;
  }

  read(): void {
    let offset = 0;
    while (this.#wantsMore && offset < this.#source.length) offset = this.#readBlock(offset);
  }

  /** Reads the block at `offset`. @returns where the next one begins */
  #readBlock(offset: number): number {
    const source = this.#source;
    if (source.length - offset < BLOCK_OVERHEAD_BYTES) return this.#cutTail(offset, BLOCK_OVERHEAD_BYTES);
    const type = source.u32(offset, 'block type');
    // A section's lengths are in the section's own byte order, so that comes first.
    if (type === SECTION_HEADER_BLOCK) this.#readByteOrder(offset + 8);
    const length = source.u32(offset + 4, 'block length');
    if (length < BLOCK_OVERHEAD_BYTES || length % 4 !== 0) {
      source.fail(
        offset + 4,
        'block length',
        `${length}`,
        `a multiple of 4, at least ${BLOCK_OVERHEAD_BYTES}`,
      );
    }
    if (length > source.length - offset && length <= MOST_BLOCK_BYTES) return this.#cutTail(offset, length);
    source.need(offset, length, `block of ${length} bytes`);
    // Brings the block into the window at once: its end is looked at before its body.
    if (length <= MOST_BLOCK_BYTES) source.view(offset, length, 'block');
    const body = offset + 8;
    const end = offset + length - 4;
    const repeated = source.u32(end, 'block length behind the block');
    if (repeated !== length) {
      source.fail(end, 'block length behind the block', `${repeated}`, `${length}, as in front of it`);
    }
    switch (type) {
      case SECTION_HEADER_BLOCK:
        this.#startSection(body, end);
        break;
      case INTERFACE_DESCRIPTION_BLOCK:
        this.#interfaces.push(parseInterface(source, body, end, this.#interfaces.length));
        break;
      case ENHANCED_PACKET_BLOCK:
      case PACKET_BLOCK:
        this.#readTimedPacket(type, body, end);
        break;
      case SIMPLE_PACKET_BLOCK:
        this.#readSimplePacket(body, end);
        break;
      default:
      // Name resolution, statistics, secrets, journal, custom and unknown blocks carry no packets.
    }
    return offset + length;
  }

  #readByteOrder(offset: number): void {
    const source = this.#source;
    source.littleEndian = true;
    const magic = source.u32(offset, 'byte-order magic');
    source.littleEndian = magic === BYTE_ORDER_MAGIC;
    if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_MAGIC_SWAPPED) {
      source.fail(
        offset,
        'byte-order magic',
        `0x${magic.toString(16)}`,
        `0x${BYTE_ORDER_MAGIC.toString(16)}`,
      );
    }
  }

  /** The section's own length is not used: every block in it gives its own length. */
  #startSection(body: number, end: number): void {
    const source = this.#source;
    if (end - body < 16) source.fail(body, 'section header', `${end - body} bytes`, 'at least 16');
    const major = source.u16(body + 4, 'major version');
    if (major !== 1) source.fail(body + 4, 'major version', `${major}`, '1');
    this.#interfaces = [];
    source.packetNumber = this.#frames.packets + 1;
  }

  #cutTail(offset: number, wantedBytes: number): number {
    this.#frames.cutTail(offset, `block of ${wantedBytes} bytes`, wantedBytes);
    return this.#source.length;
  }

  /** Enhanced packet blocks, and the obsolete packet blocks, which differ in how they name the interface. */
  #readTimedPacket(type: number, body: number, end: number): void {
    const source = this.#source;
    const data = body + 20;
    if (end < data) source.fail(body, 'packet block', `${end - body} bytes`, 'at least 20');
    const id = type === PACKET_BLOCK ? source.u16(body, 'interface') : source.u32(body, 'interface');
    const from = this.#interfaceOf(id, body);
    const ticks = (BigInt(source.u32(body + 4, 'time')) << 32n) | BigInt(source.u32(body + 8, 'time'));
    const capturedLength = source.u32(body + 12, 'captured length');
    const originalLength = source.u32(body + 16, 'original length');
    checkLengths(source, body + 12, capturedLength, originalLength, data, end);
    let fcsBytes = from.fcsBytes;
    forEachOption(source, data + padded(capturedLength), end, (code, value, length) => {
      if (code !== OPTION_PACKET_FLAGS || length !== 4) return;
      // Bits 5 to 8: this packet's own FCS length, 0 when it does not say (section 4.3.1).
      const own = (source.u32(value, 'packet flags') >>> 5) & 0xf;
      if (own !== 0) fcsBytes = own;
    });
    const timeNs = from.timeNs(ticks);
    const bytes = source.view(data, capturedLength, 'packet data');
    this.#take({ timeNs, timed: true, bytes, originalLength, fcsBytes }, from);
  }

  /** A simple packet block has neither time nor captured length: it belongs to interface 0, cut at its limit. */
  #readSimplePacket(body: number, end: number): void {
    const source = this.#source;
    const data = body + 4;
    if (end < data) source.fail(body, 'simple packet block', `${end - body} bytes`, 'at least 4');
    const from = this.#interfaceOf(0, body);
    const originalLength = source.u32(body, 'original length');
    const limit = from.snapBytes === 0 ? originalLength : from.snapBytes;
    const capturedLength = Math.min(originalLength, limit);
    checkLengths(source, body, capturedLength, originalLength, data, end);
    const bytes = source.view(data, capturedLength, 'packet data');
    const { fcsBytes } = from;
    this.#take({ timeNs: this.#frames.lastNs, timed: false, bytes, originalLength, fcsBytes }, from);
  }

  #interfaceOf(id: number, offset: number): PcapngInterface {
    const source: CaptureBytes = this.#source;
    const from = this.#interfaces[id];
    if (from === undefined) {
      source.fail(offset, 'interface', `${id}`, `one of the section's ${this.#interfaces.length} interfaces`);
    }
    return from;
  }

  #take(packet: RecordedPacket, { linkType, label }: PcapngInterface): void {
    const linkName = `${linkTypeName(linkType)} on ${label}`;
    this.#wantsMore = this.#frames.take(packet, linkLayerOf(linkType), linkName);
  }
}

import { type CapturedFrame, LINK_TYPE_ETHERNET, linkTypeName } from './capture.js';
import type { CaptureBytes } from './capture-bytes.js';
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

/** Reads pcapng (draft-ietf-opsawg-pcapng). Block types that carry no packets are stepped over. */
export function parsePcapng(source: CaptureBytes): CapturedFrame[] {
  return new PcapngReader(source).read();
}

class PcapngReader {
  readonly #source: CaptureBytes;
  readonly #frames: CapturedFrame[] = [];
  /** Of the section that is being read; each section counts its interfaces from 0. */
  #interfaces: PcapngInterface[] = [];
  #untimedAtStart = 0;

  constructor(source: CaptureBytes) {
    this.#source = source;
  }

  read(): CapturedFrame[] {
    let offset = 0;
    while (offset < this.#source.length) offset = this.#readBlock(offset);
    return this.#frames;
  }

  #readBlock(offset: number): number {
    const source = this.#source;
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
    source.need(offset, length, `block of ${length} bytes`);
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

  /** The section's own length is not used: every block in it says its length anyway. */
  #startSection(body: number, end: number): void {
    const source = this.#source;
    if (end - body < 16) source.fail(body, 'section header', `${end - body} bytes`, 'at least 16');
    const major = source.u16(body + 4, 'major version');
    if (major !== 1) source.fail(body + 4, 'major version', `${major}`, '1');
    this.#interfaces = [];
    source.packetNumber = this.#frames.length + 1;
  }

  /** Enhanced packet blocks, and the obsolete packet blocks, which differ in how they name the interface. */
  #readTimedPacket(type: number, body: number, end: number): void {
    const source = this.#source;
    const data = body + 20;
    if (end < data) source.fail(body, 'packet block', `${end - body} bytes`, 'at least 20');
    const id = type === PACKET_BLOCK ? source.u16(body, 'interface') : source.u32(body, 'interface');
    const from = this.#ethernetInterface(id, body);
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
    this.#giveTimeToStart(timeNs);
    this.#push(timeNs, true, source.view(data, capturedLength, 'packet data'), originalLength, fcsBytes);
  }

  /** A simple packet block has neither time nor captured length: it belongs to interface 0, cut at its limit. */
  #readSimplePacket(body: number, end: number): void {
    const source = this.#source;
    const data = body + 4;
    if (end < data) source.fail(body, 'simple packet block', `${end - body} bytes`, 'at least 4');
    const from = this.#ethernetInterface(0, body);
    const originalLength = source.u32(body, 'original length');
    const limit = from.snapBytes === 0 ? originalLength : from.snapBytes;
    const capturedLength = Math.min(originalLength, limit);
    checkLengths(source, body, capturedLength, originalLength, data, end);
    const before = this.#frames.at(-1);
    if (before === undefined || this.#untimedAtStart > 0) this.#untimedAtStart += 1;
    const bytes = source.view(data, capturedLength, 'packet data');
    this.#push(before?.timeNs ?? 0n, false, bytes, originalLength, from.fcsBytes);
  }

  #ethernetInterface(id: number, offset: number): PcapngInterface {
    const source: CaptureBytes = this.#source;
    const from = this.#interfaces[id];
    if (from === undefined) {
      source.fail(offset, 'interface', `${id}`, `one of the section's ${this.#interfaces.length} interfaces`);
    }
    if (from.linkType !== LINK_TYPE_ETHERNET) {
      const field = `link type of ${from.label}`;
      source.fail(offset, field, linkTypeName(from.linkType), linkTypeName(LINK_TYPE_ETHERNET));
    }
    return from;
  }

  /** Frames without a time that open the capture take the time of the first frame that has one. */
  #giveTimeToStart(timeNs: bigint): void {
    for (let index = 0; index < this.#untimedAtStart; index += 1) {
      const frame = this.#frames[index];
      if (frame !== undefined) this.#frames[index] = { ...frame, timeNs };
    }
    this.#untimedAtStart = 0;
  }

  #push(timeNs: bigint, timed: boolean, bytes: Uint8Array, originalLength: number, fcsBytes: number): void {
    this.#frames.push({ timeNs, timed, bytes, originalLength, fcsBytes });
    this.#source.packetNumber = this.#frames.length + 1;
  }
}

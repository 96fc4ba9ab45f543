import type { OutputFile } from './output-file.js';
import { BLOCK_OVERHEAD_BYTES, PcapngBlock } from './pcapng-block.js';
import type { TextLine } from './text-line.js';

const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION_BLOCK = 1;
const INTERFACE_STATISTICS_BLOCK = 5;
const ENHANCED_PACKET_BLOCK = 6;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINK_TYPE_ETHERNET = 1;
/** if_tsresol: times are in units of 10^-9 s. */
const NANOSECONDS = 9;
/** What Wireshark takes at most. */
const SNAP_BYTES = 262_144;
/** Bytes of a comment that are kept: more than any reason is long, and far below the 65,535 of an option. */
const MAX_TEXT_BYTES = 4096;
/** A packet with all its options and paddings fits the buffer twice over. */
export const PCAPNG_BUFFER_BYTES = 1 << 20;

// Option codes of draft-ietf-opsawg-pcapng.
const OPT_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_SPEED = 8;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;
const ISB_STARTTIME = 2;
const ISB_ENDTIME = 3;
const ISB_IFRECV = 4;
const ISB_IFDROP = 5;
const ISB_FILTERACCEPT = 6;
const ISB_OSDROP = 7;
const ISB_USRDELIV = 8;

const DIRECTION_FLAGS = { in: 1, out: 2 } as const;

/** What a capture says of one of its interfaces. */
export interface CapturedInterface {
  readonly name: string;
  readonly description?: string;
  /** Bits per second. */
  readonly speedBps?: number;
  /** Bytes kept of a frame, at most. Default 262,144. */
  readonly snapBytes?: number;
}

/** What is noted beside a packet. */
export interface PacketNotes {
  /** Seen from the interface: `out` is what its owner sent. */
  readonly direction: 'in' | 'out';
  /** Shown by Wireshark as the packet's comment. */
  readonly comment?: string;
}

/** Counts of one interface at the end of a capture. Those that are left out are unknown to the reader, not 0. */
export interface InterfaceStatistics {
  /** When the counts were taken, ns of virtual time. */
  readonly atNs: number;
  /** When the capture began and ended, ns. */
  readonly startNs?: number;
  readonly endNs?: number;
  /** isb_ifrecv: packets that came to the interface. */
  readonly receivedFrames?: number;
  /** isb_ifdrop: packets that the interface dropped for want of resources. */
  readonly droppedFrames?: number;
  /** isb_filteraccept: packets that a filter let through. */
  readonly acceptedFrames?: number;
  /** isb_osdrop: packets that the operating system dropped. */
  readonly osDroppedFrames?: number;
  /** isb_usrdeliv: packets delivered to the user. */
  readonly deliveredFrames?: number;
  /** For example the drops by reason. */
  readonly comment?: string;
}

/**
 * Writes a capture that Wireshark reads: pcapng (draft-ietf-opsawg-pcapng) in one section, little-endian, Ethernet,
 * times in nanoseconds of virtual time, so a run starts on 1 January 1970.
 *
 * The file appears when it is closed, whole; `abort` leaves nothing. @throws OutputFileError from every method
 * that writes.
 */
export class PcapngStream {
  readonly path: string;
  readonly #file: OutputFile;
  readonly #block: PcapngBlock;
  #interfaces = 0;
  #packets = 0;

  /** @param file whose buffer has `PCAPNG_BUFFER_BYTES` or more */
  /** @param about stands in the header of the file, for example the command that writes it */
  constructor(file: OutputFile, about?: string) {
    this.path = file.path;
    this.#file = file;
    this.#block = new PcapngBlock(this.#file);
    const block = this.#block.begin(SECTION_HEADER_BLOCK, BLOCK_OVERHEAD_BYTES + 32 + 2 * MAX_TEXT_BYTES);
    block.u32(BYTE_ORDER_MAGIC).u16(1).u16(0);
    // Length of the section: not said, since it is not known yet.
    block.u32(0xffff_ffff).u32(0xffff_ffff);
    if (about !== undefined) block.textOption(OPT_COMMENT, about, MAX_TEXT_BYTES);
    block.textOption(SHB_USERAPPL, 'cdna-nic', MAX_TEXT_BYTES).endOptions().end();
  }

  /** Packets written. */
  get packets(): number {
    return this.#packets;
  }

  /** Declares an interface and gives the number that its packets are written under. At any time before them. */
  addInterface({ name, description, speedBps, snapBytes = SNAP_BYTES }: CapturedInterface): number {
    const block = this.#block.begin(
      INTERFACE_DESCRIPTION_BLOCK,
      BLOCK_OVERHEAD_BYTES + 64 + 2 * MAX_TEXT_BYTES,
    );
    block.u16(LINK_TYPE_ETHERNET).u16(0).u32(checkCount('snapBytes', snapBytes));
    block.textOption(IF_NAME, name, MAX_TEXT_BYTES);
    if (description !== undefined) block.textOption(IF_DESCRIPTION, description, MAX_TEXT_BYTES);
    if (speedBps !== undefined) block.u64Option(IF_SPEED, checkCount('speedBps', speedBps));
    block.byteOption(IF_TSRESOL, NANOSECONDS).endOptions().end();
    this.#interfaces += 1;
    return this.#interfaces - 1;
  }

  /**
   * Writes one frame: `length` bytes of `bytes` from `offset` on, without FCS. Nothing of it is kept.
   * `keptBytes` of it are written, at most 262,144; the length that it had is noted in any case.
   *
   * @param timeNs virtual time, a whole number. Packets may come in any order of time.
   */
  packet(
    iface: number,
    timeNs: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    notes: PacketNotes,
    keptBytes: number = length,
  ): void {
    const { comment, direction } = notes;
    const block = this.#beginPacket(iface, timeNs, bytes, offset, length, keptBytes, MAX_TEXT_BYTES);
    if (comment !== undefined) block.textOption(OPT_COMMENT, comment, MAX_TEXT_BYTES);
    this.#endPacket(block, direction);
  }

  /** The same with a comment that is lent, and of any length that an option has. */
  lentPacket(
    iface: number,
    timeNs: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    direction: PacketNotes['direction'],
    comment: TextLine,
    keptBytes: number,
  ): void {
    const block = this.#beginPacket(iface, timeNs, bytes, offset, length, keptBytes, comment.length);
    this.#endPacket(block.lineOption(OPT_COMMENT, comment), direction);
  }

  /** Writes the counts of an interface; at the end of the run, once each. */
  interfaceStatistics(iface: number, statistics: InterfaceStatistics): void {
    this.#checkInterface(iface);
    const block = this.#block.begin(INTERFACE_STATISTICS_BLOCK, BLOCK_OVERHEAD_BYTES + 128 + MAX_TEXT_BYTES);
    block.u32(iface).time(checkCount('atNs', statistics.atNs));
    if (statistics.comment !== undefined) block.textOption(OPT_COMMENT, statistics.comment, MAX_TEXT_BYTES);
    if (statistics.startNs !== undefined)
      block.timeOption(ISB_STARTTIME, checkCount('startNs', statistics.startNs));
    if (statistics.endNs !== undefined) block.timeOption(ISB_ENDTIME, checkCount('endNs', statistics.endNs));
    countOption(block, ISB_IFRECV, 'receivedFrames', statistics.receivedFrames);
    countOption(block, ISB_IFDROP, 'droppedFrames', statistics.droppedFrames);
    countOption(block, ISB_FILTERACCEPT, 'acceptedFrames', statistics.acceptedFrames);
    countOption(block, ISB_OSDROP, 'osDroppedFrames', statistics.osDroppedFrames);
    countOption(block, ISB_USRDELIV, 'deliveredFrames', statistics.deliveredFrames);
    block.endOptions().end();
  }

  /** Completes the file and puts it in its place. */
  close(): void {
    this.#file.commit();
  }

  /** Completes the file, not yet in its place. @throws OutputFileError */
  seal(): void {
    this.#file.seal();
  }

  /** The file that it writes, for those who write several that appear together. */
  get file(): OutputFile {
    return this.#file;
  }

  /** Gives the file up and leaves nothing. Does nothing after `close`. */
  abort(): void {
    this.#file.abort();
  }

  #beginPacket(
    iface: number,
    timeNs: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    keptBytes: number,
    textBytes: number,
  ): PcapngBlock {
    this.#checkInterface(iface);
    checkCount('timeNs', timeNs);
    if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
      throw new RangeError(
        `frame at ${offset}, ${length} bytes long, expected one within ${bytes.length} bytes`,
      );
    }
    const captured = Math.min(length, keptBytes, SNAP_BYTES);
    const block = this.#block.begin(ENHANCED_PACKET_BLOCK, BLOCK_OVERHEAD_BYTES + 64 + captured + textBytes);
    return block.u32(iface).time(timeNs).u32(captured).u32(length).bytes(bytes, offset, captured);
  }

  #endPacket(block: PcapngBlock, direction: PacketNotes['direction']): void {
    block.u32Option(EPB_FLAGS, DIRECTION_FLAGS[direction]).endOptions().end();
    this.#packets += 1;
  }

  #checkInterface(iface: number): void {
    if (!(Number.isInteger(iface) && iface >= 0 && iface < this.#interfaces)) {
      throw new RangeError(
        `${this.path}: interface ${iface}, expected one of the ${this.#interfaces} declared`,
      );
    }
  }
}

function countOption(block: PcapngBlock, code: number, field: string, count: number | undefined): void {
  if (count !== undefined) block.u64Option(code, checkCount(field, count));
}

function checkCount(field: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`${field} is ${value}, expected a whole number, 0 or more`);
}

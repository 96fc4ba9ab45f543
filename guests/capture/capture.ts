import { counted } from '../../scheduler/counted.js';
import { UserError } from '../../scheduler/errors.js';

/** A capture in memory: the frames of one file, in the order in which the file has them. */
export interface Capture {
  /** Name under which the capture was read, for messages. */
  readonly name: string;
  readonly frames: readonly CapturedFrame[];
  readonly reading: CaptureReading;
}

/** Summary of reading a file. */
export interface CaptureReading {
  /** Packets examined, including those of other links. */
  readonly packets: number;
  /** Frames whose Ethernet header is made up, since the recorder's link has none (cooked, raw IP, loopback). */
  readonly synthesised: number;
  /** Packets left out because of their link, by its name. */
  readonly foreign: Readonly<Record<string, number>>;
  /** Whether the file continues beyond the limits. */
  readonly unread: boolean;
  /** If the file's tail is cut off: where, and how much. */
  readonly cut: string | undefined;
}

/** What a user should know about how a capture was read, one sentence each. */
export function captureNotes({ name, reading }: Capture): string[] {
  const notes: string[] = [];
  if (reading.cut !== undefined) notes.push(`${name} ${reading.cut}`);
  if (reading.synthesised > 0) {
    notes.push(
      `${name}: ${counted(reading.synthesised, 'frame has an Ethernet header that was', 'frames have Ethernet headers that were')} made up: the link it was recorded on has none`,
    );
  }
  for (const [link, packets] of Object.entries(reading.foreign)) {
    notes.push(
      `${name}: ${counted(packets, 'packet')} of link type ${link} ${packets === 1 ? 'was' : 'were'} left out`,
    );
  }
  return notes;
}

/** One frame as it was recorded. */
export interface CapturedFrame {
  /**
   * When it was recorded, ns since 1970-01-01 UTC. A bigint: today's times have 61 bits and a number keeps 53.
   * Resolutions finer than a nanosecond are rounded down, as Wireshark does.
   */
  readonly timeNs: bigint;
  /**
   * False for a frame that the file gives no time (a simple packet block). `timeNs` is then that of the frame
   * before it, or of the first timed frame when there is none before it, or 0 when no frame has a time.
   */
  readonly timed: boolean;
  /** The recorded bytes: a view into the file's bytes, not a copy, unless the Ethernet header is made up. */
  readonly bytes: Uint8Array;
  /** Bytes that the frame had on the wire. More than `bytes` holds when the recorder cut it short. */
  readonly originalLength: number;
  /** How many of the last of `originalLength` bytes are the frame check sequence: 0 in most captures. */
  readonly fcsBytes: number;
}

/** What a `CaptureError` knows. */
export interface CaptureFault {
  /** Name of the capture. */
  readonly file: string;
  /** Byte of the file at which the reading stopped. */
  readonly offset: number;
  /** The packet that was being read, counted from 1 as Wireshark does; undefined in the file's header. */
  readonly packetNumber: number | undefined;
  /** Which field. */
  readonly field: string;
  /** What it held. */
  readonly found: string;
  /** What it should have held. */
  readonly expected: string;
}

/** A capture that cannot be read. The file is the user's, so the message says where to look in it. */
export class CaptureError extends UserError {
  override readonly name = 'CaptureError';
  readonly fault: CaptureFault;

  constructor(fault: CaptureFault) {
    const where = fault.packetNumber === undefined ? '' : `, packet ${fault.packetNumber}`;
    super(
      `${fault.file}: byte ${fault.offset}${where}: ${fault.field} is ${fault.found}, expected ${fault.expected}`,
    );
    this.fault = fault;
  }
}

const LINK_TYPE_NAMES: Readonly<Record<number, string>> = {
  0: 'NULL (BSD loopback)',
  1: 'ETHERNET',
  9: 'PPP',
  12: 'RAW (IP)',
  101: 'RAW (IP)',
  105: 'IEEE802_11',
  14: 'RAW (IP)',
  108: 'LOOP (OpenBSD loopback)',
  113: 'LINUX_SLL (cooked, "any" interface)',
  127: 'IEEE802_11_RADIOTAP',
  189: 'USB_LINUX',
  220: 'USB_LINUX_MMAPPED',
  228: 'IPV4',
  229: 'IPV6',
  276: 'LINUX_SLL2 (cooked, "any" interface)',
};

/** A link type in readable form: its number and, when it is a common one, its name. */
export function linkTypeName(linkType: number): string {
  const name = LINK_TYPE_NAMES[linkType];
  return name === undefined ? `${linkType}` : `${linkType}, ${name}`;
}

import { counted } from '../../scheduler/counted.js';
import { tally } from '../../scheduler/tally.js';
import type { CapturedFrame, CaptureReading } from './capture.js';
import type { CaptureBytes } from './capture-bytes.js';
import type { LinkLayer, RecordedPacket } from './link-layer.js';

/** How much of a capture to read. */
export interface CaptureLimits {
  /** Frames up to this time after the first are enough, ns. @defaultValue all */
  readonly untilNs?: number;
}

/** Frames that are held in memory at most: about a quarter of a gigabyte besides their bytes. */
const MOST_FRAMES = 2_000_000;
/** Recorders of several interfaces or cores leave frames out of order by about this much. */
const DISORDER_NS = 10_000_000;
/** After a frame this much later than what is wanted, nothing of it is expected to follow. */
const FAR_BEYOND_NS = 1_000_000_000;

/** Takes packets from a reader and keeps those within the limits as Ethernet frames. */
export class FrameCollector {
  readonly #source: CaptureBytes;
  readonly #frames: CapturedFrame[] = [];
  readonly #wantedNs: bigint | undefined;
  readonly #foreign = new Map<string, number>();
  #originNs: bigint | undefined;
  #lastNs = 0n;
  #untimedAtStart = 0;
  #packets = 0;
  #synthesised = 0;
  #unread = false;
  #cut: string | undefined;

  constructor(source: CaptureBytes, { untilNs = Number.POSITIVE_INFINITY }: CaptureLimits) {
    this.#source = source;
    this.#wantedNs = Number.isFinite(untilNs) ? BigInt(Math.ceil(untilNs) + DISORDER_NS) : undefined;
  }

  get frames(): readonly CapturedFrame[] {
    return this.#frames;
  }

  /** How many have come so far. */
  get packets(): number {
    return this.#packets;
  }

  /** Time of the packet before, for one that has none. */
  get lastNs(): bigint {
    return this.#lastNs;
  }

  get reading(): CaptureReading {
    return {
      packets: this.#packets,
      synthesised: this.#synthesised,
      foreign: Object.fromEntries(this.#foreign),
      unread: this.#unread,
      cut: this.#cut,
    };
  }

  /**
   * Takes the next packet.
   * @param link undefined when its link carries nothing that becomes Ethernet; `linkName` then says which it is
   * @returns false when no further packet is wanted
   */
  take(packet: RecordedPacket, link: LinkLayer | undefined, linkName: string): boolean {
    this.#packets += 1;
    this.#source.packetNumber = this.#packets + 1;
    if (packet.timed) this.#startTime(packet.timeNs);
    this.#lastNs = packet.timeNs;
    const sinceStartNs = packet.timeNs - (this.#originNs ?? packet.timeNs);
    if (this.#wantedNs !== undefined && sinceStartNs > this.#wantedNs) {
      this.#unread = true;
      return sinceStartNs <= this.#wantedNs + BigInt(FAR_BEYOND_NS);
    }
    const frame = link?.toEthernet(packet);
    if (frame === undefined) {
      tally(this.#foreign, linkName);
      return true;
    }
    if (link?.synthesises === true) this.#synthesised += 1;
    if (this.#frames.length === MOST_FRAMES) {
      const found = `more than ${MOST_FRAMES} frames in the time that is played`;
      this.#source.fail(0, 'the file', found, 'fewer: a shorter run, or a part of the file (editcap -A, -B)');
    }
    if (!packet.timed && this.#originNs === undefined) this.#untimedAtStart += 1;
    this.#frames.push(frame);
    return true;
  }

  /**
   * The file ends within a packet. What was read before is kept; a file of which nothing was read is refused.
   * @param offset where the cut packet begins
   */
  cutTail(offset: number, field: string, wantedBytes: number): void {
    if (this.#packets === 0) this.#source.need(offset, wantedBytes, field);
    const left = this.#source.length - offset;
    this.#cut =
      `ends within packet ${this.#packets + 1}: ${left} of at least ${wantedBytes} bytes are there, from byte ${offset} on; ` +
      `${counted(this.#packets, 'packet')} before it ${this.#packets === 1 ? 'was' : 'were'} read`;
  }

  /** Frames without a time that open the capture take the time of the first packet that has one. */
  #startTime(timeNs: bigint): void {
    this.#originNs ??= timeNs;
    for (let index = 0; index < this.#untimedAtStart; index += 1) {
      const frame = this.#frames[index];
      if (frame !== undefined) this.#frames[index] = { ...frame, timeNs };
    }
    this.#untimedAtStart = 0;
  }
}

import { MAX_FRAME_BYTES } from '../../nic/descriptor.js';
import { ParameterError } from '../../scheduler/errors.js';
import {
  ETHERTYPE_EXPERIMENTAL,
  ETHERTYPE_OFFSET,
  FRAME_KINDS,
  type FrameKind,
  KIND_OFFSET,
  LENGTH_OFFSET,
  MAX_SOURCE_ID,
  PATTERNS,
  PAYLOAD_OFFSET,
  patternOf,
  SEQUENCE_OFFSET,
  SOURCE_ID_OFFSET,
  writePayload,
  writeU16,
  writeU32,
} from './frame-format.js';
import { checkFrameBytes } from './frame-sizes.js';
import { checkMac, type MacAddress, writeMac } from './mac-address.js';
import { checkWhole } from './traffic-source.js';

/** Source and destination of the frames. */
export interface FrameIdentity {
  /** For messages. */
  readonly name: string;
  /** Goes into each frame; give each source of a run its own. 0 to 2^32 - 1. */
  readonly sourceId: number;
  /** Address that the frames carry as theirs: that of one station. */
  readonly source: MacAddress;
  /** Where they go; may be a group or broadcast. */
  readonly destination: MacAddress;
}

/**
 * Makes the frames of one source (frame-format.ts has their layout).
 *
 * The payloads of all 17 patterns are written once. A frame is then the head of one of these buffers, with
 * twelve bytes of its header rewritten: its cost does not grow with its length, and nothing is allocated once
 * each size has been seen with each pattern.
 */
export class FramePattern {
  readonly #identity: FrameIdentity;
  readonly #maxBytes: number;
  /** The payloads of all patterns, one behind the other; a pattern is written when it is first needed. */
  #bytes: Uint8Array | undefined;
  /** Those that are written, a bit each. */
  #written = 0;
  /** Views of the buffers by pattern, for the length of the last frame: a frame is found and not made. None before the first. */
  #views: (Uint8Array | undefined)[] = [];
  #viewBytes = -1;
  /** Those of every length; absent while there is but one, as of most sources. */
  #viewsByLength: Map<number, (Uint8Array | undefined)[]> | undefined;

  /** @param maxBytes the longest frame that will be asked for. @throws TrafficError */
  constructor(identity: FrameIdentity, maxBytes: number) {
    checkWhole(identity.name, 'sourceId', identity.sourceId, 0, MAX_SOURCE_ID);
    checkMac(identity.name, 'source', identity.source, true);
    checkMac(identity.name, 'destination', identity.destination, false);
    checkFrameBytes(identity.name, 'maxBytes', maxBytes);
    this.#identity = identity;
    this.#maxBytes = maxBytes;
  }

  /**
   * The frame of `bytes` bytes with this sequence number. Borrowed: the next call may use its bytes again.
   *
   * @param bytes 14 to the `maxBytes` of the constructor.
   * @param sequence a whole number below 2^53.
   */
  fill(bytes: number, sequence: number, kind: FrameKind = FRAME_KINDS.stream): Uint8Array {
    const frame = this.#view(bytes, patternOf(sequence));
    // The writes that go past the end of a frame too short for its header are dropped by the typed array.
    writeU16(frame, LENGTH_OFFSET, bytes);
    writeU16(frame, KIND_OFFSET, kind);
    const high = Math.floor(sequence / 2 ** 32);
    writeU32(frame, SEQUENCE_OFFSET, high);
    writeU32(frame, SEQUENCE_OFFSET + 4, sequence - high * 2 ** 32);
    return frame;
  }

  #view(bytes: number, pattern: number): Uint8Array {
    if (bytes !== this.#viewBytes || this.#views.length === 0) this.#turnTo(bytes);
    const known = this.#views[pattern];
    if (known !== undefined) return known;
    const view = this.#newView(bytes, pattern);
    this.#views[pattern] = view;
    return view;
  }

  /** Frames of another length than the last. */
  #turnTo(bytes: number): void {
    if (!(bytes <= this.#maxBytes)) {
      throw new ParameterError(
        `${this.#identity.name}: frame of ${bytes} bytes, expected at most ${this.#maxBytes}`,
      );
    }
    checkFrameBytes(this.#identity.name, 'bytes', bytes);
    const before = this.#viewBytes;
    if (before >= 0) {
      this.#viewsByLength ??= new Map([[before, this.#views]]);
      const known = this.#viewsByLength.get(bytes) ?? noViews();
      this.#viewsByLength.set(bytes, known);
      this.#views = known;
    } else this.#views = noViews();
    this.#viewBytes = bytes;
  }

  #newView(bytes: number, pattern: number): Uint8Array {
    const stride = Math.min(Math.max(this.#maxBytes, PAYLOAD_OFFSET), MAX_FRAME_BYTES);
    this.#bytes ??= new Uint8Array(PATTERNS * stride);
    const buffer = this.#bytes.subarray(pattern * stride, (pattern + 1) * stride);
    if ((this.#written & (1 << pattern)) === 0) this.#write(buffer, pattern);
    // Twelve bytes of the header may lie beyond the end of a short frame: the view must end where the frame does.
    return buffer.subarray(0, bytes);
  }

  #write(buffer: Uint8Array, pattern: number): void {
    const { sourceId, source, destination } = this.#identity;
    this.#written |= 1 << pattern;
    writeMac(buffer, 0, destination);
    writeMac(buffer, 6, source);
    writeU16(buffer, ETHERTYPE_OFFSET, ETHERTYPE_EXPERIMENTAL);
    writeU32(buffer, SOURCE_ID_OFFSET, sourceId);
    writePayload(buffer, PAYLOAD_OFFSET, buffer.length - PAYLOAD_OFFSET, sourceId, pattern);
  }
}

function noViews(): (Uint8Array | undefined)[] {
  return new Array<Uint8Array | undefined>(PATTERNS).fill(undefined);
}

import { MIN_FRAME_BYTES, PADDED_FRAME_BYTES } from '../../nic/descriptor.js';
import {
  ETHERTYPE_EXPERIMENTAL,
  ETHERTYPE_OFFSET,
  firstPayloadDifference,
  KIND_OFFSET,
  LENGTH_OFFSET,
  PATTERNS,
  PAYLOAD_OFFSET,
  patternOf,
  readSequence,
  readU16,
  readU32,
  SEQUENCE_OFFSET,
  SOURCE_ID_OFFSET,
  writePayload,
} from './frame-format.js';

/**
 * Classification of a received frame: `good`, every byte as its source made it; `damaged`, one of ours with
 * a wrong byte or length; `foreign`, not made by a `FramePattern` (replayed traffic, for one).
 */
export type FrameVerdict = 'good' | 'damaged' | 'foreign';

/** Payload patterns that are kept ready. Frames of more sources than that are compared word by word. */
const MAX_TEMPLATES = 4096;

/**
 * Checks every byte of received frames against what their sources must have sent. It needs nothing but
 * the frame: source id and sequence number in its header give the rest.
 *
 * The answer to the last `verify` is left in the fields, so that nothing is allocated per frame.
 */
export class FrameVerifier {
  /** Source of the last frame that was not foreign; -1 when it was too short to carry one. */
  sourceId = -1;
  /** Its sequence number; -1 when it was too short to carry one. */
  sequence = -1;
  /** Its kind (`FRAME_KINDS`); -1 when it was too short to carry one. */
  kind = -1;
  /** Its bytes before padding. */
  frameBytes = 0;
  /** Where the last frame was found damaged, counted from its start; -1 when it was not. */
  damagedAt = -1;
  readonly #templates = new Map<number, Uint8Array>();

  /** Checks the frame of `length` bytes at `offset`. The addresses are not looked at: a wire may rewrite them. */
  verify(bytes: Uint8Array, offset: number, length: number): FrameVerdict {
    this.sourceId = -1;
    this.sequence = -1;
    this.kind = -1;
    this.frameBytes = 0;
    this.damagedAt = -1;
    if (length < MIN_FRAME_BYTES || readU16(bytes, offset + ETHERTYPE_OFFSET) !== ETHERTYPE_EXPERIMENTAL) {
      return 'foreign';
    }
    this.frameBytes = this.#lengthBeforePadding(bytes, offset, length);
    if (this.frameBytes < 0) return this.#damaged(LENGTH_OFFSET);
    for (let at = this.frameBytes; at < length; at += 1) {
      if (bytes[offset + at] !== 0) return this.#damaged(at);
    }
    if (this.frameBytes < PAYLOAD_OFFSET) return 'good';
    this.kind = readU16(bytes, offset + KIND_OFFSET);
    this.sourceId = readU32(bytes, offset + SOURCE_ID_OFFSET);
    this.sequence = readSequence(bytes, offset);
    // No source counts that far, and a number would have lost its low bits.
    if (this.sequence > Number.MAX_SAFE_INTEGER) return this.#damaged(SEQUENCE_OFFSET);
    return this.#verifyPayload(bytes, offset + PAYLOAD_OFFSET, this.frameBytes - PAYLOAD_OFFSET);
  }

  /** The length in the header, or -1 when a frame of `length` bytes cannot have had it. */
  #lengthBeforePadding(bytes: Uint8Array, offset: number, length: number): number {
    const padded = length === PADDED_FRAME_BYTES;
    // Too short to hold its length; when padded, the length reads as 0 (14 and 15 bytes have it cut away).
    if (length < LENGTH_OFFSET + 2) return length;
    const told = readU16(bytes, offset + LENGTH_OFFSET);
    if (told === length) return told;
    if (!padded || told > length) return -1;
    return told < LENGTH_OFFSET + 2 ? (told === 0 ? LENGTH_OFFSET : -1) : told;
  }

  #verifyPayload(bytes: Uint8Array, offset: number, length: number): FrameVerdict {
    const pattern = patternOf(this.sequence);
    const template = this.#template(this.sourceId, pattern, length);
    if (template !== undefined && areEqual(template, bytes, offset, length)) return 'good';
    const difference = firstPayloadDifference(bytes, offset, length, this.sourceId, pattern);
    return difference < 0 ? 'good' : this.#damaged(PAYLOAD_OFFSET + difference);
  }

  #damaged(at: number): FrameVerdict {
    this.damagedAt = at;
    return 'damaged';
  }

  #template(sourceId: number, pattern: number, length: number): Uint8Array | undefined {
    const key = sourceId * PATTERNS + pattern;
    const known = this.#templates.get(key);
    if (known !== undefined && known.length >= length) return known;
    // A damaged header may hold any source id, so the state kept per source is bounded.
    if (known === undefined && this.#templates.size >= MAX_TEMPLATES) return undefined;
    const template = new Uint8Array(length);
    writePayload(template, 0, length, sourceId, pattern);
    this.#templates.set(key, template);
    return template;
  }
}

/** Whether the first `length` bytes of a template are those at `offset`: by the library of Node where there is one. */
const areEqual: (template: Uint8Array, bytes: Uint8Array, offset: number, length: number) => boolean =
  typeof Buffer === 'undefined'
    ? (template, bytes, offset, length) => {
        for (let at = 0; at < length; at += 1) if (template[at] !== bytes[offset + at]) return false;
        return true;
      }
    : (template, bytes, offset, length) =>
        Buffer.prototype.compare.call(template, bytes, offset, offset + length, 0, length) === 0;

import { MAX_FRAME_BYTES } from '../../nic/descriptor.js';
import {
  ETHERTYPE_EXPERIMENTAL,
  ETHERTYPE_OFFSET,
  FRAME_KINDS,
  KIND_OFFSET,
  LENGTH_OFFSET,
  PAYLOAD_OFFSET,
  readSequence,
  readU16,
} from './frame-format.js';
import { FramePattern } from './frame-pattern.js';
import { type MacAddress, readMac, writeMac } from './mac-address.js';
import { checkWhole, type Responder } from './traffic-source.js';

/** A server that answers each request with one frame. */
export interface EchoResponderOptions {
  readonly name: string;
  /** Goes into its frames; what a `RequestClient` calls `responderId`. */
  readonly sourceId: number;
  /** Its own address. */
  readonly source: MacAddress;
  /** Bytes of a response, 30 to 9,018. Default: as many as the request had. */
  readonly responseBytes?: number;
}

/**
 * Answers requests at once: a frame to the station that asked, with the request's sequence number and a payload
 * of its own pattern. Only requests are answered, so two responders cannot loop for ever.
 */
export class EchoResponder implements Responder {
  readonly name: string;
  readonly #pattern: FramePattern;
  readonly #responseBytes: number | undefined;
  #answered = 0;

  /** @throws TrafficError */
  constructor({ name, sourceId, source, responseBytes }: EchoResponderOptions) {
    if (responseBytes !== undefined) {
      checkWhole(name, 'responseBytes', responseBytes, PAYLOAD_OFFSET, MAX_FRAME_BYTES);
    }
    this.name = name;
    this.#responseBytes = responseBytes;
    // The destination is that of each request.
    const identity = { name, sourceId, source, destination: 0 };
    this.#pattern = new FramePattern(identity, responseBytes ?? MAX_FRAME_BYTES);
  }

  /** Requests answered. */
  get answered(): number {
    return this.#answered;
  }

  onReceive(bytes: Uint8Array, offset: number, length: number): Uint8Array | undefined {
    const isRequest =
      length >= PAYLOAD_OFFSET &&
      readU16(bytes, offset + ETHERTYPE_OFFSET) === ETHERTYPE_EXPERIMENTAL &&
      readU16(bytes, offset + KIND_OFFSET) === FRAME_KINDS.request;
    if (!isRequest) return undefined;
    const told = readU16(bytes, offset + LENGTH_OFFSET);
    const requestBytes = told >= PAYLOAD_OFFSET && told <= length ? told : length;
    this.#answered += 1;
    const sequence = readSequence(bytes, offset);
    const responseBytes = this.#responseBytes ?? Math.min(requestBytes, MAX_FRAME_BYTES);
    const frame = this.#pattern.fill(responseBytes, sequence, FRAME_KINDS.response);
    writeMac(frame, 0, readMac(bytes, offset + 6));
    return frame;
  }
}

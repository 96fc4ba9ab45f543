import { InvariantViolation } from '../../scheduler/errors.js';
import type { EchoResponder } from './echo-responder.js';
import { PAYLOAD_OFFSET, readU32, SOURCE_ID_OFFSET } from './frame-format.js';
import type { Responder } from './traffic-source.js';

/**
 * The server of one station: answers each of its clients as that client's scenario says. A request carries the source
 * id of its client, by which the server knows it; requests of clients that it does not know stay unanswered.
 */
export class RequestServer implements Responder {
  readonly name: string;
  readonly #responders = new Map<number, EchoResponder>();

  constructor(name: string) {
    this.name = name;
  }

  /** From now on the requests with this source id are answered. */
  add(clientId: number, responder: EchoResponder): void {
    if (this.#responders.has(clientId))
      throw new InvariantViolation(`${this.name}: client ${clientId} is served already`);
    this.#responders.set(clientId, responder);
  }

  /** Requests answered, of all clients. */
  get answered(): number {
    let answered = 0;
    for (const responder of this.#responders.values()) answered += responder.answered;
    return answered;
  }

  onReceive(bytes: Uint8Array, offset: number, length: number): Uint8Array | undefined {
    if (length < PAYLOAD_OFFSET) return undefined;
    return this.#responders.get(readU32(bytes, offset + SOURCE_ID_OFFSET))?.onReceive(bytes, offset, length);
  }
}

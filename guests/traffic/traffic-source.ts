import type { Observable } from 'rxjs';
import { UserError } from '../../scheduler/errors.js';

/**
 * Frames that arrive in their own time. The source starts when somebody subscribes and stops when the last
 * one leaves.
 *
 * An emitted frame is borrowed: it is good until the observer returns, then the source uses its bytes again.
 * A driver copies it into guest memory at once, so nothing is lost by that, and nothing is allocated a frame.
 */
export interface PushSource {
  readonly kind: 'push';
  readonly name: string;
  readonly frames$: Observable<Uint8Array>;
}

/**
 * Frames that are there whenever they are asked for. Undefined means that there will be no more.
 * A frame is borrowed: it is good until the next `pull`.
 */
export interface PullSource {
  readonly kind: 'pull';
  readonly name: string;
  pull(): Uint8Array | undefined;
}

/** Where the frames come from that a guest sends. */
export type TrafficSource = PushSource | PullSource;

/**
 * What a guest does with a frame that it received: `length` bytes from `offset` on, read before it returns.
 * The frame that it gives back, if any, is sent; it is borrowed until the next call.
 */
export interface Responder {
  readonly name: string;
  onReceive(bytes: Uint8Array, offset: number, length: number): Uint8Array | undefined;
}

/** An option of a source that cannot be. The options are the user's, so the message names field and value. */
export class TrafficError extends UserError {
  override readonly name = 'TrafficError';
  readonly source: string;
  readonly field: string;

  constructor(source: string, field: string, found: unknown, expected: string) {
    super(`${source}: ${field} is ${String(found)}, expected ${expected}`);
    this.source = source;
    this.field = field;
  }
}

/** @throws TrafficError unless `value` is a whole number from `least` to `most`. */
export function checkWhole(
  source: string,
  field: string,
  value: number,
  least: number,
  most: number,
): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new TrafficError(source, field, value, `a whole number from ${least} to ${most}`);
  }
  return value;
}

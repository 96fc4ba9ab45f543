import type { Observable } from 'rxjs';
import { UserError } from '../../scheduler/errors.js';
import type { BorrowedFrame } from './borrowed-frame.js';

/** Frames that arrive in their own time. The source starts with the first subscriber and stops when the last one leaves. */
export interface PushSource {
  readonly kind: 'push';
  readonly name: string;
  /** Each frame is the observer's to keep. */
  readonly frames$: Observable<Uint8Array>;
  /**
   * The same frames, lent until the observer returns. A driver, which copies a frame into guest memory at once,
   * listens here if it can: nothing is allocated per frame then. A source of one's own may leave it out.
   */
  readonly lent$?: Observable<BorrowedFrame>;
}

/** Frames that are available on demand. */
export interface PullSource {
  readonly kind: 'pull';
  readonly name: string;
  /** The next frame, lent until the next `pull`. Undefined: there will be no more. */
  pull(): BorrowedFrame | undefined;
}

/** Where the frames come from that a guest sends. */
export type TrafficSource = PushSource | PullSource;

/**
 * Handler of a frame that a guest received: `length` bytes from `offset` on, read before it returns.
 * The frame that it gives back, if any, is sent; it is borrowed until the next call.
 */
export interface Responder {
  readonly name: string;
  onReceive(bytes: Uint8Array, offset: number, length: number): Uint8Array | undefined;
}

/** An invalid option of a source. The options are the user's, so the message names field and value. */
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

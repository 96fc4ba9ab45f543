import type { GuestPort } from '../../host/protection/guest-port.js';
import { WIRE_OVERHEAD_BYTES } from '../../nic/descriptor.js';
import { NO_CONTEXT } from '../../scheduler/branded.js';
import { tallyIn } from '../../scheduler/tally.js';
import type { BacklogMeter } from './backlog-meter.js';

/** What one guest has had of the card, whatever contexts it has had over time. */
export interface GuestCounts {
  readonly framesSent: number;
  readonly bytesSent: number;
  /** With preamble, FCS and gap. */
  readonly wireBytesSent: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly backloggedNs: number;
}

/** Counts for one guest. A context changes hands when guests come and go; these counts do not. */
export class GuestTally {
  readonly #backlog: BacklogMeter;
  readonly #drops: Record<string, number> = {};
  #framesSent = 0;
  #bytesSent = 0;
  #framesReceived = 0;
  #bytesReceived = 0;
  #backloggedNs = 0;
  #context = NO_CONTEXT;
  #backloggedAtOpenNs = 0;

  constructor(backlog: BacklogMeter) {
    this.#backlog = backlog;
  }

  /** The guest's port was opened, or is gone. */
  portChanged(port: GuestPort | undefined, nowNs: number): void {
    this.#backloggedNs += this.#sinceOpenNs(nowNs);
    this.#context = port?.context ?? NO_CONTEXT;
    if (port !== undefined) this.#backloggedAtOpenNs = this.#backlog.backloggedNs(port.context, nowNs);
  }

  sent(bytes: number): void {
    this.#framesSent += 1;
    this.#bytesSent += bytes;
  }

  received(bytes: number): void {
    this.#framesReceived += 1;
    this.#bytesReceived += bytes;
  }

  dropped(reason: string): void {
    tallyIn(this.#drops, reason);
  }

  counts(nowNs: number): GuestCounts {
    return {
      framesSent: this.#framesSent,
      bytesSent: this.#bytesSent,
      wireBytesSent: this.#bytesSent + this.#framesSent * WIRE_OVERHEAD_BYTES,
      framesReceived: this.#framesReceived,
      bytesReceived: this.#bytesReceived,
      drops: this.#drops,
      backloggedNs: this.#backloggedNs + this.#sinceOpenNs(nowNs),
    };
  }

  #sinceOpenNs(nowNs: number): number {
    if (this.#context === NO_CONTEXT) return 0;
    return this.#backlog.backloggedNs(this.#context, nowNs) - this.#backloggedAtOpenNs;
  }
}

import type { Observable, Subscription } from 'rxjs';
import type { EventKernel } from '../../../scheduler/event-kernel.js';

export interface Sent {
  readonly atNs: number;
  readonly bytes: Uint8Array;
}

/** Watches a source and keeps what it sends and when. */
export class Recorder {
  readonly sent: Sent[] = [];
  completed = false;
  readonly subscription: Subscription;

  constructor(kernel: EventKernel, frames$: Observable<Uint8Array>) {
    this.subscription = frames$.subscribe({
      next: (frame) => this.sent.push({ atNs: kernel.nowNs, bytes: frame }),
      complete: () => {
        this.completed = true;
      },
    });
  }

  get times(): number[] {
    return this.sent.map(({ atNs }) => atNs);
  }

  get sizes(): number[] {
    return this.sent.map(({ bytes }) => bytes.length);
  }
}

export const LOCAL = 0x0200_0000_0001;
export const REMOTE = 0x0200_0000_0002;
export const BROADCAST = 0xffff_ffff_ffff;

/** Bytes of time on an Ethernet wire: padding to 60, FCS 4, preamble 8, gap 12 (IEEE 802.3). */
export const onWire = (frameBytes: number) => Math.max(60, frameBytes) + 4 + 8 + 12;

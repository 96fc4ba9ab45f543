/** What a front end counts, since its guest was made; a reset of the device does not clear it. */
export interface FrontCounters {
  /** Notifications from the driver. */
  notifications: number;
  /** Interrupts sent to the driver. */
  interrupts: number;
  /** Frames handed to the card, refused at set-up, and reported by the card as sent. */
  framesPosted: number;
  framesRefused: number;
  framesSent: number;
  /** Receive buffers handed to the card and refused at set-up. */
  buffersPosted: number;
  buffersRefused: number;
  /** Frames given to the driver, and of those the ones that took more than one buffer. */
  framesReceived: number;
  framesSpread: number;
  /** Resets by the driver, and times that the device was stopped for a fault. */
  resets: number;
  faults: number;
}

export function noFrontCounts(): FrontCounters {
  return {
    notifications: 0,
    interrupts: 0,
    framesPosted: 0,
    framesRefused: 0,
    framesSent: 0,
    buffersPosted: 0,
    buffersRefused: 0,
    framesReceived: 0,
    framesSpread: 0,
    resets: 0,
    faults: 0,
  };
}

import type { RunCounts } from './run-counts.js';
import type { RunResult } from './run-result.js';

/** What passed the card in so long, as a result has it. */
export function servedFigures(
  counts: RunCounts,
  durationNs: number,
): Pick<
  RunResult,
  | 'goodputBps'
  | 'receiveGoodputBps'
  | 'framesTransmitted'
  | 'bytesTransmitted'
  | 'framesReceived'
  | 'bytesReceived'
  | 'wireBusyFraction'
> {
  return {
    goodputBps: bpsOf(counts.bytesTransmitted, durationNs),
    receiveGoodputBps: bpsOf(counts.bytesReceived, durationNs),
    framesTransmitted: counts.framesTransmitted,
    bytesTransmitted: counts.bytesTransmitted,
    framesReceived: counts.framesReceived,
    bytesReceived: counts.bytesReceived,
    wireBusyFraction: Math.min(1, counts.wireBusyNs / durationNs),
  };
}

/** What the gates and the card's own parts did, as a result has it. */
export function gateFigures(
  counts: RunCounts,
): Pick<RunResult, 'setUpGate' | 'accessGate' | 'protectionDetails' | 'dma' | 'events'> {
  return {
    setUpGate: { accepted: counts.buffersAccepted, refused: counts.buffersRefused },
    accessGate: {
      checked: counts.accessesChecked,
      denied: counts.accessesDenied,
      meanDelayNs: counts.gateNs / Math.max(1, counts.accesses),
    },
    protectionDetails: counts.details,
    dma: { transfers: counts.transfers, backpressured: counts.backpressured },
    events: counts.events,
  };
}

/** Bits per second of so many bytes in so long. */
export function bpsOf(bytes: number, durationNs: number): number {
  return (bytes * 8e9) / durationNs;
}

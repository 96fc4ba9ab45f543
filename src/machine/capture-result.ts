import { formatMac } from '../../guests/traffic/index.js';
import type { CaptureResult } from './run-result.js';
import type { ReplayedCapture } from './traffic.js';

/** What became of a capture so far. */
export function captureResultOf(replayed: ReplayedCapture | undefined): CaptureResult | undefined {
  if (replayed === undefined) return undefined;
  const { capture, replay } = replayed;
  const { conversation, transmit, receive } = replay;
  return {
    name: capture.name,
    local: formatMac(conversation.local),
    packets: capture.reading.packets,
    frames: capture.frames.length,
    ofGuest: conversation.transmit.frames.length,
    forGuest: conversation.receive.frames.length,
    bystanders: conversation.bystanders,
    unfit: conversation.unfit,
    split: conversation.split,
    played: { ofGuest: transmit.frames, forGuest: receive.frames },
  };
}

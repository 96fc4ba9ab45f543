import type { Subscription } from 'rxjs';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { listen } from '../../scheduler/listen.js';
import type { PushSource } from './traffic-source.js';

/**
 * Gives each frame of a source to `take`, which is done with its bytes when it returns. What `take` throws, and an
 * error of the source, leave through the kernel's `run`.
 */
export function takeFrames(
  source: PushSource,
  kernel: EventKernel,
  take: (frame: Uint8Array) => void,
): Subscription {
  if (source.lent$ === undefined) return listen(source.frames$, kernel, take);
  return listen(source.lent$, kernel, (frame) => take(frame.bytes));
}

import type { GuestRun } from './machine.js';
import { maxMinFair } from './max-min-fair.js';
import type { GuestCounts } from './run-counts.js';

/** The part of its weighted max-min fair due that each guest got; NaN for one that asked for nothing. */
export function fairDue(guests: readonly GuestRun[], counts: readonly GuestCounts[]): number[] {
  const got = counts.map(({ bytesTransmitted }) => bytesTransmitted);
  // A guest that still has frames waiting, or lost some, wanted more than it got.
  const demands = guests.map((guest, index) => {
    const { framesTransmitted: frames = 0, framesOffered = 0, drops = {} } = counts[index] ?? {};
    const unmet = guest.driver.framesQueued > 0 || (drops['ring-full'] ?? 0) > 0;
    if (!unmet || frames === 0) return got[index] ?? 0;
    if (guest.spec.traffic.kind === 'greedy') return Number.POSITIVE_INFINITY;
    return ((got[index] ?? 0) * framesOffered) / frames;
  });
  const due = maxMinFair(
    demands,
    guests.map((guest) => guest.spec.weight),
    got.reduce((sum, bytes) => sum + bytes, 0),
  );
  return got.map((bytes, index) => ((due[index] ?? 0) > 0 ? bytes / (due[index] ?? 1) : Number.NaN));
}

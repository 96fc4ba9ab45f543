import type { PortOptions } from '../../host/protection/guest-port.js';
import type { Share } from '../../scheduler/discipline.js';
import type { GuestSpec } from '../scenario/schema.js';
import { withoutUndefined } from './without-undefined.js';

/** What the port of a scenario's guest is opened with. */
export function portOptions({ mac, spec }: { readonly mac: number; readonly spec: GuestSpec }): PortOptions {
  return {
    mac,
    share: shareOf(spec),
    transmitSlots: spec.transmitSlots,
    receiveSlots: spec.receiveSlots,
    antiSpoofing: spec.antiSpoofing,
    promiscuous: spec.promiscuous,
    coalesceFrames: spec.coalesceFrames,
    coalesceNs: spec.coalesceNs,
  };
}

/** A scenario's `weight` and `share` as the one share that they are on the card. */
function shareOf({ weight, share }: GuestSpec): Share {
  return { ...withoutUndefined(share ?? {}), weight };
}

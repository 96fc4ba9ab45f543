import type { PortOptions } from '../../host/protection/guest-port.js';
import type { Share } from '../../scheduler/discipline.js';
import type { GuestSpec } from '../scenario/schema.js';

/** What the port of a scenario's guest is opened with. */
export function portOptions({
  mac,
  spec,
  share,
}: {
  readonly mac: number;
  readonly spec: GuestSpec;
  readonly share: Share;
}): PortOptions {
  return {
    mac,
    share,
    transmitSlots: spec.transmitSlots,
    receiveSlots: spec.receiveSlots,
    antiSpoofing: spec.antiSpoofing,
    promiscuous: spec.promiscuous,
    ...(spec.trafficClass === undefined ? {} : { trafficClass: spec.trafficClass }),
    coalesceFrames: spec.coalesceFrames,
    coalesceNs: spec.coalesceNs,
  };
}

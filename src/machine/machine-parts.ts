import type { LinkPartner } from '../../guests/link-partner.js';
import { PAGE_BYTES } from '../../nic/addresses.js';
import type { WirePort } from '../../nic/host-port.js';
import { DEFAULT_NIC, type NicParameters } from '../../nic/parameters.js';
import { DEFAULT_PCIE } from '../../nic/pcie-link.js';
import { ScenarioError } from '../scenario/scenario-error.js';
import { MOST_MEMORY_BYTES, OWN_MEMORY_BYTES, type Scenario } from '../scenario/schema.js';
import type { NamedSpec } from './expand-guests.js';
import { withoutUndefined } from './without-undefined.js';

/** RAM of the machine, bytes. @throws ScenarioError when it is more than the largest machine has */
export function memoryBytesFor(specs: readonly NamedSpec[], memoryMegabytes: number | undefined): number {
  const guestBytes = specs.reduce((sum, { spec }) => sum + spec.memoryMegabytes * 2 ** 20, 0);
  // A page per slot for shadows of buffers, and what tables and rings of a guest take.
  const ownBytes = specs.reduce(
    (sum, { spec }) => sum + (spec.transmitSlots + spec.receiveSlots) * PAGE_BYTES + 2 ** 18,
    OWN_MEMORY_BYTES,
  );
  const memoryBytes = memoryMegabytes === undefined ? guestBytes + ownBytes : memoryMegabytes * 2 ** 20;
  if (memoryBytes > MOST_MEMORY_BYTES) {
    throw new ScenarioError(
      `guests: ${specs.length} guests need ${Math.ceil(memoryBytes / 2 ** 20)} MB with what the machine needs, expected at most ${MOST_MEMORY_BYTES / 2 ** 20}; give them less memoryMegabytes`,
    );
  }
  return memoryBytes;
}

/** The card: with a context per guest, unless the scenario says how many it has. */
export function cardFor(scenario: Scenario, guests: number): NicParameters {
  const { pcie, switching: _switching, ...nic } = withoutUndefined(scenario.nic ?? {});
  return {
    ...DEFAULT_NIC,
    ...nic,
    contexts: nic.contexts ?? Math.max(DEFAULT_NIC.contexts, guests),
    pcie: { ...DEFAULT_PCIE, ...withoutUndefined(pcie ?? {}) },
  };
}

/** Rates that the wire gets while the run goes on: all but the one that it begins with. */
export function changedRates({ changes = [] }: Scenario): number[] {
  return changes.flatMap(({ rateBps }) => (rateBps === undefined ? [] : [rateBps]));
}

/** The cable, with the tap in front of it that was asked for. */
export function wireTo(partner: LinkPartner, tap: WirePort | undefined): WirePort {
  if (tap === undefined) return partner;
  return {
    transmitted(bytes, offset, length, context, index, times) {
      tap.transmitted(bytes, offset, length, context, index, times);
      partner.transmitted(bytes, offset, length);
    },
    controlSent(bytes, offset, length, startNs, endNs) {
      tap.controlSent?.(bytes, offset, length, startNs, endNs);
      partner.controlSent(bytes, offset, length);
    },
    rateChanged(rateBps) {
      tap.rateChanged?.(rateBps);
      partner.rateChanged(rateBps);
    },
  };
}

import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import type { RequesterId } from '../../../nic/addresses.js';
import type { AttackScenario } from '../attack-scenario.js';

/** Bytes that the card reads or writes to show that it reached an address. */
export const LOOK_BYTES = 512;
/** Long enough for every consequence of a step of an attack. */
export const SETTLE_NS = 100_000;

/** A write of the card reaches memory. */
const WRITE_NS = 2_000;

/** A buffer of the attacker's domain that the card has written to, and its address on the bus. */
export interface UsedBuffer {
  readonly page: number;
  readonly bus: number;
  readonly requester: RequesterId;
}

/** The guest posts a receive buffer, and the card goes there: its translation is remembered. */
export function useBuffer(scene: AttackScenario): UsedBuffer {
  const { attacker } = scene;
  const page = attacker.page();
  const requester = scene.requesterOf(attacker.port);
  attacker.ask('receive', [{ address: page, length: PAGE_BYTES / 2, flags: 0 }]);
  attacker.port.receive.ring();
  scene.run(SETTLE_NS);
  const bus = attacker.raw.busAddress('receive', attacker.port.receive.producer - 1, page);
  scene.rogue.write(requester, bus, scene.marked(LOOK_BYTES));
  scene.run(SETTLE_NS);
  return { page, bus, requester };
}

/**
 * A frame arrives in the buffer and the guest's driver is finished with it, so it is unmapped. Just before, the card
 * goes to the buffer that is named, so that other traffic has not pushed its translation out.
 */
export function finishBuffer(scene: AttackScenario, warm?: UsedBuffer): void {
  const { attacker } = scene;
  scene.sendMarked(attacker.port.mac);
  scene.run(SETTLE_NS);
  if (warm !== undefined) {
    scene.rogue.write(warm.requester, warm.bus, scene.marked(LOOK_BYTES));
    scene.run(WRITE_NS);
  }
  attacker.port.receive.finish(attacker.port.receive.consumer());
}

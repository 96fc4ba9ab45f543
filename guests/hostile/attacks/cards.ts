import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import { FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { type Attack, always } from '../attack.js';
import { type AttackScenario, DROP_MAC } from '../attack-scenario.js';
import { decidingTables, invalidationQueue, vectorRing } from '../control-structures.js';
import { headerBytes } from '../hostile-guest.js';
import { rawRingOf, type Way } from '../raw-ring.js';
import { finishBuffer, LOOK_BYTES, SETTLE_NS, useBuffer } from './used-buffer.js';

const HALF = PAGE_BYTES / 2;
/** How often the card looks whether the victim has something under way, and for how long. */
const WATCH_STEP_NS = 1_000;
const WATCH_STEPS = 1_000;

/**
 * A page of a well-behaved guest: a buffer in its first half, private data in the second. Returns the address by
 * which the card knows the buffer. That guest is the attacker's domain: it is the card that attacks.
 */
function halfBuffer(scene: AttackScenario, way: Way): number {
  const { attacker } = scene;
  const page = attacker.page();
  scene.plantAt(page + HALF, HALF, 'private half of a page with a buffer in the other');
  const flags = way === 'transmit' ? FLAG_END_OF_PACKET : 0;
  const queue = attacker.port[way];
  attacker.store(page, headerBytes(DROP_MAC, attacker.port.mac));
  attacker.ask(way, [{ address: page, length: HALF, flags }]);
  queue.ring();
  scene.run(SETTLE_NS);
  return attacker.raw.busAddress(way, queue.producer - 1, page);
}

/** Waits until the victim has a frame on its way; returns the address by which the card knows its buffer, or -1. */
function underWay(scene: AttackScenario): number {
  const { port, driver } = scene.victim;
  const raw = rawRingOf(scene.host, scene.victim.domain, port);
  for (let step = 0; step < WATCH_STEPS; step += 1) {
    const index = port.transmit.consumer();
    if (index !== port.transmit.producer)
      return raw.busAddress('transmit', index, driver.transmitBuffer(index));
    scene.run(WATCH_STEP_NS);
  }
  return -1;
}

/** Attacks by the card itself: firmware that errs, or was made to. */
export const CARD_ATTACKS: readonly Attack[] = [
  {
    name: 'card-foreign-guest',
    meaning: 'working for the attacker’s context, the card reads and writes a page of the victim',
    by: 'card',
    target: 'another guest',
    play: always((scene) => {
      const secret = scene.plant(scene.victim.domain, 'page of the victim');
      const requester = scene.requesterOf(scene.attacker.port);
      scene.rogue.read(requester, secret.address, LOOK_BYTES);
      scene.run(SETTLE_NS);
      scene.rogue.write(requester, secret.address, scene.marked(LOOK_BYTES));
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'card-unasked',
    meaning: 'working for the victim’s context, the card reads and writes a page that was never a buffer',
    by: 'card',
    target: 'the same guest',
    play: always((scene) => {
      const secret = scene.plant(scene.victim.domain, 'page of the victim that was never a buffer');
      const requester = scene.requesterOf(scene.victim.port);
      scene.rogue.read(requester, secret.address, LOOK_BYTES);
      scene.run(SETTLE_NS);
      scene.rogue.write(requester, secret.address, scene.marked(LOOK_BYTES));
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'card-borrowed-id',
    meaning:
      'working for the attacker, the card says that it works for the victim, and reads a frame under way',
    by: 'card',
    target: 'another guest',
    play: always((scene) => {
      const requester = scene.requesterOf(scene.victim.port);
      for (let attempt = 0; attempt < 8; attempt += 1) {
        const address = underWay(scene);
        if (address >= 0) scene.rogue.read(requester, address, VICTIM_FRAME_BYTES);
        scene.run(WATCH_STEP_NS);
      }
    }),
  },
  {
    name: 'card-management-id',
    meaning: 'the card uses the requester ID of its own interrupt vectors to reach a page of the victim',
    by: 'card',
    target: 'another guest',
    play: always((scene) => {
      const secret = scene.plant(scene.victim.domain, 'page of the victim');
      const { managementRequesterId } = scene.host.nic.parameters;
      scene.rogue.read(managementRequesterId, secret.address, LOOK_BYTES);
      scene.rogue.write(managementRequesterId, secret.address + LOOK_BYTES, scene.marked(LOOK_BYTES));
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'card-sub-page-read',
    meaning: 'the card reads on behind a posted buffer, to the end of its page',
    by: 'card',
    target: 'the same guest',
    play: always((scene) => {
      const requester = scene.requesterOf(scene.attacker.port);
      scene.rogue.read(requester, halfBuffer(scene, 'transmit') + HALF, HALF);
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'card-sub-page-write',
    meaning: 'the card writes more than a posted buffer holds, over what shares its page',
    by: 'card',
    target: 'the same guest',
    play: always((scene) => {
      const requester = scene.requesterOf(scene.attacker.port);
      scene.rogue.write(requester, halfBuffer(scene, 'receive'), scene.marked(PAGE_BYTES));
      scene.run(SETTLE_NS);
      finishBuffer(scene);
    }),
  },
  {
    name: 'card-after-revocation',
    meaning: 'a context is revoked and its buffer becomes the victim’s; the card goes there all the same',
    by: 'card',
    target: 'another guest',
    play: always((scene) => {
      const { attacker, host } = scene;
      // The card has been there, so its translation is remembered.
      const { page, bus, requester } = useBuffer(scene);
      host.protection.closePort(attacker.port);
      scene.rogue.write(requester, bus, scene.marked(LOOK_BYTES));
      scene.handOver(page, SETTLE_NS);
      scene.rogue.write(requester, bus, scene.marked(LOOK_BYTES));
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'card-against-tables',
    meaning: 'the card writes to whatever in memory protection rests on, with every requester ID that it has',
    by: 'card',
    target: 'the hypervisor',
    play: (scene) => {
      const queue = invalidationQueue(scene);
      const structures = [...decidingTables(scene), ...(queue === undefined ? [] : [queue])];
      if (structures.length === 0)
        return { notApplicable: 'this approach keeps nothing in memory to decide by' };
      const { managementRequesterId } = scene.host.nic.parameters;
      const requesters = [
        scene.requesterOf(scene.attacker.port),
        scene.requesterOf(scene.victim.port),
        managementRequesterId,
      ];
      for (const { label, address } of structures) {
        scene.watch(label, address);
        for (const requester of requesters) scene.rogue.write(requester, address + HALF, scene.marked(64));
      }
      scene.run(SETTLE_NS);
      scene.look();
      return undefined;
    },
  },
  {
    name: 'card-vector-ring',
    meaning: 'working for the attacker’s context, the card writes into the ring of interrupt vectors',
    by: 'card',
    target: 'the hypervisor',
    play: always((scene) => {
      const { label, address } = vectorRing(scene);
      scene.watch(label, address);
      const requester = scene.requesterOf(scene.attacker.port);
      scene.rogue.write(requester, address, scene.marked(64));
      scene.run(WATCH_STEP_NS);
      scene.look();
      // The hypervisor, interrupted now, finds a producer index that the card never meant.
      scene.host.bus.raise();
      scene.run(SETTLE_NS);
    }),
  },
];

/** Length of the frames that the victim sends. */
export const VICTIM_FRAME_BYTES = 1000;

import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import { FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { type Attack, always } from '../attack.js';
import { type AttackScenario, DROP_MAC } from '../attack-scenario.js';
import { decidingTables, invalidationQueue, type Structure, vectorRing } from '../control-structures.js';
import { rawRingOf } from '../raw-ring.js';

const STOLEN_BYTES = 512;
const SETTLE_NS = 200_000;
const WINDOW_BYTES = 2048;
/** Beyond the RAM of every machine, and within what a descriptor can say. */
const NOWHERE = 2 ** 50;

const last = (address: number, length: number) => ({ address, length, flags: FLAG_END_OF_PACKET });

/** The attacker's receive buffer is another guest's memory, and a frame full of its mark arrives for it. */
function invade(scene: AttackScenario, address: number, length = WINDOW_BYTES): void {
  scene.attacker.invade({ address, length, flags: 0 });
  scene.run(SETTLE_NS);
  scene.sendMarked(scene.attacker.port.mac);
  scene.run(SETTLE_NS);
}

function invadeStructure(scene: AttackScenario, structure: Structure | undefined, kind: string) {
  if (structure === undefined) return { notApplicable: `this approach keeps no ${kind} in memory` };
  scene.watch(structure.label, structure.address);
  invade(scene, structure.address);
  return undefined;
}

/** Attacks by what a descriptor, an index or a chain says. */
export const DESCRIPTOR_ATTACKS: readonly Attack[] = [
  {
    name: 'foreign-page-read',
    meaning: 'a transmit descriptor names a page of the victim, to have it sent',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const secret = scene.plant(scene.victim.domain, 'page of the victim');
      scene.attacker.exfiltrate(DROP_MAC, last(secret.address, STOLEN_BYTES));
    }),
  },
  {
    name: 'foreign-page-crowd',
    meaning: 'the same on a machine with two more guests, more than some chipsets can keep apart',
    by: 'guest',
    target: 'another guest',
    stage: { bystanders: 2 },
    play: always((scene) => {
      const secret = scene.plant(scene.victim.domain, 'page of the victim');
      scene.attacker.exfiltrate(DROP_MAC, last(secret.address, STOLEN_BYTES));
    }),
  },
  {
    name: 'foreign-page-write',
    meaning: 'a receive descriptor names a page of the victim, to have it overwritten',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => invade(scene, scene.plant(scene.victim.domain, 'page of the victim').address)),
  },
  {
    name: 'length-past-page',
    meaning: 'a buffer begins in a page of the attacker and its length reaches into the next, the victim’s',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const { attacker } = scene;
      const { own } = scene.neighbours();
      const inside = 64;
      const start = own + PAGE_BYTES - inside;
      const header = attacker.header(DROP_MAC);
      const queue = attacker.port.transmit;
      if (attacker.ask('transmit', [header, last(start, inside + STOLEN_BYTES)])) {
        queue.ring();
        return;
      }
      // A correct buffer is set up first; then the entry is changed to cover more than was validated.
      if (!attacker.ask('transmit', [header, last(start, inside)])) return;
      const index = queue.producer - 1;
      const bus = attacker.raw.busAddress('transmit', index, start);
      attacker.forge('transmit', index, last(bus, inside + STOLEN_BYTES));
      queue.ring();
    }),
  },
  {
    name: 'victim-ring-write',
    meaning: 'a receive descriptor names the ring of the victim, to write descriptors there',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const ring = ringOf(scene);
      scene.watch('descriptor ring of the victim', ring - (ring % PAGE_BYTES));
      invade(scene, ring);
      scene.look();
    }),
  },
  {
    name: 'hypervisor-page',
    meaning: 'a receive buffer is posted in memory of the hypervisor',
    by: 'guest',
    target: 'the hypervisor',
    play: always((scene) => invade(scene, scene.plantInHypervisor('page of the hypervisor').address)),
  },
  {
    name: 'vector-ring',
    meaning: 'a receive buffer is posted in the ring that the card writes interrupt vectors to',
    by: 'guest',
    target: 'the hypervisor',
    play: (scene) => invadeStructure(scene, vectorRing(scene), 'vector ring'),
  },
  {
    name: 'tables-as-target',
    meaning: 'a receive buffer is posted in the tables that decide who reaches what',
    by: 'guest',
    target: 'the hypervisor',
    play: (scene) => invadeStructure(scene, decidingTables(scene)[0], 'tables to decide by'),
  },
  {
    name: 'queue-as-target',
    meaning: 'a receive buffer is posted in the queue of invalidation commands',
    by: 'guest',
    target: 'the hypervisor',
    play: (scene) => invadeStructure(scene, invalidationQueue(scene), 'invalidation queue'),
  },
  {
    name: 'no-such-memory',
    meaning: 'a transmit descriptor names an address behind which there is no RAM',
    by: 'guest',
    target: 'service',
    play: always((scene) => scene.attacker.exfiltrate(DROP_MAC, last(NOWHERE, STOLEN_BYTES))),
  },
  {
    name: 'own-page-unmeant',
    meaning: 'the device is given a page of the same guest that is no buffer: a driver bug',
    by: 'guest',
    target: 'the same guest',
    play: always((scene) => {
      const { attacker } = scene;
      const secret = scene.plant(attacker.domain, 'page of the attacker that is no buffer');
      const meant = attacker.page();
      const header = attacker.header(DROP_MAC);
      const queue = attacker.port.transmit;
      // The operating system sets up the right buffer; what is programmed into the device is another.
      if (!attacker.ask('transmit', [header, last(meant, STOLEN_BYTES)])) return;
      const slip = last(secret.address, STOLEN_BYTES);
      if (attacker.forge('transmit', queue.producer - 1, slip)) queue.ring();
      // Where the hypervisor writes descriptors, the bug is in the request that it gets.
      else if (attacker.ask('transmit', [header, slip])) queue.ring();
    }),
  },
  {
    name: 'changed-after-check',
    meaning: 'a descriptor is accepted with a page of the attacker and then rewritten to one of the victim',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const { attacker } = scene;
      const secret = scene.plant(scene.victim.domain, 'page of the victim');
      const own = attacker.page();
      const queue = attacker.port.transmit;
      if (!attacker.ask('transmit', [attacker.header(DROP_MAC), last(own, STOLEN_BYTES)])) return;
      attacker.forge('transmit', queue.producer - 1, last(secret.address, STOLEN_BYTES));
      queue.ring();
    }),
  },
  {
    name: 'index-out-of-range',
    meaning: 'the producer index is moved on by far more than the ring has slots',
    by: 'guest',
    target: 'service',
    play: always(({ attacker }) => {
      attacker.doorbell('transmit', attacker.port.transmit.producer + 0x100000);
      attacker.doorbell('receive', attacker.port.receive.producer + 0x80000000);
    }),
  },
  {
    name: 'zero-length',
    meaning: 'a ring full of buffers of no bytes',
    by: 'guest',
    target: 'service',
    play: always(({ attacker }) => {
      const page = attacker.page();
      const queue = attacker.port.transmit;
      if (attacker.ask('transmit', [last(page, 0)])) {
        queue.ring();
        return;
      }
      const first = queue.producer;
      for (let step = 0; step < queue.slots; step += 1) {
        if (!attacker.forge('transmit', first + step, last(page, 0))) return;
      }
      attacker.doorbell('transmit', first + queue.slots);
    }),
  },
  {
    name: 'endless-chain',
    meaning:
      'a ring full of pieces of one frame that never ends, so that the card comes round to its beginning',
    by: 'guest',
    target: 'service',
    play: always((scene) => {
      const { attacker } = scene;
      const page = attacker.page();
      const queue = attacker.port.transmit;
      const pieces = Array.from({ length: queue.slots }, () => ({ address: page, length: 64, flags: 0 }));
      if (attacker.ask('transmit', pieces)) queue.ring();
      scene.run(SETTLE_NS);
      // Once round, and on.
      attacker.doorbell('transmit', queue.producer + queue.slots);
    }),
  },
];

function ringOf({ host, victim }: AttackScenario): number {
  return rawRingOf(host, victim.domain, victim.port).address('transmit');
}

import { FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { type Attack, always } from '../attack.js';
import { DROP_MAC, type Scene } from '../scene.js';

const STOLEN_BYTES = 512;
const SENT_NS = 1_000_000;
/** Longer than CDNA's lazy release and Linux's deferred invalidation wait, both 10 ms. */
const EVERYTHING_SETTLED_NS = 12_000_000;

/** A page that was sent from, honestly, as often as the ring allows, and is done with; its entries are still in the ring. */
function sendLap(scene: Scene): number {
  const { attacker } = scene;
  const page = attacker.page();
  const header = attacker.header(DROP_MAC);
  const body = { address: page, length: STOLEN_BYTES, flags: FLAG_END_OF_PACKET };
  const queue = attacker.port.transmit;
  const lap = Array.from({ length: queue.slots }, (_, index) => (index % 2 === 0 ? header : body));
  if (attacker.ask('transmit', lap)) queue.ring();
  scene.run(SENT_NS);
  queue.finish(queue.consumer());
  return page;
}

/** Moves the producer past the last entry, into those of the lap before. */
function replay({ attacker }: Scene): void {
  attacker.doorbell('transmit', attacker.port.transmit.producer + 2);
}

function describe(scene: Scene, handed: boolean): void {
  scene.note(handed ? 'the victim got the page' : 'nobody got the page: it was still referenced');
}

/** Attacks by when a page is whose. */
export const LIFETIME_ATTACKS: readonly Attack[] = [
  {
    name: 'stale-descriptor',
    meaning:
      'the producer index goes past the last entry, into old ones whose page has long been the victim’s',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const page = sendLap(scene);
      scene.run(EVERYTHING_SETTLED_NS);
      describe(scene, scene.handOver(page) !== undefined);
      replay(scene);
    }),
  },
  {
    name: 'use-after-unmap',
    meaning: 'a page is unmapped, given up and the victim’s; the device is sent to its old address at once',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const page = sendLap(scene);
      describe(scene, scene.handOver(page) !== undefined);
      replay(scene);
    }),
  },
  {
    name: 'own-page-after-unmap',
    meaning:
      'a page is done with and holds something else of the same guest; the device goes there once more',
    by: 'guest',
    target: 'the same guest',
    play: always((scene) => {
      const page = sendLap(scene);
      scene.plantAt(page, STOLEN_BYTES, 'page that was a buffer of the attacker');
      replay(scene);
    }),
  },
  {
    name: 'freed-while-sending',
    meaning: 'a page is given up while frames from it wait to be sent, and becomes the victim’s',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const { attacker } = scene;
      const page = attacker.page();
      const queue = attacker.port.transmit;
      const header = attacker.header(DROP_MAC);
      const body = { address: page, length: 2048, flags: FLAG_END_OF_PACKET };
      const frames = Array.from({ length: queue.slots }, (_, index) => (index % 2 === 0 ? header : body));
      if (attacker.ask('transmit', frames)) queue.ring();
      // The first of them are on their way.
      scene.run(20_000);
      describe(scene, scene.handOver(page) !== undefined);
    }),
  },
  {
    name: 'freed-while-receiving',
    meaning: 'a posted receive buffer is given up and becomes the victim’s before the frame for it arrives',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const { attacker } = scene;
      const page = attacker.page();
      const queue = attacker.port.receive;
      if (attacker.ask('receive', [{ address: page, length: 2048, flags: 0 }])) queue.ring();
      scene.run(20_000);
      describe(scene, scene.handOver(page) !== undefined);
      scene.sendMarked(attacker.port.mac);
      scene.run(SENT_NS);
      // What an approach does when the driver takes the frame, it does now.
      queue.finish(queue.consumer());
    }),
  },
];

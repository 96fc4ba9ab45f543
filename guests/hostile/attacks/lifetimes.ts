import { FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { type Attack, always } from '../attack.js';
import { type AttackScenario, DROP_MAC } from '../attack-scenario.js';
import type { NamedBuffer } from '../raw-ring.js';

const STOLEN_BYTES = 512;
const SENT_NS = 1_000_000;
const SENT_STEP_NS = 2_000;
const SENT_STEPS = 200;
/** Longer than an invalidation that is waited for, far shorter than one that is put off. */
const AT_ONCE_NS = 20_000;
/** Longer than CDNA's lazy release and Linux's deferred invalidation wait, both 10 ms. */
const EVERYTHING_SETTLED_NS = 12_000_000;

/** A page from which every slot of the ring sent a valid frame, and that is no longer used; its entries are still there. */
function sendLap(scene: AttackScenario): number {
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
function replay({ attacker }: AttackScenario): void {
  attacker.doorbell('transmit', attacker.port.transmit.producer + 2);
}

/** A frame that was sent, and by which addresses the device knew its two buffers. */
interface SentOnce {
  readonly page: number;
  readonly header: NamedBuffer;
  readonly body: NamedBuffer;
}

/** Sends one valid frame from a page, and releases its buffers as soon as it has left. */
function sendOnce(scene: AttackScenario): SentOnce {
  const { attacker } = scene;
  const page = attacker.page();
  const header = attacker.header(DROP_MAC);
  const body = { address: page, length: STOLEN_BYTES, flags: FLAG_END_OF_PACKET };
  const queue = attacker.port.transmit;
  if (attacker.ask('transmit', [header, body])) queue.ring();
  for (let step = 0; step < SENT_STEPS && queue.consumer() !== queue.producer; step += 1)
    scene.run(SENT_STEP_NS);
  const bus = (back: number, { address }: NamedBuffer) =>
    attacker.raw.busAddress('transmit', (queue.producer - back) >>> 0, address);
  const sent = {
    page,
    header: { ...header, address: bus(2, header) },
    body: { ...body, address: bus(1, body) },
  };
  queue.finish(queue.consumer());
  return sent;
}

/** Has the device access the same addresses once more, without passing the set-up gate. */
function goBack({ attacker }: AttackScenario, { header, body }: SentOnce): void {
  const next = attacker.port.transmit.producer;
  attacker.forge('transmit', next, header);
  attacker.forge('transmit', next + 1, body);
  attacker.doorbell('transmit', next + 2);
}

/** Attacks on the lifetime of a page: who owns it when. */
export const LIFETIME_ATTACKS: readonly Attack[] = [
  {
    name: 'stale-descriptor',
    meaning:
      'the producer index goes past the last entry, into old ones whose page has long been the victim’s',
    by: 'guest',
    target: 'another guest',
    stage: { lastsNs: 15_000_000 },
    play: always((scene) => {
      const page = sendLap(scene);
      scene.run(EVERYTHING_SETTLED_NS);
      scene.handOver(page, AT_ONCE_NS);
      replay(scene);
    }),
  },
  {
    name: 'use-after-unmap',
    meaning:
      'a page is unmapped, released and given to the victim; the device is sent to its old address at once',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const sent = sendOnce(scene);
      scene.handOver(sent.page, AT_ONCE_NS);
      goBack(scene, sent);
    }),
  },
  {
    name: 'own-page-after-unmap',
    meaning:
      'a page is done with and holds something else of the same guest; the device goes there once more',
    by: 'guest',
    target: 'the same guest',
    play: always((scene) => {
      const sent = sendOnce(scene);
      scene.plantAt(sent.page, STOLEN_BYTES, 'page that was a buffer of the attacker');
      // Entries that are invalidated by then are gone; the others will be used.
      scene.run(AT_ONCE_NS);
      goBack(scene, sent);
    }),
  },
  {
    name: 'freed-while-sending',
    meaning: 'a page is released while frames from it wait to be sent, and becomes the victim’s',
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
      scene.handOver(page, SENT_NS);
    }),
  },
  {
    name: 'freed-while-receiving',
    meaning: 'a posted receive buffer is released and becomes the victim’s before the frame for it arrives',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const { attacker } = scene;
      const page = attacker.page();
      const queue = attacker.port.receive;
      if (attacker.ask('receive', [{ address: page, length: 2048, flags: 0 }])) queue.ring();
      scene.run(20_000);
      scene.handOver(page, AT_ONCE_NS);
      scene.sendMarked(attacker.port.mac);
      scene.run(SENT_NS);
      // What an approach does when the driver takes the frame happens now.
      queue.finish(queue.consumer());
    }),
  },
];

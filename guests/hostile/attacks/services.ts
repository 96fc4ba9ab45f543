import { FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { MAILBOX } from '../../../nic/registers.js';
import { fixedSize } from '../../traffic/frame-sizes.js';
import { constantRate, greedy } from '../../traffic/generated-sources.js';
import { type Attack, always } from '../attack.js';
import { type AttackScenario, DROP_MAC } from '../attack-scenario.js';
import { headerBytes } from '../hostile-guest.js';

const STORM_NS = 6_000_000;
const BROADCAST = 0xffffffffffff;
const ATTACKER_SOURCE = 7;
/** Where PAUSE frames go, and what they say after the addresses: EtherType, opcode, 65,535 quanta (IEEE 802.3, annex 31B). */
const PAUSE_MAC = 0x0180c2000001;
const PAUSE_BYTES = Uint8Array.of(0x88, 0x08, 0x00, 0x01, 0xff, 0xff);
/** Doorbells that one unit of the attacker's work rings. */
const DOORBELLS_AT_ONCE = 32;

/** Repeats work on the attacker's own CPU time for as long as the storm lasts. */
function storm(scene: AttackScenario, work: () => void): void {
  const { kernel, processor } = scene.host;
  const { account } = scene.attacker.domain;
  const untilNs = kernel.nowNs + STORM_NS;
  const again = () => {
    work();
    if (kernel.nowNs < untilNs) processor.post(account, again);
  };
  processor.post(account, again);
  scene.run(STORM_NS);
}

function hog(scene: AttackScenario): void {
  const source = greedy({
    name: 'attacker',
    sourceId: ATTACKER_SOURCE,
    source: scene.attacker.port.mac,
    destination: DROP_MAC,
    sizes: fixedSize('attacker', 9018),
  });
  scene.attacker.drive({ refillBatch: 8 }).attach(source);
}

/** Attacks on what guests share: the wire, the card's attention, the CPU, and names. */
export const SERVICE_ATTACKS: readonly Attack[] = [
  {
    name: 'doorbell-storm',
    meaning: 'the doorbell is rung without end, with nothing behind it',
    by: 'guest',
    target: 'service',
    play: always((scene) => {
      const { attacker } = scene;
      const { producer } = attacker.port.transmit;
      storm(scene, () => {
        for (let ring = 0; ring < DOORBELLS_AT_ONCE; ring += 1) attacker.doorbell('transmit', producer);
      });
    }),
  },
  {
    name: 'interrupt-storm',
    meaning: 'small frames, each of which asks for an interrupt at once, with coalescing turned off',
    by: 'guest',
    target: 'service',
    play: always((scene) => {
      const { attacker, host } = scene;
      if (attacker.port.context < host.nic.contexts.length) {
        attacker.poke(attacker.port.context, MAILBOX.COALESCE_FRAMES * 4, 1);
        attacker.poke(attacker.port.context, MAILBOX.COALESCE_NS * 4, 0);
      }
      const source = constantRate({
        name: 'attacker',
        kernel: host.kernel,
        sourceId: ATTACKER_SOURCE,
        source: attacker.port.mac,
        destination: DROP_MAC,
        sizes: fixedSize('attacker', 60),
        wireRateBps: 100e6,
      });
      attacker.drive({ refillBatch: 8 }).attach(source);
      scene.run(STORM_NS);
    }),
  },
  {
    name: 'jumbo-hog',
    meaning:
      'frames of 9,018 bytes without a pause, while the card shares the wire out by deficit round robin',
    by: 'guest',
    target: 'service',
    play: always(hog),
  },
  {
    name: 'jumbo-hog-prr',
    meaning: 'the same, on a card that shares the wire out frame by frame',
    by: 'guest',
    target: 'service',
    stage: { discipline: 'prr' },
    play: always(hog),
  },
  {
    name: 'jumbo-hog-fifo',
    meaning: 'the same, on a card that serves a ring until it is empty',
    by: 'guest',
    target: 'service',
    stage: { discipline: 'fifo' },
    play: always(hog),
  },
  {
    name: 'mac-spoofing',
    meaning: 'frames that claim to come from the victim',
    by: 'guest',
    target: 'identity',
    play: always((scene) => {
      const { attacker, victim } = scene;
      const header = attacker.header(DROP_MAC, victim.port.mac);
      for (let frame = 0; frame < 8; frame += 1) {
        if (attacker.ask('transmit', [{ ...header, flags: FLAG_END_OF_PACKET }]))
          attacker.port.transmit.ring();
        scene.run(20_000);
      }
    }),
  },
  {
    name: 'payload-after-check',
    meaning:
      'the source address of a frame is rewritten in the buffer, at any moment between hand-over and wire',
    by: 'guest',
    target: 'identity',
    play: always((scene) => {
      const { attacker, victim } = scene;
      const forged = headerBytes(DROP_MAC, victim.port.mac);
      const queue = attacker.port.transmit;
      for (let delayNs = 0; delayNs < 12_000; delayNs += 200) {
        const header = attacker.header(DROP_MAC);
        if (attacker.ask('transmit', [{ ...header, flags: FLAG_END_OF_PACKET }])) queue.ring();
        scene.run(delayNs);
        attacker.store(header.address, forged);
        scene.run(30_000);
        queue.finish(queue.consumer());
      }
    }),
  },
  {
    name: 'pause-flood',
    meaning: 'PAUSE frames, each of which tells the far end to send nothing for as long as it can say',
    by: 'guest',
    target: 'service',
    play: always((scene) => {
      const { attacker } = scene;
      const frame = attacker.header(PAUSE_MAC);
      attacker.store(frame.address + 12, PAUSE_BYTES);
      for (let count = 0; count < 64; count += 1) {
        if (attacker.ask('transmit', [{ ...frame, flags: FLAG_END_OF_PACKET }]))
          attacker.port.transmit.ring();
        scene.run(STORM_NS / 64);
        attacker.port.transmit.finish(attacker.port.transmit.consumer());
      }
    }),
  },
  {
    name: 'broadcast-flood',
    meaning: 'small broadcast frames at two fifths of the wire, which the card hands to every other guest',
    by: 'guest',
    target: 'service',
    stage: { switching: true },
    play: always((scene) => {
      const source = constantRate({
        name: 'attacker',
        kernel: scene.host.kernel,
        sourceId: ATTACKER_SOURCE,
        source: scene.attacker.port.mac,
        destination: BROADCAST,
        sizes: fixedSize('attacker', 60),
        wireRateBps: 400e6,
      });
      scene.attacker.drive({ refillBatch: 8 }).attach(source);
    }),
  },
];

import { PAGE_BYTES } from '../../../host/memory/physical-memory.js';
import { BufferBatch } from '../../../host/protection/guest-port.js';
import { XEN_FAULT_LIMIT } from '../../../host/protection/iommu/fault-limit.js';
import { guestPhysicalAddress } from '../../../nic/addresses.js';
import { type Attack, always } from '../attack.js';
import { type AttackScenario, DROP_MAC } from '../attack-scenario.js';
import { iommuOf } from '../control-structures.js';
import { headerBytes } from '../hostile-guest.js';
import { rawRingOf } from '../raw-ring.js';
import { finishBuffer, LOOK_BYTES, SETTLE_NS, useBuffer } from './used-buffer.js';

const HALF = PAGE_BYTES / 2;
/** Longer than three time-outs of a unit that waits for a device. */
const STOPPED_NS = 4_500_000;
/** Far shorter than an invalidation that is put off. */
const AT_ONCE_NS = 20_000;
const FRAME_BYTES = 64;
const FLOOD_STEPS = 6_000;
const FLOOD_STEP_NS = 1_000;
/** An address that no unit translates for anything here. */
const UNMAPPED = 0x12_3456_7000;
/** Station of the second port of the victim: none that a guest of a machine, or a station of the far end, has. */
const SECOND_MAC = 0x020000020003;

/** Bytes of an Ethernet header, in front of the bytes that become the message. */
const HEADER_BYTES = 14;
/** A vector that belongs to software: 0x82 was Xen's hypercall, and 0x80 Linux's system call. */
const VECTOR = 0x82;
const MESSAGE_BYTES = 4;
/** Where a write is an interrupt message for the processor with APIC ID 0. */
const MESSAGE_ADDRESS = 0xfee0_0000;

/** A receive buffer of 4 bytes in the interrupt window, into which a frame of the attacker's making is received. */
function injectMessage(scene: AttackScenario): void {
  const { attacker, partner } = scene;
  const page = attacker.page();
  attacker.invadeWith([
    { address: page, length: HEADER_BYTES, flags: 0 },
    { address: MESSAGE_ADDRESS, length: MESSAGE_BYTES, flags: 0 },
    { address: page + HALF, length: HALF, flags: 0 },
  ]);
  scene.run(SETTLE_NS);
  const frame = new Uint8Array(FRAME_BYTES);
  frame.set(headerBytes(attacker.port.mac, DROP_MAC).subarray(0, HEADER_BYTES));
  frame[HEADER_BYTES] = VECTOR;
  partner.send(frame, 0, frame.length);
  scene.run(SETTLE_NS);
}

/** The card's requests go where nothing is mapped, each to a page of its own. */
function floodWithFaults(scene: AttackScenario): void {
  const requester = scene.requesterOf(scene.attacker.port);
  for (let step = 0; step < FLOOD_STEPS; step += 1) {
    scene.rogue.read(requester, UNMAPPED + step * PAGE_BYTES, 64);
    scene.run(FLOOD_STEP_NS);
  }
}

/** Attacks on a translation unit: on interrupts beside it, on what it remembers, and on the time that it takes to forget. */
export const UNIT_ATTACKS: readonly Attack[] = [
  {
    name: 'msi-injection',
    meaning:
      'a receive buffer of 4 bytes lies at 0xfee00000, so that a frame writes an interrupt message with a vector of its choice',
    by: 'guest',
    target: 'the hypervisor',
    play: always(injectMessage),
  },
  {
    name: 'msi-injection-remapped',
    meaning: 'the same, and the unit remaps interrupts where there is one',
    by: 'guest',
    target: 'the hypervisor',
    play: always((scene) => {
      iommuOf(scene)?.driver.remapInterrupts();
      scene.run(SETTLE_NS);
      injectMessage(scene);
    }),
  },
  {
    name: 'deferred-after-reassignment',
    meaning:
      'a buffer is unmapped and its page becomes the victim’s; the card writes to the old address at once',
    by: 'card',
    target: 'another guest',
    play: always((scene) => {
      const used = useBuffer(scene);
      const { page, bus, requester } = used;
      finishBuffer(scene, used);
      scene.handOver(page, AT_ONCE_NS);
      scene.rogue.write(requester, bus, scene.marked(LOOK_BYTES));
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'stale-context',
    meaning:
      'the hypervisor takes a context away and forgets to have its entry invalidated; the victim opens a second port, and the card goes to its buffer with the old requester ID',
    by: 'card',
    target: 'another guest',
    play: always((scene) => {
      const { attacker, host, victim } = scene;
      const { requester } = useBuffer(scene);
      const iommu = iommuOf(scene);
      if (iommu !== undefined) iommu.driver.forgetsEntries = true;
      host.protection.closePort(attacker.port);
      scene.run(SETTLE_NS);
      const port = host.protection.openPort(victim.domain, {
        mac: SECOND_MAC,
        share: { weight: 1 },
        transmitSlots: 32,
        receiveSlots: 32,
        antiSpoofing: true,
        promiscuous: false,
      });
      const secret = scene.plant(victim.domain, 'buffer of the victim’s second port');
      const batch = new BufferBatch(1);
      batch.add(guestPhysicalAddress(secret.address), PAGE_BYTES, 0);
      port.receive.post(batch);
      port.receive.ring();
      scene.run(SETTLE_NS);
      const raw = rawRingOf(host, victim.domain, port);
      const bus = raw.busAddress('receive', port.receive.producer - 1, secret.address);
      scene.rogue.read(requester, bus, LOOK_BYTES);
      scene.rogue.write(requester, bus, scene.marked(LOOK_BYTES));
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'invalidation-never-answered',
    meaning:
      'the card has been allowed translations of its own and never confirms that it has dropped them; the page of an unmapped buffer becomes the victim’s',
    by: 'card',
    target: 'another guest',
    play: always((scene) => {
      const used = useBuffer(scene);
      const { page, bus, requester } = used;
      const iommu = iommuOf(scene);
      if (iommu !== undefined) {
        iommu.driver.enableDeviceTlb(requester);
        scene.run(SETTLE_NS);
        iommu.driver.timing.silentDevices.add(requester);
      }
      finishBuffer(scene, used);
      scene.handOver(page, STOPPED_NS);
      scene.rogue.write(requester, bus, scene.marked(LOOK_BYTES));
      scene.run(SETTLE_NS);
    }),
  },
  {
    name: 'fault-flood',
    meaning: 'the card makes a million requests per second that must be denied, so that each is to be logged',
    by: 'card',
    target: 'service',
    play: always(floodWithFaults),
  },
  {
    name: 'fault-flood-limited',
    meaning: 'the same, and the hypervisor stops a function of an IOMMU at its tenth fault',
    by: 'card',
    target: 'service',
    play: always((scene) => {
      iommuOf(scene)?.limitFaults(XEN_FAULT_LIMIT);
      floodWithFaults(scene);
    }),
  },
];

import { describe, expect, it } from 'vitest';
import { HostileGuest, RogueDevice } from '../../../guests/hostile/index.js';
import { Cdna, PlainDma } from '../../../host/index.js';
import { ContextPort } from '../../../host/protection/context-port.js';
import { DeviceExclusion } from '../../../host/protection/dev/device-exclusion.js';
import { DriverDomain } from '../../../host/protection/driver-domain/driver-domain.js';
import type { ProtectionPlan } from '../../../host/protection/protection.js';
import { hostPhysicalAddress } from '../../../nic/addresses.js';
import { DriverLab, FAR_MAC } from '../driver-lab.js';

const END_OF_PACKET = 1;
const SLOT_BYTES = 16;

function scene(protection: ProtectionPlan) {
  const lab = new DriverLab({ protection });
  const { domain: victim, port: victimPort } = lab.guest();
  const domain = lab.host.createGuest('hostile', 1);
  const port = lab.host.openPort(domain, {
    mac: 0x02_00_00_00_00_77,
    share: { weight: 1 },
    transmitSlots: 8,
    receiveSlots: 8,
    antiSpoofing: true,
    promiscuous: false,
  });
  lab.run(10_000);
  return { lab, victim, victimPort, hostile: new HostileGuest(lab.host, domain, port) };
}

describe('a hostile guest whose ring is its own', () => {
  it('has sent what it wrote there, without asking', () => {
    const { lab, hostile } = scene(new PlainDma());
    const page = hostile.page();
    const header = hostile.header(FAR_MAC);
    hostile.store(
      page,
      Uint8Array.from({ length: 100 }, (_, at) => at),
    );
    expect(hostile.forge('transmit', 0, header)).toBe(true);
    expect(hostile.forge('transmit', 1, { address: page, length: 100, flags: END_OF_PACKET })).toBe(true);
    hostile.doorbell('transmit', 2);
    lab.run(100_000);
    const sent = lab.sent.at(-1)?.bytes;
    expect(sent).toHaveLength(header.length + 100);
    expect(sent?.[header.length + 42]).toBe(42);
    expect(hostile.stopped).toEqual({ refusals: {}, pageFaults: 0, withheldPages: 0 });
  });
});

describe('a hostile guest whose ring is the hypervisor’s', () => {
  it('cannot write there: the store faults and the ring is as it was', () => {
    const { lab, hostile } = scene(new Cdna());
    const { port } = hostile;
    if (!(port instanceof ContextPort)) throw new Error('CDNA gives contexts');
    const before = new Uint8Array(8 * SLOT_BYTES);
    const after = new Uint8Array(8 * SLOT_BYTES);
    lab.host.memory.read(port.transmit.ringAddress, before.length, before, 0);
    expect(hostile.forge('transmit', 3, { address: hostile.page(), length: 64, flags: 1 })).toBe(false);
    lab.host.memory.read(port.transmit.ringAddress, after.length, after, 0);
    expect(after).toEqual(before);
    expect(hostile.stopped.pageFaults).toBe(1);
  });

  it('is told why its request was refused', () => {
    const { hostile, victim } = scene(new Cdna());
    const foreign = (victim.allocate(1)[0] ?? 0) * 4096;
    expect(hostile.ask('transmit', [{ address: foreign, length: 64, flags: 1 }])).toBe(false);
    expect(hostile.stopped.refusals).toEqual({ 'not-owner': 1 });
  });
});

describe('a hostile guest behind a driver domain', () => {
  it('grants a page that is not its own, and the grant is worth nothing', () => {
    const { lab, hostile, victim } = scene(new DriverDomain());
    const foreign = (victim.allocate(1)[0] ?? 0) * 4096;
    const before = lab.sent.length;
    hostile.exfiltrate(FAR_MAC, { address: foreign, length: 64, flags: END_OF_PACKET });
    lab.run(1_000_000);
    expect(lab.sent).toHaveLength(before);
    expect(lab.host.hypervisor.faultLog.map(({ reason }) => reason)).toEqual(['not-owner']);
  });
});

describe('registers of others', () => {
  it('are out of reach, and each try counts', () => {
    const { lab, hostile, victimPort } = scene(new PlainDma());
    const producer = lab.host.window.readNow(victimPort.context, 0);
    expect(hostile.poke(victimPort.context, 0, producer + 1)).toBe(false);
    expect(hostile.poke(hostile.port.context, 4094, 1)).toBe(false);
    expect(hostile.poke(hostile.port.context, 8, 1)).toBe(true);
    lab.run(100_000);
    expect(lab.host.window.readNow(victimPort.context, 0)).toBe(producer);
    expect(hostile.stopped.pageFaults).toBe(2);
  });
});

describe('a rogue card', () => {
  it('gets what the gate allows, and nothing of what is denied', () => {
    for (const [protection, taken] of [
      [new PlainDma(), 2],
      [new DeviceExclusion(), 1],
    ] as const) {
      const { lab, hostile, victim } = scene(protection);
      const own = hostile.page();
      const foreign = (victim.allocate(1)[0] ?? 0) * 4096;
      const rogue = new RogueDevice(lab.host);
      const requester = lab.host.nic.contexts[hostile.port.context]?.requesterId ?? 0;
      lab.host.memory.fill(hostPhysicalAddress(own), 16, 1);
      lab.host.memory.fill(hostPhysicalAddress(foreign), 16, 2);
      rogue.read(requester, own, 16);
      rogue.read(requester, foreign, 16);
      lab.run(100_000);
      expect(rogue.leaked.map((bytes) => bytes[0])).toEqual([1, 2].slice(0, taken));
    }
  });
});

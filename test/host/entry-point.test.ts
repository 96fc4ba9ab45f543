import { describe, expect, it } from 'vitest';
import * as host from '../../host/index.js';
import { EventKernel, makeDiscipline } from '../../scheduler/index.js';

/** A machine built from what `cdna-nic/host` exports and nothing else. */
function machineWith<P extends host.Protection>(protection: host.ProtectionPlan<P>) {
  return new host.Host({
    kernel: new EventKernel(),
    protection,
    wire: { transmitted() {} },
    transmitDiscipline: makeDiscipline('drr'),
    receiveDiscipline: makeDiscipline('drr'),
    host: { memoryBytes: 64 * 2 ** 20 },
  });
}

describe('cdna-nic/host', () => {
  it('exports the IOMMU approaches: one requester ID for the whole card can be asked for', () => {
    const { protection } = machineWith(new host.Iommu({ strategy: 'single-use', oneRequesterId: true }));
    expect(protection).toBeInstanceOf(host.IommuProtection);
    expect(protection.name).toBe('iommu:single-use');
    const both = machineWith(new host.CdnaIommu({ vendor: 'amdvi' })).protection;
    expect([both.name, both.driver.vendor]).toEqual(['cdna+iommu', 'amdvi']);
  });

  it('exports every mapping strategy and the interface that one of your own implements', () => {
    const classes = [
      host.DirectMap,
      host.FlushOnWrap,
      host.Swiotlb,
      host.SingleUse,
      host.Shared,
      host.Persistent,
      host.Deferred,
      host.ShadowCopy,
      host.Contiguous,
    ];
    expect(host.STRATEGIES.length + host.FURTHER_STRATEGIES.length).toBe(classes.length);
    const made: string[] = [];
    const make: host.StrategyMaker = (space) => {
      made.push(space.domain.name);
      return new host.SingleUse(space, {
        linuxKernel: '6.12',
        iovaAllocator: 'rcache',
      }) satisfies host.MappingStrategy;
    };
    const machine = machineWith(new host.Iommu({ strategy: { name: 'mine', hypervisorRings: false, make } }));
    machine.openPort(machine.createGuest('guest', 0), {
      mac: 0x02_00_00_00_00_01,
      share: { weight: 1 },
      transmitSlots: 16,
      receiveSlots: 16,
      antiSpoofing: false,
      promiscuous: false,
    });
    expect([machine.protection.name, ...made]).toEqual(['mine', 'guest']);
  });

  it('builds any number of machines from one plan, each with books of its own', () => {
    for (const { name, make } of host.APPROACHES) {
      const plan = make();
      const [one, other] = [machineWith(plan), machineWith(plan)];
      expect([plan.name, one.protection.name, other.protection.name]).toEqual([name, name, name]);
      expect(one.protection).not.toBe(other.protection);
      one.createGuest('guest', 0);
      one.openPort(one.hypervisor.domains.at(-1) as host.Domain, {
        mac: 0x02_00_00_00_00_01,
        share: { weight: 1 },
        transmitSlots: 16,
        receiveSlots: 16,
        antiSpoofing: false,
        promiscuous: false,
      });
      one.checkInvariants();
      other.checkInvariants();
    }
  });
});

import { describe, expect, it } from 'vitest';
import { AmdviDriver } from '../../../host/protection/iommu/amdvi-driver.js';
import { accessSteps } from '../../../src/lab/access-steps.js';
import { inspect } from '../../../src/lab/inspect.js';
import { LabMachine } from '../../../src/lab/lab-machine.js';
import { checkPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { driverOf } from '../../../src/lab/probes.js';
import type { Machine } from '../../../src/machine/machine.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';

function machineOf(vendor: 'vtd' | 'amdvi', approach = 'iommu:single-use') {
  const scenario: ScenarioInput = {
    ...(presetOf('one-guest')?.scenario ?? { guests: [{}] }),
    iommu: { vendor },
  };
  return new LabMachine(checkPlan({ scenario, approach, discipline: 'drr', seed: 1 }));
}

/** A write to the interrupt window is a message (VT-d 3.14, AMD IOMMU 2.1.1.2); a read of it is refused. */
const INTERRUPT_WINDOW = 0xfee0_0000;

describe('what the access gate would answer', () => {
  it.each(['vtd', 'amdvi'] as const)('names the interrupt window under %s, and no page', (vendor) => {
    const { host } = machineOf(vendor).machine;
    const id = host.nic.contexts[0]?.requesterId ?? -1;
    expect(accessSteps(host, id, INTERRUPT_WINDOW, false)).toMatchObject({
      allowed: false,
      verdict: 'Denied: the interrupt window.',
    });
  });

  it('shows an entry of the requester only where one is read', () => {
    const stepsOf = ({ host }: Machine, id: number) =>
      accessSteps(host, id, 0, true).steps.map(({ what }) => what);
    const vtd = machineOf('vtd').machine;
    const ours = vtd.host.nic.contexts[0]?.requesterId ?? -1;
    expect(stepsOf(vtd, ours)[1]).toMatch(/^context entry of/u);
    // Nothing was ever mapped on bus 255: its root entry is not present.
    expect(stepsOf(vtd, 0xffff)).toEqual(['root entry of bus 255']);
    const amdvi = machineOf('amdvi').machine;
    expect(stepsOf(amdvi, 0xffff)).toEqual(['device table entry of ff:1f.7']);
    const driver = driverOf(amdvi.host);
    if (!(driver instanceof AmdviDriver)) throw new Error('no AMD-Vi driver');
    // Device Table Base Address Register: size 0 is 4 KB, which are the entries of 128 device IDs.
    const { registers } = driver.unit;
    registers.write64(0, BigInt(registers.address('DEVICE_TABLE_BASE')));
    expect(stepsOf(amdvi, 0xffff)).toEqual([]);
  });

  it.each([
    ['vtd', { name: 'P', set: true }],
    ['amdvi', { name: 'V', set: true }],
  ] as const)('has under %s the bits of the entry as the driver has set them', (vendor, bit) => {
    const { host } = machineOf(vendor).machine;
    const [first] = accessSteps(host, host.nic.contexts[0]?.requesterId ?? -1, 0, false).steps;
    expect(first?.bits).toContainEqual(bit);
  });
});

describe('a look at a page', () => {
  const look = (id: number) => {
    const { machine, transmitDiscipline, receiveDiscipline } = machineOf('vtd');
    const { host, guests } = machine;
    return {
      pages: host.memory.pageCount,
      details: inspect({ host, guests, transmitDiscipline, receiveDiscipline }, { kind: 'page', id }),
    };
  };

  it('of memory says who owns it; one outside of memory, or no whole number, is no page', () => {
    const { pages, details } = look(0);
    expect(details.sections[0]?.rows[0]?.[0]).toBe('hypervisor');
    for (const id of [pages, -1, 1.5, Number.NaN, 2 ** 40])
      expect(look(id).details).toEqual({ title: `No page ${id}`, about: '', sections: [] });
    expect(look(pages - 1).details.title).toBe(`Page ${pages - 1}`);
  });
});

describe('a context that is looked at', () => {
  const detailsOf = (approach: string, vendor: 'vtd' | 'amdvi' = 'vtd') => {
    const lab = machineOf(vendor, approach);
    lab.runTo(150_000);
    const { machine, transmitDiscipline, receiveDiscipline } = lab;
    const { host, guests } = machine;
    const id = guests[0]?.port.context ?? -1;
    const details = inspect({ host, guests, transmitDiscipline, receiveDiscipline }, { kind: 'context', id });
    return { host, context: host.nic.contexts[id], sections: details.sections };
  };

  it.each([
    // A receive buffer is mapped for writing alone.
    ['vtd', 'root entry of bus 1', ['R W', 'W']],
    ['amdvi', 'device table entry of 01:00.0', ['PR IR IW', 'PR IW']],
  ] as const)('shows its tables under %s with the entries as they are in memory', (vendor, first, leaves) => {
    const { host, context, sections } = detailsOf('iommu:single-use', vendor);
    const tables = sections.filter(({ title }) => title.startsWith('Tables: '));
    expect(tables.map(({ title }) => title)).toEqual([
      `Tables: a read of its transmit ring, at 0x${context?.transmit.base.toString(16)}`,
      `Tables: a write to its oldest receive buffer, at 0x${context?.receive.address(context.receive.taken).toString(16)}`,
    ]);
    expect(tables.map(({ rows }) => rows.at(-1)?.[3])).toEqual(leaves);
    for (const { rows } of tables) {
      expect(rows[0]?.[0]).toBe(first);
      for (const [, at = '', value = ''] of rows) {
        const low = host.memory.readU32(Number(at) as never);
        expect(value.endsWith(low.toString(16).padStart(8, '0'))).toBe(true);
      }
    }
  });

  it('has no tables where the access gate stands open', () => {
    expect(detailsOf('cdna').sections.some(({ title }) => title.startsWith('Tables: '))).toBe(false);
  });
});

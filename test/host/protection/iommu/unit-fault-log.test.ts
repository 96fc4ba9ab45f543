import { describe, expect, it } from 'vitest';
import { FAULTS_KEPT } from '../../../../host/protection/iommu/iommu-driver.js';
import { UnitFaultLog } from '../../../../host/protection/iommu/unit-fault-log.js';
import { PlainDma } from '../../../../host/protection/none/plain-dma.js';
import { ioVirtualAddress, requesterId } from '../../../../nic/addresses.js';
import { Machine } from '../../support/machine.js';

/** A log whose unit has so many records each time that it is read. */
function bench(records: number, registers = 4) {
  const machine = new Machine(new PlainDma());
  const { host } = machine;
  let reads = 0;
  const log: UnitFaultLog = new UnitFaultLog(host, () => {
    reads += 1;
    for (let at = 0; at < records; at += 1)
      log.add(
        {
          requesterId: requesterId(0x100),
          address: ioVirtualAddress(at * 4096),
          write: true,
          reason: 5,
          text: 'no write permission',
        },
        registers,
      );
  });
  machine.run(1_000);
  const cycles = () => host.processor.cyclesOf(host.hypervisor.account);
  return { machine, host, log, cycles, reads: () => reads };
}

describe('the hypervisor’s reading of a unit’s fault log', () => {
  it('is one piece of work for all interrupts that come before it, and another for one that comes later', () => {
    const { machine, log, reads } = bench(2);
    for (let count = 0; count < 5; count += 1) log.onInterrupt();
    expect(reads(), 'not in the interrupt itself').toBe(0);
    machine.run();
    expect([reads(), log.read]).toEqual([1, 2]);
    log.onInterrupt();
    machine.run();
    expect([reads(), log.read]).toEqual([2, 4]);
  });

  it('costs the hypervisor an interrupt and the registers of each record, and says when it was read', () => {
    const { machine, host, log, cycles } = bench(3);
    const before = cycles();
    const { nowNs } = machine.kernel;
    log.onInterrupt();
    machine.run();
    const { costs } = host.processor;
    expect(cycles() - before).toBe(costs.interrupt + 3 * 4 * costs.registerRead);
    expect(log.faults.map(({ address, readAtNs }) => [address, readAtNs])).toEqual(
      [0, 4096, 8192].map((address) => [address, nowNs]),
    );
  });

  it('counts every fault and keeps the first thousand', () => {
    const { machine, log } = bench(700, 0);
    for (let turn = 0; turn < 3; turn += 1) {
      log.onInterrupt();
      machine.run();
    }
    expect([log.read, log.faults.length, FAULTS_KEPT]).toEqual([2100, 1000, 1000]);
  });
});

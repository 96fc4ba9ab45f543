import { describe, expect, it } from 'vitest';
import { ethernet, RECEIVE, TRANSMIT } from './support/driver.js';
import { Lab, MAC } from './support/lab.js';

const APPROACHES = [
  'none',
  'dev',
  'nodma',
  'driver-domain',
  'cdna',
  'iommu:direct-map',
  'iommu:single-use',
  'iommu:shared',
  'iommu:persistent',
  'iommu:deferred',
  'iommu:shadow-copy',
  'iommu:contiguous',
  'cdna+iommu',
];

describe.each(APPROACHES)('two real guests under %s', (protection) => {
  it('a frame goes from one virtual machine over the wire to the other', () => {
    const lab = new Lab({ protection });
    const sender = lab.boot(0);
    const receiver = lab.boot(1);
    receiver.post(RECEIVE, 0, [{ at: 0x100000, bytes: 1536 }]);
    sender.send(0, 0x200000, ethernet(MAC + 1, MAC, 'across the wire', 98));
    lab.run();
    expect(sender.takeUsed(TRANSMIT)).toEqual([{ head: 0, length: 0 }]);
    expect(receiver.takeUsed(RECEIVE)).toEqual([{ head: 0, length: 98 + 12 }]);
    const bytes = receiver.ram.read(0x100000, 110);
    expect([...bytes.subarray(0, 12)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    expect(new TextDecoder().decode(bytes.subarray(26, 41))).toBe('across the wire');
    expect(receiver.client.interrupts[1]).toBeGreaterThan(0);
    expect(sender.client.interrupts[2]).toBeGreaterThan(0);
    lab.live.checkInvariants();
  });
});

import { expect, test } from 'vitest';
import { passUntranslated, WalkResult } from '../../../host/iommu/table-walker.js';
import { ioVirtualAddress, requesterId } from '../../../nic/addresses.js';

// Both were found by mutants that no other test noticed.
test('a result that is used again remembers nothing of the walk before', () => {
  const result = new WalkResult();
  const fresh = { ...result };
  Object.assign(result, {
    ...{
      ok: true,
      faultReason: 6,
      faultFlags: 1,
      logging: 'never',
      interruptWindow: true,
      passThrough: true,
    },
    ...{ physical: 4096, pageBits: 12, read: true, write: true, domainId: 3, contextReads: 2, levels: 4 },
  });
  result.reset();
  expect({ ...result }).toEqual(fresh);
});

test('an untranslated request keeps its address and both rights', () => {
  const result = new WalkResult();
  passUntranslated(requesterId(0x0100), ioVirtualAddress(0x5000), result);
  expect(result).toMatchObject({ ok: true, passThrough: true, physical: 0x5000, read: true, write: true });
});

import { expect, test } from 'vitest';
import * as host from '../../host/index.js';
import { ParameterError } from '../../scheduler/errors.js';
import { makeDiscipline } from '../../scheduler/index.js';
import { makeProtection, simulate } from '../../src/index.js';

/** Options as a caller without types gives them. */
const untyped = (options: Readonly<Record<string, unknown>>) => options as never;

test.each([
  ['iommu: timings', () => new host.Iommu(untyped({ strategy: 'shared', timings: {} }))],
  ['iommu: iotlb', () => makeProtection('iommu:shared', untyped({ iotlb: 1 }))],
  [
    'iommu.strategyOptions: quota',
    () => new host.Iommu(untyped({ strategy: 'persistent', strategyOptions: { quota: 1 } })),
  ],
  ['iommu: transfer', () => makeProtection('cdna+iommu', untyped({ transfer: 'copy' }))],
  ['driver-domain: copy', () => new host.DriverDomain(untyped({ copy: true }))],
  ['cdna: timeoutNs', () => new host.Cdna(untyped({ timeoutNs: 1 }))],
  ['nodma: megabytes', () => new host.NoDma(untyped({ megabytes: 1 }))],
  ['discipline: quantum', () => makeDiscipline('drr', untyped({ quantum: 1514 }))],
])('%s is refused, and the options that there are are named', (name, make) => {
  expect(make).toThrow(ParameterError);
  expect(make).toThrow(new RegExp(`^${name} is not an option that is known here, expected one of: `, 'u'));
});

test.each([
  [{ duration: 5 }, 'simulate: duration is not a field that is known here'],
  [{ seed: 2 ** 32 }, 'simulate: seed is 4294967296'],
  [{ seed: 1.5 }, 'simulate: seed is 1.5'],
  [{ seed: Number.NaN }, 'simulate: seed is NaN'],
  [{ seed: '7' }, 'simulate: seed is "7"'],
  [{ seed: -1 }, 'simulate: seed is -1'],
  [
    { protection: () => new host.Cdna() },
    'simulate: protection is a function, expected the name of an approach, or one that can be built: new Cdna()',
  ],
  [
    { protection: host.Cdna },
    'simulate: protection is the class Cdna, expected the name of an approach, or one',
  ],
  [
    { discipline: 5 },
    'simulate: discipline is 5, expected the name of a discipline, or a function that makes one',
  ],
  [{ progress: 'yes' }, 'simulate: progress is "yes", expected a function'],
])('simulate with %j is refused by name', async (options, message) => {
  await expect(simulate({ guests: [{}] }, untyped(options))).rejects.toThrow(message);
});

test('an approach that stands between the guests and the card can be run, too', async () => {
  const protection = new host.DriverDomain({ transfer: 'flip' });
  const run = await simulate({ guests: [{}] }, { protection, durationNs: 1000 });
  expect(run.protection).toBe('driver-domain');
});

test('seeds 0 and 2^32 - 1 are taken', async () => {
  for (const seed of [0, 2 ** 32 - 1]) {
    const run = await simulate({ guests: [{}] }, { seed, durationNs: 1000 });
    expect(run.seed).toBe(seed);
  }
});

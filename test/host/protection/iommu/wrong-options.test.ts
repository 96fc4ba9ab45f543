import { describe, expect, it } from 'vitest';
import { Host } from '../../../../host/host.js';
import { Cdna } from '../../../../host/protection/cdna/cdna.js';
import { CdnaIommu } from '../../../../host/protection/cdna-iommu/cdna-iommu.js';
import { DeviceExclusion } from '../../../../host/protection/dev/device-exclusion.js';
import { DriverDomain } from '../../../../host/protection/driver-domain/driver-domain.js';
import { GuestDriven } from '../../../../host/protection/iommu/guest-driven/guest-driven.js';
import { Iommu } from '../../../../host/protection/iommu/iommu.js';
import { STRATEGIES } from '../../../../host/protection/iommu/strategies/index.js';
import { NoDma } from '../../../../host/protection/nodma/no-dma.js';
import { ParameterError } from '../../../../scheduler/errors.js';
import { Machine } from '../../support/machine.js';

/** Options as a caller without types gives them. */
const untyped = (options: unknown) => options as never;

/** Refused by a unit, whatever the approach that it serves. */
const OF_A_UNIT: readonly [object, string][] = [
  [{ timing: 5 }, 'iommu.timing is 5, expected an object with any of: iotlbEntries, '],
  [{ timing: null }, 'iommu.timing is null, expected an object with any of: '],
  [{ timing: { walkers: -1 } }, 'iommu.timing.walkers is -1, expected a whole number of walkers from 1 to'],
  [{ timing: { tableReadNs: '5' } }, 'iommu.timing.tableReadNs is "5", expected whole nanoseconds from 0'],
  [{ timing: { replacement: 1 } }, 'iommu.timing.replacement is 1, expected random, lru or fifo'],
  [{ queueTiming: null }, 'iommu.queueTiming is null, expected an object with any of: descriptorFetchNs, '],
  [
    { queueTiming: { statusWriteNs: -1 } },
    'iommu.queueTiming.statusWriteNs is -1, expected whole nanoseconds from 0 to 10^9',
  ],
  [{ queueLock: 'yes' }, 'iommu.queueLock is "yes", expected an object with any of: submissionNs, '],
  [{ queueLock: null }, 'iommu.queueLock is null, expected an object with any of: submissionNs, '],
  [{ queueLock: { mapNs: -1 } }, 'iommu.queueLock.mapNs is -1, expected a time in ns >= 0'],
  [{ queueLock: { spinLimitNs: '5' } }, 'iommu.queueLock.spinLimitNs is "5", expected a time in ns >= 0'],
  [{ seed: -1 }, 'iommu.seed is -1, expected a whole number >= 0'],
  [{ seed: '1' }, 'iommu.seed is "1", expected a whole number >= 0'],
  [{ oneRequesterId: 'yes' }, 'iommu.oneRequesterId is "yes", expected true or false'],
  [{ oneRequesterId: null }, 'iommu.oneRequesterId is null, expected true or false'],
  [{ cachingMode: 1 }, 'iommu.cachingMode is 1, expected true or false'],
  [{ faultLimit: '3' }, 'iommu.faultLimit is "3", expected a whole number from 1'],
  [{ faultLimit: null }, 'iommu.faultLimit is null, expected a whole number from 1'],
  [{ vendor: 'intel' }, 'iommu.vendor is "intel", expected one of: vtd, amdvi'],
  [{ vendor: 'amdvi', maxMode: '4' }, 'iommu.maxMode is "4", expected 4, 5 or 6'],
  [{ capabilities: 'x' }, 'iommu.capabilities is "x", expected an object with any of: '],
  [{ capabilities: { pages2M: 1 } }, 'iommu.capabilities.pages2M is 1, expected true or false'],
  [{ capabilities: { tableLevels: 4 } }, 'iommu.capabilities.tableLevels is 4, expected at least one depth'],
  [{ capabilities: { faultRecords: 0 } }, 'iommu.capabilities.faultRecords is 0, expected a whole number'],
  [{ strategyOptions: 5 }, 'iommu.strategyOptions is 5, expected an object with any of: queueEntries, '],
];

/** Refused whichever strategy is to run: who writes one means it. */
const OF_A_STRATEGY: readonly [object, string][] = [
  [{ queueEntries: 0 }, 'queueEntries is 0, expected a whole number >= 1'],
  [{ timeoutNs: Number.NaN }, 'timeoutNs is NaN, expected a whole number >= 1'],
  [{ pinUntilFlush: 'no' }, 'pinUntilFlush is "no", expected true or false'],
  [{ quotaPages: -1 }, 'quotaPages is -1, expected a whole number >= 1'],
  [{ linuxKernel: 6.1 }, 'linuxKernel is 6.1, expected one of: '],
  [{ iovaAllocator: 'slab' }, 'iovaAllocator is "slab", expected one of: bitmap, rbtree, rcache'],
  [{ tablePages: 1.5 }, 'tablePages is 1.5, expected a whole number >= 1'],
  [{ lineFlushNs: -1 }, 'lineFlushNs is -1, expected a whole number >= 0'],
  [{ quiesceNs: '1' }, 'quiesceNs is "1", expected a whole number >= 0'],
];

const OWN = { name: 'mine', hypervisorRings: false, make: () => undefined };

describe('an IOMMU', () => {
  it.each(OF_A_UNIT)('refuses %j where it is made, under each approach that has one', (options, message) => {
    const makers = [
      () => new Iommu(untyped({ strategy: 'single-use', ...options })),
      () => new CdnaIommu(untyped(options)),
      () => new GuestDriven(untyped(options)),
    ];
    for (const make of makers) {
      expect(make).toThrow(ParameterError);
      expect(make).toThrow(message);
    }
  });

  it.each(OF_A_STRATEGY)('refuses %j for every strategy', (strategyOptions, message) => {
    for (const { name: strategy, make } of STRATEGIES) {
      const field = `iommu.strategyOptions.${message}`;
      expect(() => new Iommu(untyped({ strategy, strategyOptions }))).toThrow(field);
      expect(() => make(untyped(strategyOptions))).toThrow(field);
    }
  });

  it.each<[unknown, string]>([
    [null, 'iommu is null, expected an object with any of: strategy, '],
    [undefined, 'iommu is missing, expected an object with any of: strategy, '],
    [5, 'iommu is 5, expected an object with any of: strategy, '],
    [{}, 'iommu.strategy is missing, expected the name of a strategy, or one of your own'],
    [{ strategy: 5 }, 'iommu.strategy is 5, expected the name of a strategy, or one of your own'],
    [{ strategy: null }, 'iommu.strategy is null, expected the name of a strategy, or one of your own'],
    [{ strategy: ['shared'] }, 'iommu.strategy is ["shared"], expected the name of a strategy'],
    [{ strategy: 'lazy' }, 'iommu.strategy is "lazy", expected one of: direct-map'],
    [{ strategy: {} }, 'iommu.strategy.name is missing, expected text'],
    [{ strategy: { ...OWN, name: 1 } }, 'iommu.strategy.name is 1, expected text'],
    [{ strategy: { ...OWN, hypervisorRings: 1 } }, 'iommu.strategy.hypervisorRings is 1, expected true or'],
    [{ strategy: { ...OWN, handOver: 'read' } }, 'iommu.strategy.handOver is "read", expected one of: hyper'],
    [{ strategy: { ...OWN, make: class Mine {} } }, 'iommu.strategy.make is the class Mine, expected a func'],
    [{ strategy: { ...OWN, make: undefined } }, 'iommu.strategy.make is missing, expected a function'],
    [{ strategy: { ...OWN, rings: 1 } }, 'iommu.strategy: rings is not an option that is known here'],
  ])('refuses %j instead of its options', (options, message) => {
    const make = () => new Iommu(untyped(options));
    expect(make).toThrow(ParameterError);
    expect(make).toThrow(message);
  });

  it('under both gates has no strategy but that of the approach', () => {
    expect(() => new CdnaIommu(untyped({ strategy: 'shared' }))).toThrow(
      'iommu: strategy is not an option that is known here, expected one of: releaseTimeoutNs, ',
    );
  });
});

describe('approaches without an IOMMU', () => {
  it.each<[string, () => unknown]>([
    ['cdna is null, expected an object with any of: releaseTimeoutNs', () => new Cdna(untyped(null))],
    [
      'cdna.releaseTimeoutNs is "5", expected a whole number >= 1',
      () => new Cdna(untyped({ releaseTimeoutNs: '5' })),
    ],
    ['iommu is 5, expected an object with any of: releaseTimeoutNs', () => new CdnaIommu(untyped(5))],
    ['dev is null, expected an object with any of: domains', () => new DeviceExclusion(untyped(null))],
    ['nodma is "1", expected an object with any of: dprMegabytes', () => new NoDma(untyped('1'))],
    ['driver-domain is [], expected an object with any of: transfer', () => new DriverDomain(untyped([]))],
    [
      'driver-domain.mac is "02", expected a whole number from 0 to',
      () => new DriverDomain(untyped({ mac: '02' })),
    ],
    [
      'driver-domain.slots is "256", expected a whole number',
      () => new DriverDomain(untyped({ slots: '256' })),
    ],
  ])('%s', (message, make) => {
    expect(make).toThrow(ParameterError);
    expect(make).toThrow(message);
  });
});

describe('a host', () => {
  const built = (options: object) => () => new Machine(new Cdna(), untyped(options));

  it.each<[object, string]>([
    [{ host: { memoryBytes: '1' } }, 'host.memoryBytes is "1", expected a multiple of 4096'],
    [{ host: { memoryBytes: 4097 } }, 'host.memoryBytes is 4097, expected a multiple of 4096'],
    [{ host: { memory: 5 } }, 'host.memory is 5, expected an object with readNs and writeNs'],
    [{ host: { faultPolicy: 'ignore' } }, 'host.faultPolicy is "ignore", expected one of: '],
    [{ host: { costs: 5 } }, 'costs is 5, expected an object with costs by their names, in cycles'],
    [{ host: { costs: null } }, 'costs is null, expected an object with costs by their names, in cycles'],
    [{ host: { costs: { hypercall: '5' } } }, 'costs.hypercall is "5", expected cycles from 0 to'],
    [{ host: { core: 2 } }, 'host: core is not an option that is known here, expected one of: memoryBytes'],
    [{ nic: { rate: 1 } }, 'nic: rate is not an option that is known here'],
  ])('refuses %j', (options, message) => {
    expect(built(options)).toThrow(ParameterError);
    expect(built(options)).toThrow(message);
  });

  it('is what refuses them: a right one is built', () => {
    expect(new Machine(new Cdna(), { host: { memoryBytes: 2 ** 30, costs: {} } }).host).toBeInstanceOf(Host);
  });
});

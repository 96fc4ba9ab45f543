import { describe, expect, it } from 'vitest';
import {
  assertCapabilities,
  DEFAULT_VTD_CAPABILITIES,
  encodeCap,
  encodeEcap,
  type VtdCapabilities,
} from '../../../../host/iommu/vtd/capabilities.js';

const LEAST: VtdCapabilities = {
  hostAddressBits: 33,
  guestAddressBits: 30,
  tableLevels: [3],
  pages2M: false,
  pages1G: false,
  passThrough: false,
  deviceTlb: false,
  snoopControl: false,
  cachingMode: false,
  zeroLengthReads: false,
  queuedInvalidation: false,
  interruptRemapping: false,
  pageSelective: false,
  maxAddressMask: 0,
  faultRecords: 1,
  domainBits: 4,
  faultRecordOffset: 0x100,
  iotlbOffset: 0xf0,
};

/** A word of fields: [lowest bit, value]. */
const word = (...fields: readonly (readonly [number, number])[]) =>
  fields.reduce((sum, [bit, value]) => sum | (BigInt(value) << BigInt(bit)), 0n);

// VT-d specification, 11.4.2 and 11.4.3; the fields are restated here.
describe('CAP and ECAP as software reads them', () => {
  it('of the default unit', () => {
    const [nd, plmr, phmr, sagaw, mgaw, zlr] = [
      [0, 6],
      [5, 1],
      [6, 1],
      [8, 0b1110],
      [16, 56],
      [22, 1],
    ] as const;
    const [fro, sllps, psi, nfr, mamv, dwd, drd] = [
      [24, 0x22],
      [34, 3],
      [39, 1],
      [40, 7],
      [48, 18],
      [54, 1],
      [55, 1],
    ] as const;
    const cap = word(nd, plmr, phmr, sagaw, mgaw, zlr, fro, sllps, psi, nfr, mamv, dwd, drd);
    expect(encodeCap(DEFAULT_VTD_CAPABILITIES).toString(16)).toBe(cap.toString(16));
    const [c, qi, dt, ir, pt, sc, iro, mhmv] = [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
      [6, 1],
      [7, 1],
      [8, 0xf],
      [20, 0xf],
    ] as const;
    const ecap = word(c, qi, dt, ir, pt, sc, iro, mhmv);
    expect(encodeEcap(DEFAULT_VTD_CAPABILITIES).toString(16)).toBe(ecap.toString(16));
  });

  it('of one that can do as little as there is', () => {
    const cap = word([5, 1], [6, 1], [8, 0b10], [16, 29], [24, 0x10], [54, 1], [55, 1]);
    expect(encodeCap(LEAST).toString(16)).toBe(cap.toString(16));
    expect(encodeEcap(LEAST).toString(16)).toBe(word([0, 1], [8, 0xf]).toString(16));
  });

  it.each([
    ['cachingMode', 7],
    ['zeroLengthReads', 22],
    ['pages2M', 34],
    ['pages1G', 35],
    ['pageSelective', 39],
  ] as const)('%s is bit %d of CAP', (name, bit) => {
    expect(encodeCap({ ...LEAST, [name]: true }) ^ encodeCap(LEAST)).toBe(1n << BigInt(bit));
  });

  it.each([
    ['queuedInvalidation', 1],
    ['deviceTlb', 2],
    ['passThrough', 6],
    ['snoopControl', 7],
  ] as const)('%s is bit %d of ECAP', (name, bit) => {
    expect(encodeEcap({ ...LEAST, [name]: true }) ^ encodeEcap(LEAST)).toBe(1n << BigInt(bit));
  });

  it('interruptRemapping is bit 3 of ECAP, and brings MHMV, the mask of its invalidations', () => {
    const encoded = encodeEcap({ ...LEAST, interruptRemapping: true });
    expect((encoded ^ encodeEcap(LEAST)).toString(16)).toBe(word([3, 1], [20, 0xf]).toString(16));
  });
});

describe('capabilities that contradict themselves are refused', () => {
  it.each([
    ['hostAddressBits', 33, 52],
    ['guestAddressBits', 30, 57],
    ['maxAddressMask', 0, 52],
    ['faultRecords', 1, 200],
    ['domainBits', 4, 16],
    ['faultRecordOffset', 0x100, 0xff0],
    ['iotlbOffset', 0x110, 0xff0],
  ] as const)('%s from %d to %d stands', (name, least, most) => {
    for (const value of [least, most])
      expect(() => assertCapabilities({ ...LEAST, [name]: value })).not.toThrow();
  });

  it.each([
    ['hostAddressBits', 32, 'a whole number from 33 to 52'],
    ['hostAddressBits', 53, 'a whole number from 33 to 52'],
    ['hostAddressBits', 40.5, 'a whole number from 33 to 52'],
    ['guestAddressBits', 29, 'a whole number from 30 to 57'],
    ['guestAddressBits', 58, 'a whole number from 30 to 57'],
    ['maxAddressMask', -1, 'a whole number from 0 to 52'],
    ['maxAddressMask', 53, 'a whole number from 0 to 52'],
    ['faultRecords', 0, 'a whole number from 1 to 256'],
    ['faultRecords', 257, 'a whole number from 1 to 256'],
    ['domainBits', 3, 'a whole number from 4 to 16'],
    ['domainBits', 17, 'a whole number from 4 to 16'],
    ['domainBits', 5, 'an even number'],
    ['faultRecordOffset', 0xf0, `a whole number from ${0x100} to ${0xff0}`],
    ['faultRecordOffset', 0x1000, `a whole number from ${0x100} to ${0xff0}`],
    ['faultRecordOffset', 0x108, 'a multiple of 16'],
    ['iotlbOffset', 0xe0, `a whole number from ${0xf0} to ${0xff0}`],
    ['iotlbOffset', 0x1000, `a whole number from ${0xf0} to ${0xff0}`],
    ['iotlbOffset', 0x118, 'a multiple of 16'],
    ['iotlbOffset', 0x100, 'a place outside the fault recording registers'],
  ] as const)('%s %d: expected %s', (name, value, expected) => {
    expect(() => assertCapabilities({ ...LEAST, [name]: value })).toThrow(
      `iommu.capabilities.${name} is ${value}, expected ${expected}`,
    );
  });

  it('a value that is no number, and no depth of tables', () => {
    const noNumber = { ...LEAST, faultRecords: '4' as unknown as number };
    expect(() => assertCapabilities(noNumber)).toThrow(
      'iommu.capabilities.faultRecords is "4", expected a whole',
    );
    expect(() => assertCapabilities({ ...LEAST, tableLevels: [] })).toThrow(
      'iommu.capabilities.tableLevels is [], expected at least one depth of 3, 4 and 5',
    );
  });

  it('the IOTLB registers may stand right before the fault records and right behind them', () => {
    const records = { faultRecordOffset: 0x200, faultRecords: 2 };
    const placed = (iotlbOffset: number) => () => assertCapabilities({ ...LEAST, ...records, iotlbOffset });
    for (const offset of [0x1f0, 0x220]) expect(placed(offset)).not.toThrow();
    for (const offset of [0x200, 0x210]) expect(placed(offset)).toThrow('outside the fault recording');
  });
});

import type { VtdCapabilities } from '../../../host/iommu/vtd/capabilities.js';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { Iommu } from '../../../host/protection/iommu/iommu.js';
import { turnOf } from '../../support/whole.js';
import { protectionSpecs } from './specs.js';

for (const { name, make, claims } of APPROACHES)
  if (name.includes('iommu')) protectionSpecs(name, make, claims);

/** A client's unit, as small as they come: rows B15 (FreeBSD PR 229852) and B16 (edk2-platforms#380). */
const SMALL: Partial<VtdCapabilities> = {
  hostAddressBits: 39,
  guestAddressBits: 39,
  tableLevels: [3],
  pages2M: false,
  pages1G: false,
  passThrough: false,
  deviceTlb: false,
  snoopControl: false,
  zeroLengthReads: false,
  interruptRemapping: false,
  pageSelective: false,
  maxAddressMask: 0,
  faultRecords: 1,
  domainBits: 4,
  faultRecordOffset: 0x400,
  iotlbOffset: 0x108 + 8,
};

for (const strategy of turnOf(['direct-map', 'single-use', 'contiguous', 'shadow-copy'], 1)) {
  const approach = APPROACHES.find(({ name }) => name === `iommu:${strategy}`);
  if (approach === undefined) throw new Error(`no approach iommu:${strategy}`);
  protectionSpecs(
    `${approach.name} on a small unit`,
    () => new Iommu({ strategy, capabilities: SMALL }),
    approach.claims,
  );
}

const strict = APPROACHES.find(({ name }) => name === 'iommu:single-use');
if (strict === undefined) throw new Error('no approach iommu:single-use');
protectionSpecs(
  'iommu:single-use on an AMD-Vi unit of four levels',
  () => new Iommu({ strategy: 'single-use', vendor: 'amdvi', maxMode: 4 }),
  strict.claims,
);

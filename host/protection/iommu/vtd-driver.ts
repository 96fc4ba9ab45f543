import type { HostParts } from '../../host-parts.js';
import type { InvalidationDescriptor } from '../../iommu/vtd/invalidation-descriptors.js';
import type { RemappingUnit } from '../../iommu/vtd/remapping-unit.js';
import type { IommuDriverOptions } from './iommu-driver.js';
import { UnitDriver } from './unit-driver.js';
import { VtdOperations } from './vtd-operations.js';

/** The hypervisor's driver for a VT-d unit. */
export class VtdDriver extends UnitDriver<InvalidationDescriptor, VtdOperations> {
  override readonly vendor = 'vtd' as const;

  constructor(parts: HostParts, options: IommuDriverOptions) {
    super(
      parts,
      options,
      (unitParts, tablePages) => new VtdOperations(parts, unitParts, tablePages, options.capabilities),
    );
  }

  get unit(): RemappingUnit {
    return this.operations.unit;
  }
}

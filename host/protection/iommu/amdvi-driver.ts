import type { HostParts } from '../../host-parts.js';
import type { AmdviCommand } from '../../iommu/amdvi/commands.js';
import type { AmdviUnit } from '../../iommu/amdvi/unit.js';
import { AmdviOperations } from './amdvi-operations.js';
import type { IommuDriverOptions } from './iommu-driver.js';
import { UnitDriver } from './unit-driver.js';

/** The hypervisor's driver for an AMD-Vi unit. It has no caching mode: AMD-Vi does not cache absent entries. */
export class AmdviDriver extends UnitDriver<AmdviCommand, AmdviOperations> {
  override readonly vendor = 'amdvi' as const;

  constructor(parts: HostParts, options: IommuDriverOptions) {
    super(
      parts,
      { ...options, capabilities: {} },
      (unitParts, tablePages) => new AmdviOperations(parts, unitParts, tablePages, options.maxMode),
    );
  }

  get unit(): AmdviUnit {
    return this.operations.unit;
  }
}

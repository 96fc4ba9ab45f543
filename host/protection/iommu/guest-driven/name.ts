/** The approach in which a real guest's own IOMMU drives our tables, as `serve` spells it. */
export const GUEST_DRIVEN = 'iommu:guest';

/** What a gate does under an approach, as the picture labels it. */
export interface GateLabel {
  /** Whether it looks at anything at all. */
  readonly checks: boolean;
  readonly label: string;
}

/** Both gates of an approach. */
export interface GateLabels {
  readonly setUp: GateLabel;
  readonly access: GateLabel;
}

const OPEN: GateLabel = { checks: false, label: 'stands open' };
const CDNA: GateLabel = {
  checks: true,
  label: 'owner looked up, page pinned, descriptor written by the hypervisor',
};
const IOMMU: GateLabel = { checks: true, label: 'IOMMU: looked up by requester ID, translated' };

const LABELS: Readonly<Record<string, GateLabels>> = {
  none: { setUp: OPEN, access: OPEN },
  dev: { setUp: OPEN, access: { checks: true, label: 'exclusion vector: one bit per page and domain' } },
  nodma: { setUp: OPEN, access: { checks: true, label: 'NoDMA table, PMR, DPR: the same for every device' } },
  'driver-domain': {
    setUp: { checks: true, label: 'grants: the driver domain reaches only pages that the guest names' },
    access: { checks: false, label: 'stands open to the driver domain' },
  },
  cdna: { setUp: CDNA, access: OPEN },
  'cdna+iommu': { setUp: CDNA, access: IOMMU },
  'iommu:direct-map': {
    setUp: { checks: false, label: 'all of the guest is mapped once; nothing at set-up' },
    access: IOMMU,
  },
  'iommu:single-use': {
    setUp: { checks: true, label: 'maps each buffer, unmaps it when it is done' },
    access: IOMMU,
  },
  'iommu:shared': {
    setUp: { checks: true, label: 'maps each page while any buffer in it is in use' },
    access: IOMMU,
  },
  'iommu:persistent': {
    setUp: { checks: true, label: 'maps a page at its first use and keeps it' },
    access: IOMMU,
  },
  'iommu:deferred': {
    setUp: { checks: true, label: 'maps each buffer; unmapping waits for one flush' },
    access: IOMMU,
  },
  'iommu:shadow-copy': {
    setUp: { checks: true, label: 'copies into pages that stay mapped' },
    access: IOMMU,
  },
  'iommu:contiguous': { setUp: { checks: true, label: 'maps a buffer as one range' }, access: IOMMU },
};

/** What the gates of an approach do. */
export function gatesOf(approach: string): GateLabels {
  return LABELS[approach] ?? { setUp: { checks: true, label: '' }, access: { checks: true, label: '' } };
}

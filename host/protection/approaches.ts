import { Cdna } from './cdna/cdna.js';
import { CdnaIommu } from './cdna-iommu/cdna-iommu.js';
import { Iommu } from './iommu/iommu.js';
import { STRATEGIES } from './iommu/strategies/index.js';
import { PlainDma } from './none/plain-dma.js';
import type { Protection } from './protection.js';

/** A way to man the two gates, as a list shows it. */
export interface Approach {
  /** As the command line spells it. */
  readonly name: string;
  /** One line. */
  readonly meaning: string;
  readonly make: () => Protection;
}

/** Every approach, in the order in which a comparison shows them. */
export const APPROACHES: readonly Approach[] = [
  { name: 'none', meaning: 'plain DMA: both gates stand open', make: () => new PlainDma() },
  {
    name: 'cdna',
    meaning: 'the hypervisor checks, pins and writes each descriptor; the card checks sequence numbers',
    make: () => new Cdna(),
  },
  ...STRATEGIES.map(({ name, meaning }) => ({
    name: `iommu:${name}`,
    meaning: `IOMMU; ${meaning}`,
    make: () => new Iommu({ strategy: name }),
  })),
  {
    name: 'cdna+iommu',
    meaning: 'both gates: the hypervisor checks each descriptor, the IOMMU each access',
    make: () => new CdnaIommu(),
  },
];

/** Makes an approach by its name, fresh for one machine. @throws RangeError for a name that does not exist, with those that do. */
export function makeProtection(name: string): Protection {
  const approach = APPROACHES.find((candidate) => candidate.name === name);
  if (approach === undefined) {
    const names = APPROACHES.map((candidate) => candidate.name).join(', ');
    throw new RangeError(`protection is "${name}", expected one of: ${names}`);
  }
  return approach.make();
}

import type { ReferenceFigure } from '../published.js';

export const OLS_2007 = 'Ben-Yehuda et al., The Price of Safety, OLS 2007';

/** What OLS 2007 says of CPU with the IOMMU over CPU without, at the same throughput. */
export const MOST_RISE = {
  metal: { name: 'most rise of CPU, bare metal', value: 60, unit: '%', source: OLS_2007, certainty: 'S' },
  hypervisor: {
    name: 'most rise of CPU, under the hypervisor',
    value: 30,
    unit: '%',
    source: OLS_2007,
    certainty: 'M',
  },
} as const satisfies Record<string, ReferenceFigure>;

/** A published figure that stands beside ours and is not compared with it. */
export interface IncomparableFigure extends ReferenceFigure {
  /** What makes the two different questions. */
  readonly why: string;
}

/** Shares of the throughput without an IOMMU (or of the line) that were published for other machines. */
export const INCOMPARABLE = {
  strict: {
    name: 'strict: share of the throughput',
    value: 43,
    unit: '%',
    source: 'Amit et al., vIOMMU, USENIX ATC 2011, of 10 Gb/s',
    certainty: 'S2',
    why: 'we believe that their stack hands the card segments of many frames, so that a frame costs it far less than here',
  },
  deferred: {
    name: 'deferred: share of the throughput',
    value: 91,
    unit: '%',
    source: 'Amit et al., vIOMMU, USENIX ATC 2011, of 10 Gb/s',
    certainty: 'S2',
    why: 'the same',
  },
  strictWalker: {
    name: 'strict, receive: throughput lost, at most',
    value: 65,
    unit: '%',
    source: 'Rubin et al., Fast & Safe, SOSP 2024, 100 Gb/s',
    certainty: 'S',
    why: 'there the page walker is the limit, here the CPU is; walk-cost repeats their case',
  },
} as const satisfies Record<string, IncomparableFigure>;

import type { Cell } from './matrix.js';

/** How sure a source is: confirmed, second hand, derived, remembered and consistent, remembered. */
export type Mark = 'S' | 'S2' | 'D' | 'M+' | 'M';

/** What is known, or follows, about one attack before anything is run. */
export interface Expectation {
  readonly attack: string;
  /** Approaches on which it gets through; on all others it is stopped. */
  readonly succeedsOn: readonly string[];
  readonly because: string;
  readonly source: string;
  readonly mark: Mark;
}

const OPEN = ['none', 'nodma'];
const UNTRANSLATED = [...OPEN, 'driver-domain', 'cdna'];
const PAGE_GRANULAR = [
  'none',
  'dev',
  'nodma',
  'driver-domain',
  'cdna',
  'iommu:direct-map',
  'iommu:single-use',
  'iommu:shared',
  'iommu:persistent',
  'iommu:deferred',
  'iommu:contiguous',
  'cdna+iommu',
];
const EVERYWHERE = [...PAGE_GRANULAR, 'iommu:shadow-copy'];

const START = 'the design before IOMMUs: a device’s access looks like the CPU’s, and drivers are believed';
const ATC = 'Willmann, Rixner, Cox, USENIX ATC 2008: all strategies equal between guests, unequal within one';
const HPCA = 'Willmann et al., HPCA 2007, section 3.3: validation, pinning, sequence numbers';
const NODMA = 'Intel’s NoDMA, PMR and DPR keep devices out of measured memory and ask nobody who they are';
const THUNDERCLAP = 'Markettos et al., NDSS 2019: page granularity and stale windows are what attacks use';
const PCI = 'a PCIe function is who its requester ID says; the IOMMU looks up nothing else';
const MMU = 'the BAR is mapped a page a guest; the MMU stops the rest (CDNA’s 4 KB partitions)';
const CARD = 'the card parses descriptors and stops a context that breaks a ring’s rules';
const QUEUES = 'byte-fair disciplines bound what a backlogged neighbour can take; others do not';

const row = (
  attack: string,
  succeedsOn: readonly string[],
  because: string,
  source: string,
  mark: Mark,
): Expectation => ({ attack, succeedsOn, because, source, mark });

/** What the matrix is held against: a row an attack. */
export const EXPECTATIONS: readonly Expectation[] = [
  row('foreign-page-read', OPEN, 'nobody asks whose the page is', `${ATC}; ${START}`, 'S'),
  row(
    'foreign-page-crowd',
    [...OPEN, 'dev'],
    'with four protection domains, one of them for what is unassigned, two of four guests share one',
    'AMD64 Architecture Programmer’s Manual, volume 2, Device Exclusion Vector: a handful of domains',
    'D',
  ),
  row('foreign-page-write', OPEN, 'nobody asks whose the page is', `${ATC}; ${START}`, 'S'),
  row('length-past-page', OPEN, 'every page of a buffer must be looked at, not its first', HPCA, 'M'),
  row('victim-ring-write', OPEN, 'a ring is memory like any other', START, 'S'),
  row(
    'hypervisor-page',
    ['none'],
    'all others keep the hypervisor’s memory out of reach',
    `${NODMA}; ${ATC}`,
    'D',
  ),
  row(
    'vector-ring',
    OPEN,
    'the card must write it, and NoDMA cannot tell who the card works for',
    NODMA,
    'D',
  ),
  row('tables-as-target', [], 'tables lie where no guest’s device reaches', ATC, 'D'),
  row('queue-as-target', [], 'the queue lies where no guest’s device reaches', ATC, 'D'),
  row('no-such-memory', [], 'there is nothing to reach', START, 'D'),
  row(
    'own-page-unmeant',
    ['none', 'dev', 'nodma', 'driver-domain', 'cdna', 'iommu:direct-map', 'cdna+iommu'],
    'whoever checks ownership alone lets a guest misuse what is its own',
    ATC,
    'M',
  ),
  row('changed-after-check', OPEN, 'what is checked must be what is used', HPCA, 'M'),
  row('index-out-of-range', [], 'the card knows how many slots there are', CARD, 'D'),
  row('zero-length', [], 'a length of zero is refused, by the gate or the card', CARD, 'D'),
  row('endless-chain', [], 'a chain longer than the card’s memory is a fault', CARD, 'D'),
  row('stale-descriptor', OPEN, 'old descriptors hold old addresses', HPCA, 'M'),
  row(
    'use-after-unmap',
    [...OPEN, 'iommu:deferred'],
    'until the invalidation the IOTLB still translates',
    'Rubin et al., SOSP 2024; Amit et al., USENIX ATC 2011: deferred mode leaves stale entries usable',
    'S',
  ),
  row(
    'own-page-after-unmap',
    ['none', 'dev', 'nodma', 'driver-domain', 'iommu:direct-map', 'iommu:persistent', 'iommu:deferred'],
    'mappings that outlive the transfer reach what the guest keeps there next',
    ATC,
    'M',
  ),
  row('freed-while-sending', OPEN, 'a page that DMA uses must not change hands', HPCA, 'M'),
  row('freed-while-receiving', OPEN, 'a page that DMA uses must not change hands', HPCA, 'M'),
  row('foreign-doorbell', [], 'the page of another context is not mapped', MMU, 'M'),
  row('ring-base', [], 'ring bases stand in the management page, which only the hypervisor maps', MMU, 'D'),
  row('doorbell-storm', [], 'a mailbox that was written twice is one event', HPCA, 'M'),
  row('interrupt-storm', [], 'one physical interrupt serves all contexts, with a least gap', HPCA, 'M'),
  row('jumbo-hog', [], 'deficit round robin counts bytes', `${QUEUES} (Shreedhar, Varghese 1996)`, 'S'),
  row('jumbo-hog-prr', EVERYWHERE, 'a turn a frame favours long frames', QUEUES, 'D'),
  row('jumbo-hog-fifo', EVERYWHERE, 'a ring that is never empty is never left', QUEUES, 'D'),
  row('mac-spoofing', [], 'the card (or the bridge) compares the source address', CARD, 'D'),
  row('payload-after-check', [], 'it compares the bytes that it is about to send', CARD, 'D'),
  row(
    'broadcast-flood',
    EVERYWHERE,
    'frames that are for everybody take everybody’s time; who may reach memory is another question',
    'Mogul, Ramakrishnan, ACM TOCS 1997: receive livelock',
    'M',
  ),
  row('card-foreign-guest', UNTRANSLATED, 'only an access gate stops a card that errs', ATC, 'M'),
  row(
    'card-unasked',
    [...UNTRANSLATED, 'dev', 'iommu:direct-map'],
    'what is always open to the guest’s device is open to a device that errs',
    ATC,
    'M',
  ),
  row('card-borrowed-id', EVERYWHERE, 'who borrows an ID borrows its mappings', PCI, 'D'),
  row('card-management-id', UNTRANSLATED, 'only what tells IDs apart stops it', PCI, 'D'),
  row('card-sub-page-read', PAGE_GRANULAR, 'a page is opened whole', THUNDERCLAP, 'S'),
  row('card-sub-page-write', PAGE_GRANULAR, 'a page is opened whole', THUNDERCLAP, 'S'),
  row('card-after-revocation', UNTRANSLATED, 'only an access gate stops a card that goes on', ATC, 'M'),
  row('card-against-tables', ['cdna'], 'CDNA trusts the card with the rings that it reads', HPCA, 'M'),
  row(
    'card-vector-ring',
    UNTRANSLATED,
    'only what tells IDs apart keeps the contexts from the card’s own ring',
    PCI,
    'D',
  ),
];

/** A cell that is not as expected, and where it is explained. */
export interface Explanation {
  readonly attack: string;
  readonly approaches: readonly string[];
  /** Heading of docs/threats.md. */
  readonly heading: string;
}

/** Differences between expectation and measurement that are understood. */
export const EXPLANATIONS: readonly Explanation[] = [
  {
    attack: 'jumbo-hog',
    approaches: ['driver-domain'],
    heading: 'A bridge that takes turns by frames',
  },
  {
    attack: 'own-page-after-unmap',
    approaches: ['iommu:contiguous'],
    heading: 'A range is invalidated when all of it is done',
  },
  {
    attack: 'broadcast-flood',
    approaches: ['driver-domain'],
    heading: 'A flood that the bridge has no time for',
  },
];

/** A cell held against what was expected of it. */
export interface Comparison {
  readonly attack: string;
  readonly approach: string;
  /** Whether the attack was expected to get through. */
  readonly expected: 'succeeds' | 'fails';
  readonly asExpected: boolean;
  /** Heading of docs/threats.md that explains the difference; undefined when there is none. */
  readonly explainedBy: string | undefined;
  readonly because: string;
  readonly source: string;
  readonly mark: Mark;
}

/** Holds a cell against the table; undefined for one that could not be played or that the table does not know. */
export function compareCell({ attack, approach, verdict }: Cell): Comparison | undefined {
  const expectation = EXPECTATIONS.find((candidate) => candidate.attack === attack);
  if (expectation === undefined || verdict === 'not-applicable') return undefined;
  const expected = expectation.succeedsOn.includes(approach) ? 'succeeds' : 'fails';
  const asExpected = (verdict === 'succeeded') === (expected === 'succeeds');
  const explanation = EXPLANATIONS.find(
    (candidate) => candidate.attack === attack && candidate.approaches.includes(approach),
  );
  return {
    attack,
    approach,
    expected,
    asExpected,
    explainedBy: asExpected ? undefined : explanation?.heading,
    because: expectation.because,
    source: expectation.source,
    mark: expectation.mark,
  };
}

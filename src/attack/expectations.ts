import type { GroupedReason, Reasons } from './reasons.js';

/** How sure a source is: confirmed, second hand, derived, remembered and consistent, remembered. */
export type Mark = 'S' | 'S2' | 'D' | 'M+' | 'M';

/** What is known, or follows, about one attack before anything is run. */
export interface Expectation {
  readonly attack: string;
  /** Approaches on which it gets through; on all others it is stopped. */
  readonly succeedsOn: readonly string[];
  /** The reasons for each verdict that occurs with some approach. */
  readonly because: Reasons;
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
const TRANSLATED = [
  'iommu:direct-map',
  'iommu:single-use',
  'iommu:shared',
  'iommu:persistent',
  'iommu:deferred',
  'iommu:shadow-copy',
  'iommu:contiguous',
  'cdna+iommu',
];
const DEV = ['dev'];
const DRIVER_DOMAIN = ['driver-domain'];
const CDNA = ['cdna', 'cdna+iommu'];
const DEFERRED = ['iommu:deferred'];
const EVERYWHERE = [...PAGE_GRANULAR, 'iommu:shadow-copy'];

const START = 'the design before IOMMUs: a device’s access looks like the CPU’s, and drivers are trusted';
const ATC = 'Willmann, Rixner, Cox, USENIX ATC 2008: all strategies equal between guests, unequal within one';
const HPCA = 'Willmann et al., HPCA 2007, section 3.3: validation, pinning, sequence numbers';
const NODMA = 'Intel’s NoDMA, PMR and DPR keep devices out of measured memory and do not tell them apart';
const THUNDERCLAP = 'Markettos et al., NDSS 2019: page granularity and stale windows are what attacks use';
const PCI = 'a PCIe function is who its requester ID says; the IOMMU looks up nothing else';
const MMU = 'the BAR is mapped one page per guest; the MMU stops the rest (CDNA’s 4 KB partitions)';
const CARD = 'the card parses descriptors and stops a context that breaks a ring’s rules';
const QUEUES = 'byte-fair disciplines bound what a backlogged neighbour can take; others do not';

const PAGE_OWNER = 'the owner of each page is looked up before the card gets the buffer';
const GRANT_OWNER =
  'the owner of the page that a grant names is looked up before the driver domain gets access to it';
const NO_OWNER = 'the address is validated before the card gets the buffer, and no page of RAM lies there';
const OWNER_VALIDATED: GroupedReason = { groups: [[DRIVER_DOMAIN, GRANT_OWNER]], elsewhere: PAGE_OWNER };
const NOT_IN_TABLES = 'the page is not in the tables of the context that asks';
const NOT_MAPPED: GroupedReason = {
  groups: [[DEV, 'the vector of the context’s protection domain excludes the page']],
  elsewhere: NOT_IN_TABLES,
};
const UNCHECKED_CARD = 'no access gate checks the card';
const NO_RAM = 'no RAM answers at the address, and that interrupts nothing';
const NOTHING_CHECKED = 'no gate asks whom the page belongs to';
const PINNED = 'the page is pinned while the card may use it, so it has no next owner yet';
const COPIED = 'the card works on copies, and the page itself is not in its reach';
const BRIDGED =
  'the driver domain copies frames into granted pages of memory; what does not fit is dropped, and no device gets the address';
const CARD_RULES = 'the card stops the context at the first descriptor that breaks a rule of rings';
const GATE_RULES = 'the gate that hands the buffer over refuses it first';

const row = (
  attack: string,
  succeedsOn: readonly string[],
  because: Reasons,
  source: string,
  mark: Mark,
): Expectation => ({ attack, succeedsOn, because, source, mark });

/** Reasons of an attack on memory that does not belong to the guest. */
const foreign = (succeeded: string): Reasons => ({
  succeeded,
  'blocked-at-set-up': OWNER_VALIDATED,
  'blocked-at-access': NOT_MAPPED,
});

/** What the matrix is compared with: a row per attack. */
export const EXPECTATIONS: readonly Expectation[] = [
  row('foreign-page-read', OPEN, foreign(NOTHING_CHECKED), `${ATC}; ${START}`, 'S'),
  row(
    'foreign-page-crowd',
    [...OPEN, 'dev'],
    {
      succeeded: {
        groups: [
          [DEV, 'two of four guests share a protection domain: there are four, one for what is unassigned'],
        ],
        elsewhere: NOTHING_CHECKED,
      },
      'blocked-at-set-up': OWNER_VALIDATED,
      'blocked-at-access': NOT_IN_TABLES,
    },
    'AMD64 Architecture Programmer’s Manual, volume 2, Device Exclusion Vector: a handful of domains',
    'D',
  ),
  row('foreign-page-write', OPEN, foreign(NOTHING_CHECKED), `${ATC}; ${START}`, 'S'),
  row(
    'length-past-page',
    OPEN,
    {
      succeeded: 'no gate looks at the pages of a buffer',
      'blocked-at-set-up': 'every page of a buffer is validated, not the first alone',
      'blocked-at-access': 'each page that the card touches is checked, and the second is not mapped',
    },
    HPCA,
    'M',
  ),
  row('victim-ring-write', OPEN, foreign('a ring is memory like any other'), START, 'S'),
  row(
    'hypervisor-page',
    ['none'],
    {
      succeeded: NOTHING_CHECKED,
      'blocked-at-set-up': OWNER_VALIDATED,
      'blocked-at-access': {
        groups: [[['nodma'], 'the hypervisor’s memory is closed to all devices']],
        elsewhere: 'the hypervisor’s memory is closed to guests’ devices',
      },
    },
    `${NODMA}; ${ATC}`,
    'D',
  ),
  row(
    'vector-ring',
    OPEN,
    {
      succeeded: 'the card must write the ring, and nothing tells which context it writes for',
      'blocked-at-set-up': OWNER_VALIDATED,
      'blocked-at-access': 'the ring is mapped for the card’s own requester ID alone',
    },
    NODMA,
    'D',
  ),
  row(
    'tables-as-target',
    [],
    {
      'blocked-at-set-up': PAGE_OWNER,
      'blocked-at-access': 'tables lie in memory that no guest’s device reaches',
    },
    ATC,
    'D',
  ),
  row(
    'queue-as-target',
    [],
    {
      'blocked-at-set-up': PAGE_OWNER,
      'blocked-at-access': 'the queue lies in memory that no guest’s device reaches',
    },
    ATC,
    'D',
  ),
  row(
    'no-such-memory',
    [],
    {
      'blocked-at-set-up': 'an address without RAM is refused before the card gets it',
      'blocked-at-access': {
        groups: [
          [OPEN, 'no RAM answers at the address'],
          [DEV, 'the vector excludes the page'],
        ],
        elsewhere: 'no mapping leads to the address',
      },
    },
    START,
    'D',
  ),
  row(
    'own-page-unmeant',
    ['none', 'dev', 'nodma', 'driver-domain', 'cdna', 'iommu:direct-map', 'cdna+iommu'],
    {
      succeeded: 'ownership alone is checked, and the page is the guest’s own',
      'blocked-at-access': 'only pages that were posted are mapped, and this one was not',
    },
    ATC,
    'M',
  ),
  row(
    'changed-after-check',
    OPEN,
    {
      succeeded: 'what is written to the ring later is what the card uses',
      'blocked-at-set-up': {
        groups: [[DRIVER_DOMAIN, 'the request is copied before it is checked']],
        elsewhere: 'the ring belongs to the hypervisor',
      },
      'blocked-at-access': 'the access itself is checked, and the new address is not mapped',
    },
    HPCA,
    'M',
  ),
  row(
    'index-out-of-range',
    [],
    { contained: CARD_RULES, 'blocked-at-set-up': 'the back end closes a port whose index is out of range' },
    CARD,
    'D',
  ),
  row('zero-length', [], { contained: CARD_RULES, 'blocked-at-set-up': GATE_RULES }, CARD, 'D'),
  row(
    'endless-chain',
    [],
    {
      contained: 'a chain longer than the card’s memory is a fault',
      'blocked-at-set-up': 'the back end bounds a chain',
    },
    CARD,
    'D',
  ),
  row(
    'stale-descriptor',
    OPEN,
    {
      succeeded: 'old descriptors hold old addresses, and no gate looks again',
      'blocked-at-set-up': {
        groups: [[CDNA, 'sequence numbers tell the card that the descriptor is old']],
        elsewhere: PINNED,
      },
      'blocked-at-access': 'the old address is not mapped any more',
      contained: COPIED,
    },
    HPCA,
    'M',
  ),
  row(
    'use-after-unmap',
    [...OPEN, 'iommu:deferred'],
    {
      succeeded: {
        groups: [[DEFERRED, 'until the invalidation the IOTLB still translates']],
        elsewhere: 'nothing was ever unmapped',
      },
      'blocked-at-set-up': {
        groups: [
          [DRIVER_DOMAIN, GRANT_OWNER],
          [CDNA, `${PINNED}; and sequence numbers tell the card that the descriptor is old`],
        ],
        elsewhere: PINNED,
      },
      'blocked-at-access': {
        groups: [[DEV, 'the page was excluded in the vector when the guest gave it up']],
        elsewhere: 'the invalidation was waited for before the page went',
      },
      contained: COPIED,
    },
    'Rubin et al., SOSP 2024; Amit et al., USENIX ATC 2011: deferred mode leaves stale entries usable',
    'S',
  ),
  row(
    'own-page-after-unmap',
    ['none', 'dev', 'nodma', 'driver-domain', 'iommu:direct-map', 'iommu:persistent', 'iommu:deferred'],
    {
      succeeded: {
        groups: [
          [
            [...OPEN, 'dev', 'driver-domain'],
            'the page is still the guest’s own, and no gate asks whether it is a buffer any more',
          ],
        ],
        elsewhere: 'the mapping outlives the transfer, and reaches what lies there next',
      },
      'blocked-at-set-up': 'sequence numbers tell the card that the descriptor is old',
      'blocked-at-access': 'the mapping ended with the transfer, in the caches too',
      contained: COPIED,
    },
    ATC,
    'M',
  ),
  ...(
    [
      ['freed-while-sending', PINNED],
      ['freed-while-receiving', { groups: [[DRIVER_DOMAIN, GRANT_OWNER]], elsewhere: PINNED }],
    ] as const
  ).map(([attack, setUp]) =>
    row(
      attack,
      OPEN,
      {
        succeeded: 'no reference keeps a page that DMA uses from changing hands',
        'blocked-at-set-up': setUp,
        'blocked-at-access':
          'the page was excluded in the vector when the guest gave it up, so the access is denied',
        contained: COPIED,
      },
      HPCA,
      'M',
    ),
  ),
  row('foreign-doorbell', [], { 'blocked-at-set-up': 'the page of another context is not mapped' }, MMU, 'M'),
  row(
    'ring-base',
    [],
    { 'blocked-at-set-up': 'ring bases stand in the management page, which only the hypervisor maps' },
    MMU,
    'D',
  ),
  row('doorbell-storm', [], { contained: 'a mailbox that was written twice is one event' }, HPCA, 'M'),
  row(
    'interrupt-storm',
    [],
    { contained: 'one physical interrupt serves all contexts, with a least gap' },
    HPCA,
    'M',
  ),
  row(
    'jumbo-hog',
    [],
    {
      contained: 'deficit round robin counts bytes, so that long frames gain nothing',
      succeeded: 'the bridge takes one frame per guest, however long, before the card’s discipline sees any',
    },
    `${QUEUES} (Shreedhar, Varghese 1996)`,
    'S',
  ),
  row('jumbo-hog-prr', EVERYWHERE, { succeeded: 'a turn per frame favours long frames' }, QUEUES, 'D'),
  row('jumbo-hog-fifo', EVERYWHERE, { succeeded: 'a ring that is never empty is never left' }, QUEUES, 'D'),
  row(
    'mac-spoofing',
    [],
    {
      contained: {
        groups: [[DRIVER_DOMAIN, 'the bridge compares the source address and drops the frame']],
        elsewhere: 'the card compares the source address and drops the frame',
      },
    },
    CARD,
    'D',
  ),
  row(
    'payload-after-check',
    [],
    { contained: 'the bytes that are compared are those in the FIFO, which are the bytes that leave' },
    CARD,
    'D',
  ),
  row(
    'pause-flood',
    [],
    {
      contained:
        'a frame that speaks to the port (MAC control, 01-80-C2-00-00-0x) never leaves a context of the card',
    },
    'Smolyar, Ben-Yehuda, Tsafrir, USENIX Security 2015: virtual functions whose PAUSE frames reach the switch',
    'S2',
  ),
  row(
    'broadcast-flood',
    EVERYWHERE,
    {
      succeeded:
        'frames for all guests take the CPU time of all guests; who may reach memory is another question',
      contained: 'the bridge is too slow to pass the flood on',
    },
    'Mogul, Ramakrishnan, ACM TOCS 1997: receive livelock',
    'M',
  ),
  row(
    'card-foreign-guest',
    UNTRANSLATED,
    { succeeded: 'no access gate checks a card that errs', 'blocked-at-access': NOT_MAPPED },
    ATC,
    'M',
  ),
  row(
    'card-unasked',
    [...UNTRANSLATED, 'dev', 'iommu:direct-map'],
    {
      succeeded: 'what is always open to the guest’s device is open to a device that errs',
      'blocked-at-access': 'only buffers that are posted are mapped',
    },
    ATC,
    'M',
  ),
  row('card-borrowed-id', EVERYWHERE, { succeeded: 'a borrowed ID has the mappings of its owner' }, PCI, 'D'),
  row(
    'card-management-id',
    UNTRANSLATED,
    {
      succeeded: 'no access gate tells requester IDs apart',
      'blocked-at-access': 'the ID of the card’s own transfers has the vector ring mapped and nothing else',
    },
    PCI,
    'D',
  ),
  ...['card-sub-page-read', 'card-sub-page-write'].map((attack) =>
    row(attack, PAGE_GRANULAR, { succeeded: 'a page is opened whole', contained: COPIED }, THUNDERCLAP, 'S'),
  ),
  row(
    'card-after-revocation',
    UNTRANSLATED,
    {
      succeeded: 'no access gate checks a card that goes on after its context was revoked',
      'blocked-at-access': {
        groups: [[DEV, 'the revoked context has no vector any more']],
        elsewhere: 'the revoked context has no tables any more',
      },
    },
    ATC,
    'M',
  ),
  row(
    'card-against-tables',
    ['cdna'],
    {
      succeeded: 'CDNA trusts the card with the rings that it reads',
      'blocked-at-access': 'tables and rings lie in memory that the context may not write',
    },
    HPCA,
    'M',
  ),
  row(
    'card-vector-ring',
    UNTRANSLATED,
    {
      succeeded: 'no gate keeps the contexts from the card’s own ring',
      'blocked-at-access': 'the ring is mapped for the card’s own requester ID alone',
    },
    PCI,
    'D',
  ),
  row(
    'msi-injection',
    [...OPEN, 'dev', ...TRANSLATED.filter((name) => name !== 'cdna+iommu')],
    {
      succeeded: 'a write to the interrupt window is a message, which no table for memory stops',
      'blocked-at-set-up': NO_OWNER,
      contained: BRIDGED,
    },
    'Wojtczuk, Rutkowska, Following the White Rabbit, 2011: VT-d without interrupt remapping',
    'S',
  ),
  row(
    'msi-injection-remapped',
    [...OPEN, 'dev'],
    {
      succeeded: 'nothing remaps interrupts, and no table for memory stops the message',
      'blocked-at-set-up': NO_OWNER,
      contained: BRIDGED,
      'blocked-at-access':
        'no entry of the interrupt remapping table is the device’s, and the old format is blocked',
    },
    'VT-d specification 5.1: remapping verifies the source of each message; AMD 48882, IntCtl',
    'S',
  ),
  row(
    'deferred-after-reassignment',
    [...OPEN, 'driver-domain', 'iommu:deferred'],
    {
      succeeded: {
        groups: [[DEFERRED, 'until the flush the IOTLB leads the card to the page of before']],
        elsewhere: UNCHECKED_CARD,
      },
      'blocked-at-set-up': PINNED,
      'blocked-at-access': {
        groups: [[DEV, 'the page was excluded in the vector before it was given away']],
        elsewhere: 'the page left the tables and the caches before it was given away',
      },
      contained: COPIED,
    },
    'XSA-346: a page reference that is dropped before the deferred flush',
    'S',
  ),
  row(
    'stale-context',
    [...UNTRANSLATED, ...TRANSLATED.filter((name) => name !== 'iommu:shadow-copy')],
    {
      succeeded: {
        groups: [[UNTRANSLATED, UNCHECKED_CARD]],
        elsewhere: 'the cached entry still names table pages that are the victim’s by now',
      },
      'blocked-at-access': {
        groups: [[DEV, 'the vector of the old context excludes the buffer']],
        elsewhere: 'the buffer is a shadow page that may be written only and is no page of the victim',
      },
    },
    'VT-d specification 6.5.2: software invalidates the context cache after each change of an entry',
    'D',
  ),
  row(
    'invalidation-never-answered',
    [...OPEN, 'driver-domain', 'iommu:deferred'],
    {
      succeeded: {
        groups: [[DEFERRED, 'the page was given away before any invalidation was asked for']],
        elsewhere: UNCHECKED_CARD,
      },
      'blocked-at-set-up': PINNED,
      'blocked-at-access': {
        groups: [[DEV, 'the page was excluded in the vector, for which nothing has to be asked of the card']],
        elsewhere: 'the page stayed pinned until the hypervisor had stopped the silent function',
      },
      contained: COPIED,
    },
    'XSA-373, CVE-2021-28692: time-outs of the IOMMU must not pass for completions',
    'S',
  ),
  row(
    'fault-flood',
    ['dev', ...TRANSLATED],
    {
      succeeded:
        'each denied access is logged and read on a core of the victim, and the hypervisor sets no limit',
      'blocked-at-access': NO_RAM,
    },
    'xen/drivers/passthrough/pci.c, pci_check_disable_device, is the limit that is missing; VFIO has none',
    'S',
  ),
  row(
    'fault-flood-limited',
    ['dev'],
    {
      succeeded: 'the DEV’s error registers are read on a core of the victim, and no limit is set for them',
      'blocked-at-access': {
        groups: [[UNTRANSLATED, NO_RAM]],
        elsewhere: 'after ten faults the function may make no requests',
      },
    },
    'xen/drivers/passthrough/pci.c, pci_check_disable_device; PT_FAULT_THRESHOLD is 10',
    'S',
  ),
];

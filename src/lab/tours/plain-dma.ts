import type { Tour } from './tour.js';
import { planOf } from './tour-plans.js';

/** Everything that translates and checks at the access gate. */
const AT_ACCESS = [
  'iommu:direct-map',
  'iommu:single-use',
  'iommu:shared',
  'iommu:persistent',
  'iommu:deferred',
  'iommu:shadow-copy',
  'iommu:contiguous',
];

export const plainTour: Tour = {
  id: 'plain-dma',
  title: 'Plain DMA, and why ring 0 was trusted',
  about: 'A card reads and writes memory by itself. Under plain DMA no gate looks up the owner of a page.',
  plans: [planOf('one-guest', 'none')],
  steps: [
    {
      title: 'A list of addresses',
      text: [
        'A guest does not hand a frame to its card. It writes the address of a buffer into a ring in memory, and tells the card how far the list goes. The card fetches the list, then the bytes.',
        'Watch one frame: the coloured squares are pages of memory, each in the colour of its owner.',
      ],
      lit: 'guest',
      acts: [
        { kind: 'go', atNs: 115_000 },
        { kind: 'follow', guest: 'guest' },
        { kind: 'play', paceNs: 10_000 },
      ],
    },
    {
      title: 'Two gates, both open',
      text: [
        'There are two points at which a check is possible: when a transfer is set up, and when it is carried out. Under plain DMA both bars are dashed: they look at nothing.',
        'That was no oversight. On a machine with one operating system only its kernel, in ring 0, could program the card. Code in ring 0 can write all of memory anyway, so a check would have guarded the kernel against itself.',
      ],
      lit: 'access-gate',
    },
    {
      title: 'The kernel becomes a guest',
      text: [
        'Put that kernel into a virtual machine and the reasoning ends: its driver still writes addresses, and the card still believes them. Here the attacker posts a buffer that lies in a page of the victim, and sends it.',
        'Step through the film with the buttons below the picture. No gate turns red: the secret is on the wire.',
      ],
      acts: [{ kind: 'attack', attack: 'foreign-page-read', approach: 'none' }],
    },
  ],
  question: {
    text: 'Turn the knob "approach" so that such a buffer is refused at set-up, before the card hears of it.',
    hint: 'One of the gates has to look up the owner of the page.',
    knob: 'approach',
    answers: [
      {
        oneOf: ['cdna', 'cdna+iommu'],
        isRight: true,
        says: 'Right. The hypervisor looks up the owner of each page and writes the descriptor itself: the card never gets an address that was not checked.',
      },
      {
        oneOf: ['driver-domain'],
        isRight: true,
        says: 'Right. The guest has no card at all: it names pages in grants, and a grant is checked before the driver domain can use it. The price is a copy.',
      },
      {
        oneOf: AT_ACCESS,
        isRight: false,
        says: 'It is stopped, but later: the card has the descriptor already, and the IOMMU denies the access when it comes. The question asks for the other gate.',
      },
      {
        oneOf: ['dev'],
        isRight: false,
        says: 'The exclusion vector denies the access when it is carried out; nothing is refused at set-up.',
      },
      {
        oneOf: ['nodma'],
        isRight: false,
        says: 'NoDMA knows addresses and no devices: it closes the hypervisor to all of them, and leaves guests open to each other.',
      },
    ],
    otherwise: 'Not that one. Look at the upper bar: it is solid when the set-up gate checks.',
  },
};

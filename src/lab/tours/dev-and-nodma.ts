import type { Tour } from './tour.js';
import { planOf } from './tour-plans.js';

export const devTour: Tour = {
  id: 'dev-and-nodma',
  title: 'DEV and NoDMA: a bit for every page',
  about: 'The first checks at the access gate knew pages. How many devices they knew is another matter.',
  plans: [planOf('three-guests', 'dev')],
  steps: [
    {
      title: 'One bit per page',
      text: [
        "AMD's Device Exclusion Vector is a bit map in memory: a set bit means that devices of this protection domain neither read nor write the page. 4 GB take 128 KB. Nothing is translated.",
        'Click on the access gate, then on a page: it says which contexts the vector lets through.',
      ],
      lit: 'access-gate',
      acts: [{ kind: 'play', paceNs: 50_000 }],
    },
    {
      title: 'It stops a stranger',
      text: [
        'The attack of the first tour again: a buffer in a page of the victim. The card fetches the descriptor, asks for the bytes, and the northbridge finds the bit set. The access is denied, and the card stops that context.',
      ],
      acts: [{ kind: 'attack', attack: 'foreign-page-read', approach: 'dev' }],
    },
    {
      title: 'Until there are too many',
      text: [
        'First parts had four protection domains, one of them for devices that belong to none. The fourth guest shares a vector with another one, and those two reach each other. Here the attacker is in such a pair.',
      ],
      acts: [{ kind: 'attack', attack: 'foreign-page-crowd', approach: 'dev' }],
    },
    {
      title: 'NoDMA: no device at all',
      text: [
        "Intel's NoDMA table, and the protected ranges PMR and DPR, keep every device out of measured memory. That guards the hypervisor, as this attack finds out. They do not tell devices apart, so guests stay open to each other.",
      ],
      acts: [{ kind: 'attack', attack: 'hypervisor-page', approach: 'nodma' }],
    },
  ],
  question: {
    text: 'Choose an approach with an access gate that tells any number of guests apart: one entry for each requester ID.',
    hint: 'It has to know the function, not only bus and unit.',
    knob: 'approach',
    answers: [
      {
        oneOf: [
          'iommu:direct-map',
          'iommu:single-use',
          'iommu:shared',
          'iommu:persistent',
          'iommu:deferred',
          'iommu:shadow-copy',
          'iommu:contiguous',
          'cdna+iommu',
        ],
        isRight: true,
        says: 'Right. An IOMMU finds tables by the requester ID of the access: 65,536 of them, each with a domain of its own.',
      },
      {
        oneOf: ['nodma'],
        isRight: false,
        says: 'NoDMA tells no devices apart: the same bit holds for all of them.',
      },
      {
        oneOf: ['cdna'],
        isRight: false,
        says: 'CDNA keeps guests apart at the set-up gate; its access gate stands open.',
      },
    ],
    otherwise: 'Its access gate stands open: look at the lower bar.',
  },
};

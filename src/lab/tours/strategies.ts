import type { Tour } from './tour.js';
import { planOf } from './tour-plans.js';

export const strategiesTour: Tour = {
  id: 'strategies',
  title: 'Strict, deferred, persistent',
  about: 'When is a page taken out of the tables again? Each answer costs something else.',
  plans: [planOf('three-guests', 'iommu:single-use'), planOf('three-guests', 'iommu:deferred')],
  steps: [
    {
      title: 'Two machines',
      text: [
        'The same guests, the same traffic, the same seed. On the left each buffer is mapped for its transfer and invalidated before the page is used again: strict. On the right unmapping is immediate, and invalidations wait until many can go together: deferred.',
        'Compare the hypervisor: the left one spends its core on waiting for invalidations.',
      ],
      lit: 'hypervisor',
      acts: [{ kind: 'play', paceNs: 1_000_000 }],
    },
    {
      title: 'What deferred leaves open',
      text: [
        'Until the flush the IOTLB still knows the old translation. Here a page of the guest is unmapped, and the device reads it afterwards all the same: the tables say no, the cache says yes. In the guest that is a mistake of its own; where the page has its next owner already, it is a leak.',
      ],
      acts: [{ kind: 'attack', attack: 'own-page-after-unmap', approach: 'iommu:deferred' }],
    },
    {
      title: 'What strict closes',
      text: [
        'The same on the strict machine. The invalidation has been waited for, and the access is denied.',
      ],
      acts: [{ kind: 'attack', attack: 'own-page-after-unmap', approach: 'iommu:single-use' }],
    },
  ],
  question: {
    text: 'On the left machine, choose a strategy that neither maps nor unmaps once the machine has warmed up.',
    hint: 'Its hypercalls stop growing. The pages stay in the tables until the hypervisor wants them back.',
    knob: 'approach',
    answers: [
      {
        oneOf: ['iommu:persistent'],
        isRight: true,
        says: 'Right. A page is mapped at its first use and stays: after the first round of the ring nothing is left to do, and all that the guest ever used for a buffer stays within reach of its device.',
      },
      {
        oneOf: ['iommu:direct-map'],
        isRight: true,
        says: 'Right. All of the guest is mapped once, at the start: the cheapest, and its device reaches all of the guest for ever.',
      },
      {
        oneOf: ['iommu:deferred', 'iommu:shared', 'iommu:contiguous'],
        isRight: false,
        says: 'It still maps and unmaps with the traffic; only the invalidations are fewer.',
      },
      {
        oneOf: ['iommu:shadow-copy'],
        isRight: false,
        says: 'It does not map with the traffic, but it copies every page instead: look at the CPU.',
      },
    ],
    otherwise: 'That is no mapping strategy of an IOMMU.',
  },
};

import type { Tour } from './tour.js';
import { planOf } from './tour-plans.js';

export const iommuTour: Tour = {
  id: 'one-dma',
  title: 'What an IOMMU does to one DMA',
  about: 'An address on the bus becomes an address in memory, by tables that are read on the way.',
  plans: [planOf('one-guest', 'iommu:persistent')],
  steps: [
    {
      title: 'Which device asks?',
      text: [
        'Each context of the card has a requester ID: bus, device, function. The unit finds the root entry by the bus, the context entry by the rest, and there the tables of the domain.',
        'Follow a frame, and open "allowed" at the step where the card reads: each line is an entry in memory with its bits.',
      ],
      lit: 'access-gate',
      acts: [
        { kind: 'go', atNs: 115_000 },
        { kind: 'follow', guest: 'guest' },
        { kind: 'play', paceNs: 10_000 },
      ],
    },
    {
      title: 'The walk',
      text: [
        'Then one table per 9 bits of the address: level 3, 2, 1 (39 bits of address). R and W are permissions; the walk stops at the first entry that lacks what the access needs. The last one names the page.',
        'A transmit buffer is mapped for reads, a receive buffer for writes. The page in the last line is the square with the frame around it.',
      ],
      lit: 'memory',
    },
    {
      title: 'The IOTLB',
      text: [
        'A walk costs several reads of memory. So translations are kept: the plot "IOTLB hits" says how many accesses found theirs. The rings are touched by every frame and stay, buffers come and go.',
      ],
      lit: 'access-gate',
      acts: [{ kind: 'play', paceNs: 1_000_000 }],
    },
  ],
  question: {
    text: 'Make the IOTLB so small that fewer than half of the accesses find their translation. Which number of entries does it?',
    hint: 'The knob is in the panel "Knobs". Two rings, a status block, and a few buffers at a time want to stay.',
    knob: 'iotlbEntries',
    answers: [
      {
        oneOf: ['1', '2'],
        isRight: true,
        says: 'Right. Rings, status block and buffers push each other out; most accesses walk, and each walk delays the card.',
      },
      {
        oneOf: ['4', '8'],
        isRight: false,
        says: 'Close: half of the accesses or more still hit. The rings fit beside a few buffers.',
      },
    ],
    otherwise: 'With that many entries all that is used again stays. Go lower.',
  },
};

import type { Tour } from './tour.js';
import { planOf } from './tour-plans.js';

export const cdnaTour: Tour = {
  id: 'cdna',
  title: 'CDNA: checked once, at set-up',
  about: 'The hypervisor validates, pins and writes each descriptor; the card counts.',
  plans: [planOf('one-guest', 'cdna')],
  steps: [
    {
      title: 'A hypercall hands over a batch',
      text: [
        'The guest asks the hypervisor. For every buffer the owner of every page is looked up, the page is pinned, and the hypervisor writes the descriptor into a ring that belongs to it: the squares of the rings have its colour.',
        'Follow a frame, and watch its page turn from pale to full colour: it is pinned.',
      ],
      lit: 'set-up-gate',
      acts: [
        { kind: 'go', atNs: 115_000 },
        { kind: 'follow', guest: 'guest' },
        { kind: 'play', paceNs: 10_000 },
      ],
    },
    {
      title: 'Numbers that come next',
      text: [
        'Each descriptor carries a sequence number, one more than the one before. The card expects exactly that. So a slot that was not written again since the last lap, or was never written, does not pass for one of this lap, whatever the guest says with its doorbell.',
      ],
      lit: 'context',
    },
    {
      title: 'A stale descriptor',
      text: [
        'The attacker rings for more descriptors than it set up. The card fetches an old one, finds the wrong number, and stops the context: a sequence break.',
      ],
      acts: [{ kind: 'attack', attack: 'stale-descriptor', approach: 'cdna' }],
    },
    {
      title: 'Why pages are pinned',
      text: [
        'A page that the card may still use must not get another owner. This attacker frees a page while its frame is being sent: the hypervisor remembers the release, and carries it out when the last reference has gone.',
      ],
      acts: [{ kind: 'attack', attack: 'freed-while-sending', approach: 'cdna' }],
    },
  ],
  question: {
    text: 'CDNA trusts the card. Choose an approach that keeps its set-up gate, and stops a card that acts of its own accord as well.',
    hint: 'Both bars have to be solid.',
    knob: 'approach',
    answers: [
      {
        oneOf: ['cdna+iommu'],
        isRight: true,
        says: 'Right. The hypervisor checks each descriptor, and the IOMMU each access: an address that was not set up is not in the tables.',
      },
      {
        oneOf: [
          'iommu:direct-map',
          'iommu:single-use',
          'iommu:shared',
          'iommu:persistent',
          'iommu:deferred',
          'iommu:shadow-copy',
          'iommu:contiguous',
        ],
        isRight: false,
        says: 'That stops the card, but the guest writes its own descriptors again: the set-up gate of CDNA is gone.',
      },
    ],
    otherwise: 'One of the two bars is still dashed, or the upper one is no longer that of CDNA.',
  },
};

import type { Tour } from './tour.js';
import { planOf } from './tour-plans.js';

export const fairTour: Tour = {
  id: 'fair-scheduling',
  title: 'Fair DMA scheduling: a neighbour that takes everything',
  about: 'Protection keeps a neighbour out of memory. It does not keep it off the wire.',
  plans: [planOf('neighbours', 'cdna', 'fifo')],
  steps: [
    {
      title: 'First come, first served',
      text: [
        'Two guests on one port of 1 Gb/s. "hog" sends large frames as fast as its ring allows; "quiet" wants 200 Mb/s of small ones. Under fifo the context that rang first is served until its ring is empty, and it never is.',
      ],
      lit: 'scheduler',
      acts: [{ kind: 'play', paceNs: 1_000_000 }],
    },
    {
      title: 'Starved',
      text: [
        'Look at the first plot: "quiet" gets two or three Mb/s of the 178 that it is owed. Nothing was attacked, and no gate has anything to say. Its frames wait in a ring that is hardly ever looked at, and most are dropped before they get there.',
      ],
      lit: 'wire',
    },
    {
      title: 'What fair means',
      text: [
        'A fair discipline counts bytes, not frames and not doorbells. Deficit round robin gives each context a quantum per visit; what a frame does not use is carried over. Click on the scheduler for its bounds, and on a context for its deficit.',
      ],
      lit: 'scheduler',
    },
  ],
  question: {
    text: 'Turn the knob "discipline" so that "quiet" gets all that it asks for.',
    hint: 'A frame of "hog" is six times as large as one of "quiet": one frame each is not the same for both.',
    knob: 'discipline',
    answers: [
      {
        oneOf: ['drr', 'srr', 'sfq', 'scfq', 'wfq', 'wf2q+', 'qfq'],
        isRight: true,
        says: 'Right. Bytes are counted, so "quiet" is owed half of the wire and takes the fifth that it wants; "hog" gets the rest. Its frames no longer wait for a ring to run empty, either.',
      },
      {
        oneOf: ['prr', 'wrr', 'priority', 'edf'],
        isRight: false,
        says: 'Better, and not enough: one frame per visit, whatever its size. "quiet" gets about 140 of 178 Mb/s.',
      },
    ],
    otherwise: 'Watch the first plot for a moment: does "quiet" reach 178 Mb/s?',
  },
};

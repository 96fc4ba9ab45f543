import type { Step } from './script.js';
import type { VirtualLink } from './virtual-link.js';

/** No step serves more frames than this for one that comes and goes: the discipline may starve it. */
const MOST_FRAMES_BETWEEN = 50;

/** Plays one step. */
export function playStep(link: VirtualLink, step: Step): void {
  switch (step.step) {
    case 'join':
      if (link.isMember(step.context)) link.leave(step.context);
      link.join(step.context, step.share);
      return;
    case 'leave':
      if (link.isMember(step.context)) link.leave(step.context);
      return;
    case 'arrive':
      if (link.isMember(step.context)) link.arrive(step.context, step.bytes, step.count);
      return;
    case 'serve':
      for (let count = 0; count < step.frames && link.serve(); count += 1);
      return;
    case 'comeAndGo':
      if (!link.isMember(step.context)) return;
      for (let time = 0; time < step.times; time += 1) {
        link.arrive(step.context, step.bytes);
        for (let count = 0; count < MOST_FRAMES_BETWEEN && link.isBacklogged(step.context); count += 1)
          link.serve();
      }
      return;
    case 'serveWhileArriving':
      if (link.backlogged > 0 && link.isMember(step.context))
        link.serve(() => link.arrive(step.context, step.bytes));
      return;
    case 'pass':
      link.pass(step.ns);
      return;
    case 'ringAgain':
      if (!link.isBacklogged(step.context)) return;
      link.ask();
      link.ringAgain(step.context);
      link.ask();
      return;
    case 'withdraw':
      if (link.isBacklogged(step.context)) link.withdraw(step.context);
  }
}

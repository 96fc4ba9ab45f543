import { contextId } from '../branded.js';
import type { Step } from './script.js';
import type { VirtualLink } from './virtual-link.js';

/** No step serves more frames than this for one that comes and goes: the discipline may starve it. */
const MOST_FRAMES_BETWEEN = 50;

/** Plays one step. */
export function playStep(link: VirtualLink, step: Step): void {
  if (step.step === 'serve') {
    for (let count = 0; count < step.frames && link.serve(); count += 1);
    return;
  }
  if (step.step === 'pass') {
    link.pass(step.ns);
    return;
  }
  if (step.step === 'rate') {
    link.changeRate(step.bps);
    return;
  }
  const context = contextId(step.context);
  switch (step.step) {
    case 'join':
      if (link.isMember(context)) link.leave(context);
      link.join(context, step.share);
      return;
    case 'leave':
      if (link.isMember(context)) link.leave(context);
      return;
    case 'arrive':
      if (link.isMember(context)) link.arrive(context, step.bytes, step.count);
      return;
    case 'comeAndGo':
      if (!link.isMember(context)) return;
      for (let time = 0; time < step.times; time += 1) {
        link.arrive(context, step.bytes);
        for (let count = 0; count < MOST_FRAMES_BETWEEN && link.isBacklogged(context); count += 1)
          link.serve();
      }
      return;
    case 'serveWhileArriving':
      if (link.backlogged > 0 && link.isMember(context)) link.serve(() => link.arrive(context, step.bytes));
      return;
    case 'ringAgain':
      if (!link.isBacklogged(context)) return;
      link.ask();
      link.ringAgain(context);
      link.ask();
      return;
    case 'withdraw':
      if (link.isBacklogged(context)) link.withdraw(context);
  }
}

import fc from 'fast-check';
import type { Discipline, Share } from '../../../scheduler/discipline.js';
import { type LinkWatcher, playStep, scripts, VirtualLink } from '../../../scheduler/laws/index.js';
import { runs } from '../../support/whole.js';

/** A guarantee under test: a watcher that throws when it is violated, and counts its checks. */
export interface Guarantee extends LinkWatcher {
  readonly checks: number;
  /** After the last frame, for guarantees that are judged on the whole run. */
  finish?(): void;
}

export interface RandomLinkOptions {
  readonly shares: (contexts: number) => fc.Arbitrary<Share[]>;
  readonly maxContexts?: number;
  readonly linkBps?: number;
  /** In the whole form. */
  readonly numRuns?: number;
  readonly reentry?: boolean;
}

/**
 * Plays random scripts on a virtual link and checks a guarantee, as `checkDiscipline` does for the laws that apply
 * to all disciplines. Contexts stay, and frames arrive between decisions: that is the model of the papers. Returns
 * the number of checks, reckoned for the whole form.
 */
export function watchRandomLinks(
  makeDiscipline: () => Discipline,
  makeGuarantee: (shares: readonly Share[], link: () => VirtualLink) => Guarantee,
  { shares, maxContexts = 6, linkBps = 1e9, numRuns = 100, reentry = false }: RandomLinkOptions,
): number {
  let checks = 0;
  const made = runs(numRuns);
  const drawn = scripts({ shares, maxContexts, churn: false, reentry, plain: true });
  fc.assert(
    fc.property(drawn, ({ steps }) => {
      const list = steps.flatMap((step) => (step.step === 'join' ? [step.share] : []));
      const guarantee = makeGuarantee(list, () => link);
      const link: VirtualLink = new VirtualLink(makeDiscipline(), { linkBps, watchers: [guarantee] });
      for (const step of steps) playStep(link, step);
      while (link.serve());
      guarantee.finish?.();
      checks += guarantee.checks;
    }),
    { numRuns: made },
  );
  return (checks * numRuns) / made;
}

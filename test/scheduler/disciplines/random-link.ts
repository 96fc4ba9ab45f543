import fc from 'fast-check';
import type { Discipline, Share } from '../../../scheduler/discipline.js';
import { type LinkWatcher, linkCommands, VirtualLink } from '../../../scheduler/laws/index.js';

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
  readonly numRuns?: number;
  readonly churn?: boolean;
  readonly reentry?: boolean;
}

/**
 * Plays random scripts on a virtual link and checks a guarantee, as `checkDiscipline` does for the laws that apply
 * to all disciplines. Contexts stay and frames arrive between decisions unless requested otherwise: that is the
 * model of the papers. Returns the number of checks.
 */
export function watchRandomLinks(
  makeDiscipline: () => Discipline,
  makeGuarantee: (shares: readonly Share[], link: () => VirtualLink) => Guarantee,
  {
    shares,
    maxContexts = 6,
    linkBps = 1e9,
    numRuns = 100,
    churn = false,
    reentry = false,
  }: RandomLinkOptions,
): number {
  let checks = 0;
  const script = fc
    .integer({ min: 2, max: maxContexts })
    .chain(shares)
    .chain((list) => fc.tuple(fc.constant(list), linkCommands(list, { churn, reentry })));
  fc.assert(
    fc.property(script, ([list, commands]) => {
      const guarantee = makeGuarantee(list, () => link);
      const link: VirtualLink = new VirtualLink(makeDiscipline(), { linkBps, watchers: [guarantee] });
      for (const [context, share] of list.entries()) link.join(context, share);
      fc.modelRun(() => ({ model: link, real: link }), commands);
      while (link.serve());
      guarantee.finish?.();
      checks += guarantee.checks;
    }),
    { numRuns },
  );
  return checks;
}

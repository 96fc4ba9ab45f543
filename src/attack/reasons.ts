import type { Verdict } from './verdict.js';

/** Why an attack ends with one verdict: for the approaches that are named, and for all the others. */
export interface GroupedReason {
  readonly groups: readonly (readonly [approaches: readonly string[], because: string])[];
  readonly elsewhere: string;
}

/**
 * Why an attack ends as it does, by verdict: what stops it at one gate is not what lets it through elsewhere. A verdict
 * that approaches come to in different ways has a reason for each way.
 */
export type Reasons = Readonly<Partial<Record<Exclude<Verdict, 'not-applicable'>, string | GroupedReason>>>;

/** The reason for a verdict on one approach; undefined where there is none. */
export function reasonOf(reasons: Reasons, verdict: Verdict, approach: string): string | undefined {
  if (verdict === 'not-applicable') return undefined;
  const reason = reasons[verdict];
  if (reason === undefined || typeof reason === 'string') return reason;
  return reason.groups.find(([approaches]) => approaches.includes(approach))?.[1] ?? reason.elsewhere;
}

/** Each reason for a verdict, with the approaches that it is limited to; an empty list where it is for all the others. */
export function reasonsFor(
  reasons: Reasons,
  verdict: Verdict,
): readonly { readonly approaches: readonly string[]; readonly because: string }[] {
  if (verdict === 'not-applicable') return [];
  const reason = reasons[verdict];
  if (reason === undefined) return [];
  if (typeof reason === 'string') return [{ approaches: [], because: reason }];
  return [
    ...reason.groups.map(([approaches, because]) => ({ approaches, because })),
    { approaches: [], because: reason.elsewhere },
  ];
}

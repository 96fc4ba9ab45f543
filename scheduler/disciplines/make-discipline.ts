import type { Discipline } from '../discipline.js';
import { ParameterError } from '../errors.js';
import { DISCIPLINES, type DisciplineOptions } from './catalogue.js';
import { MinimumGuarantee } from './minimum-guarantee.js';
import { TokenBucketLimit } from './token-bucket-limit.js';
import { TwoLevel } from './two-level.js';

/** How disciplines are composed by name; `a` and `b` stand for names in the catalogue. */
export const COMPOSITIONS: readonly { readonly form: string; readonly meaning: string }[] = [
  { form: 'a/b', meaning: 'two levels: a between tenants, b between the contexts of a tenant' },
  { form: 'limited:a', meaning: 'a token bucket per context (limitBps, burstBytes) in front of a' },
  { form: 'minimum:a', meaning: 'a minimum rate per context (minimumBps), and a for the rest' },
];

/**
 * Makes a discipline by its name: one of the catalogue, two with a slash between for a hierarchy, and any
 * number of `limited:` and `minimum:` prefixes.
 *
 * @throws ParameterError for an unknown name; the message lists the known ones.
 */
export function makeDiscipline(name: string, options: DisciplineOptions = {}): Discipline {
  if (name.startsWith('limited:')) return new TokenBucketLimit(makeDiscipline(name.slice(8), options));
  if (name.startsWith('minimum:')) return new MinimumGuarantee(makeDiscipline(name.slice(8), options));
  const slash = name.indexOf('/');
  if (slash < 0) return makeSingle(name, name, options);
  const inner = name.slice(slash + 1);
  return new TwoLevel({
    outer: makeSingle(name.slice(0, slash), name, options),
    makeInner: () => makeSingle(inner, name, options),
    tenantShare: (tenant) => ({ weight: options.tenantWeights?.[tenant] ?? 1 }),
  });
}

function makeSingle(name: string, whole: string, options: DisciplineOptions): Discipline {
  const entry = DISCIPLINES.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry.make(options);
  const part = name === whole ? '' : ` (in "${whole}")`;
  throw new ParameterError(
    `discipline is "${name}"${part}, expected one of: ${DISCIPLINES.map((candidate) => candidate.name).join(', ')}; ` +
      `or ${COMPOSITIONS.map((composition) => composition.form).join(', ')}`,
  );
}

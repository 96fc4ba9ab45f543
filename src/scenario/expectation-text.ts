import type * as z from 'zod';

/** What zod calls a kind of value, as a user would: what one of it is, and what it is counted in where it has a length. */
const KINDS: Readonly<Record<string, { readonly one: string; readonly parts?: string }>> = {
  number: { one: 'a number' },
  int: { one: 'a whole number' },
  string: { one: 'text', parts: 'character' },
  array: { one: 'a list', parts: 'item' },
  object: { one: 'an object' },
  record: { one: 'an object' },
  boolean: { one: 'true or false' },
};

const LIMITS: Readonly<Record<string, string>> = {
  '>=': 'of at least',
  '<=': 'of at most',
  '>': 'greater than',
  '<': 'less than',
};

/** What an issue says was expected: "expected a number of at least 1000". */
export function expectationText(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Each alternative has reasons of its own; together they say what would do.
    const alternatives = issue.errors
      .flat()
      .map((inner) => expectationText(inner).replace(/^expected:? /u, ''));
    return `expected ${[...new Set(alternatives)].join(', or ')}`;
  }
  const message = issue.message
    .replace(/^Invalid (input|option|key|discriminator value)[:.]? ?/u, '')
    .replace(/^Too (small|big): ?/u, '')
    .replace(/, received .*$/u, '');
  if (!/^expected/iu.test(message)) return `expected: ${message}`;
  return `expected${inWords(message.slice('expected'.length))}`;
}

/** zod's " number to be >=1000" as " a number of at least 1000"; anything else as it is. */
function inWords(text: string): string {
  const found = /^ (?<kind>[a-z]+)(?: to (?:be|have) (?<sign>[<>]=?)(?<limit>[-+.\de]+)(?: [a-z]+)?)?$/u.exec(
    text,
  )?.groups;
  const kind = KINDS[found?.kind ?? ''];
  if (found === undefined || kind === undefined) return text;
  const { sign, limit } = found;
  if (sign === undefined || limit === undefined) return ` ${kind.one}`;
  const { parts } = kind;
  const counted = parts === undefined ? '' : ` ${parts}${limit === '1' ? '' : 's'}`;
  return ` ${kind.one} ${LIMITS[sign] ?? sign} ${limit}${counted}`;
}

import { InvariantViolation } from '../../scheduler/errors.js';

/**
 * A document with what a command makes between two of its lines as it is now.
 * @throws InvariantViolation when the document has no place for it
 */
export function withPart(document: string, begin: string, end: string, part: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from < 0 || to < 0) throw new InvariantViolation(`the document has no ${begin} ... ${end}`);
  return `${document.slice(0, from)}${begin}\n\n${part}\n\n${document.slice(to)}`;
}

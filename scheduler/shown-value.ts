const MOST_CHARACTERS = 80;

/** A value as a message shows it, in one line: what its writer would recognise. */
export function shownValue(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'function') return isClass(value) ? `the class ${value.name}` : 'a function';
  // JSON has no word for NaN and Infinity, and none for the others.
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'symbol')
    return String(value);
  const text = jsonOf(value);
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS - 3)}...` : text;
}

/** Whether a function is a class, which cannot be called without `new`. */
export function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/u.test(Function.prototype.toString.call(value));
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // A circle, or a number of any size within.
    return 'an object that has no JSON';
  }
}

import type { Report } from './protocol.js';

/** Arrays of numbers that JSON has no form for, by the name under which they are written. */
const ARRAYS = { i16: Int16Array, u8: Uint8Array } as const;

/** A report as one line of JSON, for a connection that carries text. */
export function reportText(report: Report): string {
  return JSON.stringify(report, (_key, value: unknown) => {
    if (value instanceof Int16Array) return { i16: [...value] };
    if (value instanceof Uint8Array) return { u8: [...value] };
    return value;
  });
}

/** The report that a line is of. The line comes from the session that the page belongs to. @throws SyntaxError */
export function reportOf(text: string): Report {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    const [name, ...others] = Object.keys(value);
    if (others.length > 0 || (name !== 'i16' && name !== 'u8')) return value;
    const numbers = (value as Record<string, unknown>)[name];
    return Array.isArray(numbers) ? ARRAYS[name].from(numbers as number[]) : value;
  }) as Report;
}

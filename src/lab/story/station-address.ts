/** A station address as people write it. */
export function macText(mac: number): string {
  const digits = mac.toString(16).padStart(12, '0');
  return [0, 2, 4, 6, 8, 10].map((at) => digits.slice(at, at + 2)).join(':');
}

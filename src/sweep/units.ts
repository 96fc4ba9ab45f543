/** Fields of scenarios carry their units at the end of their names. */
const UNIT_SUFFIXES: readonly (readonly [suffix: string, unit: string])[] = [
  ['Ns', 'ns'],
  ['Bps', 'bit/s'],
  ['Bytes', 'bytes'],
  ['Megabytes', 'MiB'],
  ['Percent', '%'],
  ['hertz', 'Hz'],
];

/** Unit of a field of a scenario; empty where it has none. */
export function unitOf(path: string): string {
  if (path.startsWith('host.costs.')) return 'cycles';
  return UNIT_SUFFIXES.find(([suffix]) => path.endsWith(suffix))?.[1] ?? '';
}

/** The host's clock, ms: for progress and estimates on a terminal, never for a result. */
export function progressClockMs(): number {
  // biome-ignore lint/style/noRestrictedGlobals: how long a person waits is no virtual time
  return performance.now();
}

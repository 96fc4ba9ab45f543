/** The reader's time, ms: how long a thing is on its way over the screen. No machine is told of it. */
export function readerNowMs(): number {
  return performance.now();
}

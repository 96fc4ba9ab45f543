/** The reader's time, ms: how long a thing is on its way over the screen. No machine is told of it. */
export function readerNowMs(): number {
  return performance.now();
}

/** Does something again and again, for as long as the page is there. */
export function everyMs(periodMs: number, work: () => void): void {
  setInterval(work, periodMs);
}

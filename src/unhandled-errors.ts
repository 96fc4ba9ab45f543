import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout } from 'node:timers/promises';
import { config } from 'rxjs';
import { ObserverError } from '../scheduler/errors.js';

type Handler = NonNullable<typeof config.onUnhandledError>;

/** What became of the observers of one run. */
interface Report {
  caught: { readonly error: unknown } | undefined;
}

const running = new AsyncLocalStorage<Report>();
let open = 0;
let theirs: typeof config.onUnhandledError = null;

/**
 * A stream of a machine tells the kernel itself when its observer throws (GuardedStream). An observer behind a
 * combination of streams (`merge`, `combineLatest`) is RxJS's own, which reports what it throws from a timer of the
 * host. This runs `work` so that such a report fails it: the timer keeps the asynchronous context in which
 * it was set, and that tells which run it belongs to. Reports of others go where they went before.
 */
export async function catchingObserverErrors<T>(work: (check: () => void) => Promise<T>): Promise<T> {
  const report: Report = { caught: undefined };
  const check = () => {
    if (report.caught !== undefined) throw new ObserverError(undefined, undefined, report.caught.error);
  };
  if (open === 0) {
    theirs = config.onUnhandledError;
    config.onUnhandledError = onUnhandledError;
  }
  open += 1;
  try {
    const result = await running.run(report, () => work(check));
    // RxJS's timers are as short as this one and were set before it.
    await setTimeout(0);
    check();
    return result;
  } finally {
    open -= 1;
    if (open === 0 && config.onUnhandledError === onUnhandledError) config.onUnhandledError = theirs;
  }
}

const onUnhandledError: Handler = (error) => {
  const report = running.getStore();
  if (report !== undefined) report.caught ??= { error };
  else if (theirs !== null) theirs(error);
  else throw error;
};

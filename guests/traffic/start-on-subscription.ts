import type { Observable } from 'rxjs';
import { GuardedStream } from '../../scheduler/guarded-stream.js';
import type { GuardedSubject } from '../../scheduler/guarded-subject.js';

/** A source that works only while it is observed. */
export interface StartedSource {
  start(): void;
  stop(): void;
  /** Whether it has sent its last frame; what subscribes then completes at once. */
  isEnded(): boolean;
}

/** The subject's stream, which starts its source with the first subscriber and stops it when the last one leaves. */
export function startOnSubscription<T>(subject: GuardedSubject<T>, source: StartedSource): Observable<T> {
  let observers = 0;
  return new GuardedStream<T>(subject.name, subject.kernel, (subscriber) => {
    if (source.isEnded()) {
      subscriber.complete();
      return undefined;
    }
    const subscription = subject.stream$.subscribe(subscriber);
    observers += 1;
    if (observers === 1) source.start();
    return () => {
      subscription.unsubscribe();
      observers -= 1;
      if (observers === 0) source.stop();
    };
  });
}

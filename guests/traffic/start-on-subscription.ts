import { Observable } from 'rxjs';
import type { GuardedSubject } from '../../scheduler/guarded-subject.js';

/** A source that works only while somebody watches. */
export interface StartedSource {
  start(): void;
  stop(): void;
  /** Whether it has sent its last; who subscribes then is told so at once. */
  isEnded(): boolean;
}

/** The outlet's stream, which starts its source with the first subscriber and stops it when the last one leaves. */
export function startOnSubscription<T>(subject: GuardedSubject<T>, source: StartedSource): Observable<T> {
  let watchers = 0;
  return new Observable<T>((subscriber) => {
    if (source.isEnded()) {
      subscriber.complete();
      return;
    }
    const subscription = subject.stream$.subscribe(subscriber);
    watchers += 1;
    if (watchers === 1) source.start();
    return () => {
      subscription.unsubscribe();
      watchers -= 1;
      if (watchers === 0) source.stop();
    };
  });
}

import { Observable } from 'rxjs';
import type { Outlet } from '../../scheduler/outlet.js';

/** A room that works only while somebody watches. */
export interface StartedRoom {
  start(): void;
  stop(): void;
  /** Whether it has sent its last; who subscribes then is told so at once. */
  isEnded(): boolean;
}

/** The outlet's stream, which starts its room with the first subscriber and stops it when the last one leaves. */
export function startOnSubscription<T>(outlet: Outlet<T>, room: StartedRoom): Observable<T> {
  let watchers = 0;
  return new Observable<T>((subscriber) => {
    if (room.isEnded()) {
      subscriber.complete();
      return;
    }
    const subscription = outlet.stream$.subscribe(subscriber);
    watchers += 1;
    if (watchers === 1) room.start();
    return () => {
      subscription.unsubscribe();
      watchers -= 1;
      if (watchers === 0) room.stop();
    };
  });
}

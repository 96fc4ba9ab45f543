import { closeSync, readSync, writeSync } from 'node:fs';
import type { Arrival, SocketCalls } from './socket-calls.js';

/** Pieces that are read of one socket before the others get their turn. */
const MOST_AT_ONCE = 16;
const ONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

type Taker = (arrival: Exclude<Arrival, { kind: 'nothing' }>) => void;

/** Reads sockets together with the file descriptors that come on them: one thread waits for all of them. */
export class DescriptorReader {
  readonly #calls: SocketCalls;
  readonly #watched = new Map<number, Taker>();
  // Ends a wait, so that it begins anew with other sockets.
  readonly #wake: number;
  #waiting = false;
  #closed = false;

  constructor(calls: SocketCalls) {
    this.#calls = calls;
    this.#wake = calls.makeEvent();
  }

  /** Tells of what comes on a socket from now on, until the returned function is called. */
  watch(socket: number, taker: Taker): () => void {
    this.#watched.set(socket, taker);
    this.#renew();
    return () => {
      // Another socket may have the number by now.
      if (this.#watched.get(socket) !== taker) return;
      this.#watched.delete(socket);
      this.#renew();
    };
  }

  /** Nothing is read any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watched.clear();
    if (this.#waiting) writeSync(this.#wake, ONE);
    else closeSync(this.#wake);
  }

  #renew(): void {
    if (this.#closed) return;
    if (this.#waiting) writeSync(this.#wake, ONE);
    else this.#wait();
  }

  #wait(): void {
    if (this.#watched.size === 0) return;
    this.#waiting = true;
    const asked = new Map(this.#watched);
    this.#calls.waitForAny([this.#wake, ...asked.keys()], (ready) => {
      this.#waiting = false;
      if (ready.includes(this.#wake)) readSync(this.#wake, new Uint8Array(8));
      if (this.#closed) {
        closeSync(this.#wake);
        return;
      }
      const failures: unknown[] = [];
      for (const socket of ready) {
        try {
          this.#take(socket, asked.get(socket));
        } catch (error) {
          // One guest's trouble: the others are read all the same, now and from now on.
          failures.push(error);
        }
      }
      if (!this.#waiting) this.#wait();
      if (failures.length > 0) throw failures[0];
    });
  }

  #take(socket: number, taker: Taker | undefined): void {
    if (taker === undefined) return;
    for (let piece = 0; piece < MOST_AT_ONCE && this.#watched.get(socket) === taker; piece += 1) {
      const arrival = this.#calls.receive(socket);
      if (arrival.kind === 'nothing') return;
      if (arrival.kind === 'end') this.#watched.delete(socket);
      taker(arrival);
    }
  }
}

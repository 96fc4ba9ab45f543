import type { Duplex } from 'node:stream';

/** Longest that the end of a connection waits for its other side, ms. */
const END_MS = 1000;

/**
 * Bounds the end of a connection whose other side may neither read nor end: after `END_MS` it is gone, whatever still waits
 * to be sent.
 */
export function limitEnd(socket: Duplex): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), END_MS);
  socket.once('close', () => clearTimeout(timer));
}

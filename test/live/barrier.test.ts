import { expect, it } from 'vitest';
import type { ArrayRam, LiveRam } from '../../src/live/ram/live-ram.js';
import {
  EVENT_IDX,
  ethernet,
  INDIRECT,
  MRG_RXBUF,
  RECEIVE,
  RINGS,
  TRANSMIT,
  VERSION_1,
} from './support/driver.js';
import { GUEST_BYTES, Lab, MAC } from './support/lab.js';

/** RAM that keeps every write back until it is flushed, and looks at what the guest sees whenever an index is read. */
class LateRam implements LiveRam {
  readonly bytes = GUEST_BYTES;
  /** What the guest sees, and what the device has written. */
  readonly #seen: Uint8Array;
  readonly #written: Uint8Array;
  readonly #late: { offset: number; length: number }[] = [];
  wakeUpsLost = 0;
  indexReads = 0;

  constructor(ram: ArrayRam) {
    this.#seen = ram.array;
    this.#written = new Uint8Array(ram.array.length);
  }

  read(offset: number, length: number, target: Uint8Array, at: number): void {
    for (const { available } of RINGS) {
      // The available index, and the used index from which on the driver wants to be told (2.7.7, 2.7.10).
      if (length !== 2 || (offset !== available + 2 && offset !== available + 4 + 512)) continue;
      this.indexReads += 1;
      if (this.#late.length > 0) this.wakeUpsLost += 1;
    }
    target.set(this.#seen.subarray(offset, offset + length), at);
    for (const late of this.#late) {
      for (
        let byte = Math.max(offset, late.offset);
        byte < Math.min(offset + length, late.offset + late.length);
        byte += 1
      )
        target[at + byte - offset] = this.#written[byte] ?? 0;
    }
  }

  write(offset: number, length: number, source: Uint8Array, at: number): void {
    this.#written.set(source.subarray(at, at + length), offset);
    this.#late.push({ offset, length });
  }

  prefetch(): void {}

  flush(): void {
    for (const { offset, length } of this.#late.splice(0))
      this.#seen.set(this.#written.subarray(offset, offset + length), offset);
  }
}

it('no index is read while a write before it is kept back: neither side can sleep through the other', () => {
  const late: LateRam[] = [];
  const lab = new Lab({
    wrapRam: (ram) => {
      const wrapped = new LateRam(ram);
      late.push(wrapped);
      return wrapped;
    },
  });
  const sender = lab.boot(0, MRG_RXBUF | VERSION_1 | EVENT_IDX | INDIRECT);
  const receiver = lab.boot(1, MRG_RXBUF | VERSION_1 | EVENT_IDX | INDIRECT);
  for (let slot = 0; slot < 100; slot += 1) {
    receiver.post(RECEIVE, slot, [{ at: 0x100000 + 2048 * slot, bytes: 1536 }]);
    sender.send(slot, 0x200000 + 2048 * slot, ethernet(MAC + 1, MAC, `frame ${slot}`, 600));
    if (slot % 7 === 0) lab.run(40_000);
  }
  lab.run(5_000_000);
  expect(sender.takeUsed(TRANSMIT)).toHaveLength(100);
  expect(receiver.takeUsed(RECEIVE)).toHaveLength(100);
  for (const { indexReads, wakeUpsLost } of late) {
    expect(indexReads).toBeGreaterThan(50);
    expect(wakeUpsLost).toBe(0);
  }
});

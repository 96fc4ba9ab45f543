import { lowerHalf, lowerHalfAt, upperHalf, upperHalfAt } from './station-address.js';

/** Something by station address, which is looked up where it lies in a frame: by its halves, so that nothing is allocated. */
export class StationTable<Value> {
  readonly #byUpper = new Map<number, Map<number, Value>>();
  #size = 0;

  /** Addresses that have something. */
  get size(): number {
    return this.#size;
  }

  /** What the address at an offset of a frame has. */
  at(bytes: Uint8Array, offset: number): Value | undefined {
    return this.#byUpper.get(upperHalfAt(bytes, offset))?.get(lowerHalfAt(bytes, offset));
  }

  get(mac: number): Value | undefined {
    return this.#byUpper.get(upperHalf(mac))?.get(lowerHalf(mac));
  }

  set(mac: number, value: Value): void {
    let byLower = this.#byUpper.get(upperHalf(mac));
    if (byLower === undefined) {
      byLower = new Map();
      this.#byUpper.set(upperHalf(mac), byLower);
    }
    if (!byLower.has(lowerHalf(mac))) this.#size += 1;
    byLower.set(lowerHalf(mac), value);
  }

  delete(mac: number): void {
    const byLower = this.#byUpper.get(upperHalf(mac));
    if (byLower?.delete(lowerHalf(mac)) !== true) return;
    this.#size -= 1;
    if (byLower.size === 0) this.#byUpper.delete(upperHalf(mac));
  }
}

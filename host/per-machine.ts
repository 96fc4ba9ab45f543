import type { HostParts } from './host-parts.js';

/** One of something for each machine, made when it is first asked for: what a thousand guests would have empty, each its own. */
export class PerMachine<Value> {
  readonly #make: (parts: HostParts) => Value;
  readonly #known = new WeakMap<HostParts, Value>();

  constructor(make: (parts: HostParts) => Value) {
    this.#make = make;
  }

  of(parts: HostParts): Value {
    const known = this.#known.get(parts);
    if (known !== undefined) return known;
    const made = this.#make(parts);
    this.#known.set(parts, made);
    return made;
  }
}

const INITIAL_CAPACITY = 4;

/**
 * Values in a row, oldest first: a ring that grows and never shrinks. An array of the engine gives its memory away when it
 * becomes empty, and allocates it anew for the next value; as a queue that is mostly short it does so all the time.
 */
export class Row<Value> {
  #values: (Value | undefined)[] = new Array<Value | undefined>(INITIAL_CAPACITY).fill(undefined);
  #head = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The value at a place, or undefined behind the last. */
  at(place: number): Value | undefined {
    return place < this.#count ? this.#values[this.#index(place)] : undefined;
  }

  push(value: Value): void {
    this.insert(this.#count, value);
  }

  /** Puts a value at a place; those from there on move back. */
  insert(place: number, value: Value): void {
    if (this.#count === this.#values.length) this.#grow();
    for (let at = this.#count; at > place; at -= 1)
      this.#values[this.#index(at)] = this.#values[this.#index(at - 1)];
    this.#values[this.#index(place)] = value;
    this.#count += 1;
  }

  /** Takes the first out, or returns undefined. */
  shift(): Value | undefined {
    if (this.#count === 0) return undefined;
    const first = this.#values[this.#head];
    // A free place must not keep its last value alive.
    this.#values[this.#head] = undefined;
    this.#head = this.#index(1);
    this.#count -= 1;
    return first;
  }

  /** Takes a value out; returns its place, or -1. */
  remove(value: Value): number {
    let place = 0;
    while (place < this.#count && this.#values[this.#index(place)] !== value) place += 1;
    if (place === this.#count) return -1;
    this.#count -= 1;
    for (let at = place; at < this.#count; at += 1)
      this.#values[this.#index(at)] = this.#values[this.#index(at + 1)];
    this.#values[this.#index(this.#count)] = undefined;
    return place;
  }

  clear(): void {
    this.#values.fill(undefined);
    this.#head = 0;
    this.#count = 0;
  }

  /** How often a value is in the row. */
  countOf(value: Value): number {
    let found = 0;
    for (let place = 0; place < this.#count; place += 1) if (this.at(place) === value) found += 1;
    return found;
  }

  #index(place: number): number {
    return (this.#head + place) & (this.#values.length - 1);
  }

  #grow(): void {
    const old = this.#values.length;
    const wider = new Array<Value | undefined>(old * 2).fill(undefined);
    for (let place = 0; place < old; place += 1) wider[place] = this.#values[this.#index(place)];
    this.#values = wider;
    this.#head = 0;
  }
}

/** When each owner of frames (a context, or a guest) had its first and its last one. */
export class TimeSpan {
  readonly #first: number[] = [];
  readonly #last: number[] = [];

  add(owner: number, atNs: number): void {
    this.#first[owner] ??= atNs;
    this.#last[owner] = atNs;
  }

  firstNs(owner: number): number | undefined {
    return this.#first[owner];
  }

  lastNs(owner: number): number | undefined {
    return this.#last[owner];
  }
}

import type { ContextId } from '../../scheduler/branded.js';
import type { Grant } from '../../scheduler/dma-scheduler.js';
import { present } from '../../scheduler/present.js';

/**
 * Grants of one exit whose frames have not come out yet, one queue per context. Frames of a context leave an exit in the
 * order in which they were granted. Of a grant its bytes, its time and its reason are kept, in columns.
 */
export class GrantedFrames {
  readonly #queues: GrantQueue[] = [];
  #reason = '';
  #atNs = 0;

  add({ context, bytes, atNs, reason }: Grant): void {
    while (this.#queues.length <= context) this.#queues.push(new GrantQueue());
    present(this.#queues[context]).push(bytes, atNs, reason);
  }

  /** Bytes of the next frame of a context. */
  nextBytes(context: ContextId): number | undefined {
    return this.#queues[context]?.nextBytes;
  }

  /** Takes out the grant of the next frame of that size of a context, and those before it; false if there was none. */
  take(context: ContextId, bytes: number): boolean {
    const queue = this.#queues[context];
    if (queue === undefined) return false;
    while (queue.nextBytes !== undefined) {
      const isIt = queue.nextBytes === bytes;
      this.#reason = queue.nextReason;
      this.#atNs = queue.nextNs;
      queue.drop();
      if (isIt) return true;
    }
    return false;
  }

  /** Which discipline granted the frame that was taken last, and when. */
  get takenReason(): string {
    return this.#reason;
  }

  get takenNs(): number {
    return this.#atNs;
  }

  clear(context: ContextId): void {
    this.#queues[context]?.clear();
  }
}

/** Grants of a context, the oldest first: a ring that grows. */
class GrantQueue {
  #bytes = new Int32Array(8);
  #atNs = new Float64Array(8);
  #reasons = new Array<string>(8).fill('');
  #head = 0;
  #count = 0;

  /** Of the oldest; undefined when there is none. */
  get nextBytes(): number | undefined {
    return this.#count === 0 ? undefined : this.#bytes[this.#head];
  }

  get nextNs(): number {
    return present(this.#atNs[this.#head]);
  }

  get nextReason(): string {
    return present(this.#reasons[this.#head]);
  }

  push(bytes: number, atNs: number, reason: string): void {
    if (this.#count === this.#bytes.length) this.#grow();
    const at = (this.#head + this.#count) & (this.#bytes.length - 1);
    this.#bytes[at] = bytes;
    this.#atNs[at] = atNs;
    this.#reasons[at] = reason;
    this.#count += 1;
  }

  drop(): void {
    this.#head = (this.#head + 1) & (this.#bytes.length - 1);
    this.#count -= 1;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Twice the cells, with the oldest in the first. */
  #grow(): void {
    const cells = this.#bytes.length;
    const [bytes, atNs, reasons] = [this.#bytes, this.#atNs, this.#reasons];
    const head = this.#head;
    this.#bytes = new Int32Array(2 * cells);
    this.#atNs = new Float64Array(2 * cells);
    this.#reasons = new Array<string>(2 * cells).fill('');
    this.#head = 0;
    for (let index = 0; index < cells; index += 1) {
      const from = (head + index) & (cells - 1);
      this.#bytes[index] = present(bytes[from]);
      this.#atNs[index] = present(atNs[from]);
      this.#reasons[index] = present(reasons[from]);
    }
  }
}

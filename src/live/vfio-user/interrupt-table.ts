/** Bytes of an entry of an MSI-X table: address, data, vector control (PCI 3.0, 6.8.2). */
const TABLE_ENTRY_BYTES = 16;
const MASKED = 1;

/** A message to send. */
export interface TableMessage {
  readonly address: bigint;
  readonly data: number;
}

/**
 * A copy of the guest's MSI-X table, which lies on the client's side, and the vectors that wait: for the table to be read,
 * or for their entry to be unmasked.
 */
export class InterruptTable {
  readonly vectors: number;
  readonly #pending: Uint8Array;
  #table: DataView | undefined;

  constructor(vectors: number) {
    this.vectors = vectors;
    this.#pending = new Uint8Array(vectors);
  }

  get bytes(): number {
    return this.vectors * TABLE_ENTRY_BYTES;
  }

  /** The table as it is now. Calls `send` for vectors that waited and may go. */
  set(bytes: Uint8Array, send: (message: TableMessage) => void): void {
    const copy = bytes.slice(0, this.bytes);
    this.#table = new DataView(copy.buffer);
    for (let vector = 0; vector < this.vectors; vector += 1) {
      if (this.#pending[vector] === 0) continue;
      const message = this.raise(vector);
      if (message !== undefined) send(message);
    }
  }

  /** The message of a vector; undefined when it has to wait, or does not exist. */
  raise(vector: number): TableMessage | undefined {
    if (!(vector >= 0 && vector < this.vectors)) return undefined;
    const table = this.#table;
    const at = vector * TABLE_ENTRY_BYTES;
    if (table === undefined || (table.getUint32(at + 12, true) & MASKED) !== 0) {
      this.#pending[vector] = 1;
      return undefined;
    }
    this.#pending[vector] = 0;
    return { address: table.getBigUint64(at, true), data: table.getUint32(at + 8, true) };
  }
}

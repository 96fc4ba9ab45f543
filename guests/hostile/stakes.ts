import type { PhysicalMemory } from '../../host/memory/physical-memory.js';
import { type HostPhysicalAddress, PAGE_BYTES } from '../../nic/addresses.js';
import { present } from '../../scheduler/present.js';
import { mix32 } from '../traffic/mix32.js';

const TAG_BYTES = 16;

/** Sixteen bytes that nothing else in a run contains, from a seed and a number. */
export function tagOf(seed: number, number: number): Uint8Array {
  const tag = new Uint8Array(TAG_BYTES);
  for (let at = 0; at < TAG_BYTES; at += 4) {
    const word = mix32((seed ^ Math.imul(number + 1, 0x9e3779b1) ^ Math.imul(at + 1, 0x85ebca6b)) >>> 0);
    for (let byte = 0; byte < 4; byte += 1) tag[at + byte] = word >>> (8 * byte);
  }
  return tag;
}

/** Bytes filled with a tag from end to end, so that any 32 of them identify it. */
export function tagged(tag: Uint8Array, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => present(tag[at % TAG_BYTES]));
}

/** Whether bytes contain a tag. */
export function contains(bytes: Uint8Array, tag: Uint8Array): boolean {
  return indexOfTag(bytes, tag, 0) >= 0;
}

/** Where a tag begins in bytes, from `from` on; -1 where it does not. */
function indexOfTag(bytes: Uint8Array, tag: Uint8Array, from: number): number {
  const first = present(tag[0]);
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + tag.length > bytes.length) return -1;
    let same = 1;
    while (same < tag.length && bytes[at + same] === tag[same]) same += 1;
    if (same === tag.length) return at;
  }
  return -1;
}

/** The target of an attack: it has been changed, it has been seen outside, or it is unchanged. */
export interface Stake {
  /** Its owner and kind, e.g. `page of victim`. */
  readonly label: string;
  readonly address: HostPhysicalAddress;
  readonly bytes: number;
  /** Checks memory now; a change that was seen once stays recorded. */
  look(memory: PhysicalMemory): void;
  /** Bytes that have changed. */
  readonly changedBytes: number;
  /** The bytes that identify it outside; undefined where only its integrity counts. */
  readonly tag: Uint8Array | undefined;
}

/** A piece of memory with a secret in it that only its owner touches. */
export class Secret implements Stake {
  readonly label: string;
  readonly address: HostPhysicalAddress;
  readonly bytes: number;
  readonly tag: Uint8Array;
  readonly #planted: Uint8Array;
  #changed = 0;

  /** Plants it. */
  constructor(
    memory: PhysicalMemory,
    label: string,
    address: HostPhysicalAddress,
    bytes: number,
    tag: Uint8Array,
  ) {
    this.label = label;
    this.address = address;
    this.bytes = bytes;
    this.tag = tag;
    this.#planted = tagged(tag, bytes);
    memory.write(address, bytes, this.#planted, 0);
  }

  get changedBytes(): number {
    return this.#changed;
  }

  look(memory: PhysicalMemory): void {
    const now = new Uint8Array(this.bytes);
    memory.read(this.address, this.bytes, now, 0);
    const differing = now.reduce((sum, byte, at) => sum + (byte === this.#planted[at] ? 0 : 1), 0);
    this.#changed = Math.max(this.#changed, differing);
  }
}

/** A structure that its owner goes on writing to: it counts as changed where the attacker's own mark stands in it. */
export class ControlStructure implements Stake {
  readonly label: string;
  readonly address: HostPhysicalAddress;
  readonly bytes = PAGE_BYTES;
  readonly tag = undefined;
  readonly #mark: Uint8Array;
  #changed = 0;

  constructor(label: string, address: HostPhysicalAddress, mark: Uint8Array) {
    this.label = label;
    this.address = address;
    this.#mark = mark;
  }

  get changedBytes(): number {
    return this.#changed;
  }

  look(memory: PhysicalMemory): void {
    const now = new Uint8Array(this.bytes);
    memory.read(this.address, this.bytes, now, 0);
    let marked = 0;
    for (let at = indexOfTag(now, this.#mark, 0); at >= 0; at = indexOfTag(now, this.#mark, at + TAG_BYTES)) {
      marked += TAG_BYTES;
    }
    this.#changed = Math.max(this.#changed, marked);
  }
}

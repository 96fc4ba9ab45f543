import { ABORT, type HostPort } from '../../../nic/host-port.js';
import type { EventKernel } from '../../../scheduler/event-kernel.js';

/** One access of the device to memory. */
export interface Access {
  readonly requesterId: number;
  readonly address: number;
  readonly length: number;
  readonly write: boolean;
  readonly atNs: number;
}

/** A machine of nothing but flat memory, whose gate does what the test says. */
export class FlatHost implements HostPort {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly log: Access[] = [];
  /** What the access gate says no to. */
  refuses: (access: Access) => boolean = () => false;
  /** How long it and memory take, ns. */
  takesNs: (access: Access) => number = () => 50;
  /** What happens at the physical interrupt. */
  onRaise: () => void = () => {};
  raised = 0;
  /** What every read takes at least, ns. */
  leastReadNs = 0;
  readonly #kernel: EventKernel;

  constructor(kernel: EventKernel, bytes: number) {
    this.#kernel = kernel;
    this.bytes = new Uint8Array(bytes);
    this.view = new DataView(this.bytes.buffer);
  }

  read(
    requesterId: number,
    page: number,
    offset: number,
    length: number,
    target: Uint8Array,
    at: number,
  ): number {
    const address = page * 4096 + offset;
    const access = this.#note(requesterId, address, length, false);
    if (this.#denies(access)) {
      target.fill(0xff, at, at + length);
      return ABORT;
    }
    target.set(this.bytes.subarray(address, address + length), at);
    return this.takesNs(access);
  }

  write(
    requesterId: number,
    page: number,
    offset: number,
    length: number,
    source: Uint8Array,
    at: number,
  ): number {
    const address = page * 4096 + offset;
    const access = this.#note(requesterId, address, length, true);
    if (this.#denies(access)) return ABORT;
    this.bytes.set(source.subarray(at, at + length), address);
    return this.takesNs(access);
  }

  raise(): void {
    this.raised += 1;
    this.onRaise();
  }

  u32(address: number): number {
    return this.view.getUint32(address, true);
  }

  #denies(access: Access): boolean {
    return access.address + access.length > this.bytes.length || this.refuses(access);
  }

  #note(requesterId: number, address: number, length: number, write: boolean): Access {
    if (length < 1 || Math.floor(address / 4096) !== Math.floor((address + length - 1) / 4096))
      throw new Error(`an access of ${length} bytes at ${address} crosses a 4 KB boundary`);
    const access = { requesterId, address, length, write, atNs: this.#kernel.nowNs };
    this.log.push(access);
    return access;
  }
}

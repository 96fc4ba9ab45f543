import type { Subscription } from 'rxjs';
import type { OutputFile } from '../report/output-file.js';
import { PcapngWriter } from '../report/pcapng-writer.js';
import type { LiveMachine } from './live-machine.js';

/**
 * Writes what passes the card while guests come and go: an interface per guest, not per context, since contexts change
 * hands.
 */
export class LiveCapture {
  readonly path: string;
  readonly #writer: PcapngWriter;
  readonly #interfaces: readonly number[];
  readonly #others: number;
  readonly #subscription: Subscription;

  /** @param snapBytes bytes of each frame that are kept. @throws OutputFileError */
  constructor(path: string, machine: LiveMachine, snapBytes?: number) {
    this.path = path;
    this.#writer = new PcapngWriter(path);
    const { nic } = machine.host;
    const add = (name: string, description: string) =>
      this.#writer.addInterface({
        name,
        description,
        speedBps: nic.parameters.rateBps,
        ...(snapBytes === undefined ? {} : { snapBytes }),
      });
    this.#interfaces = machine.guests.map(({ name }) => add(name, 'a real guest'));
    this.#others = add('others', 'contexts of no real guest');
    this.#subscription = nic.streams.lentFrames$.subscribe(
      ({ direction, context, buffer, offset, length, endNs }) => {
        const guest = machine.guestOf(context);
        const at = guest === undefined ? this.#others : this.#interfaces[machine.guests.indexOf(guest)];
        const kept = Math.min(length, snapBytes ?? length);
        const notes = { direction: direction === 'transmit' ? 'out' : 'in' } as const;
        this.#writer.packet(at ?? this.#others, endNs, buffer, offset, length, notes, kept);
      },
    );
  }

  /** The file that it writes. */
  get file(): OutputFile {
    return this.#writer.file;
  }

  /** Frames written. */
  get frames(): number {
    return this.#writer.packets;
  }

  /** Completes the file. */
  close(): void {
    this.#subscription.unsubscribe();
    this.#writer.close();
  }

  /** Completes the file, not yet in its place. @throws OutputFileError */
  seal(): void {
    this.#subscription.unsubscribe();
    this.#writer.seal();
  }

  /** Leaves no file. */
  abort(): void {
    this.#subscription.unsubscribe();
    this.#writer.abort();
  }
}

import type { Subscription } from 'rxjs';
import { formatMac } from '../../guests/traffic/index.js';
import { present } from '../../scheduler/present.js';
import { expandGuests } from '../machine/expand-guests.js';
import { OutputFolder } from '../report/output-folder.js';
import { PcapngWriter } from '../report/pcapng-writer.js';
import { SealedFile } from '../report/sealed-file.js';
import type { Scenario } from '../scenario/schema.js';
import { MOST_DURATION_NS } from '../scenario/schema-values.js';
import type { LiveMachine } from './live-machine.js';

/** A frame that was sent, until the session is over: captures are in order of time. */
interface Kept {
  readonly atNs: number;
  readonly out: boolean;
  readonly bytes: Uint8Array;
}

const SCENARIO_FILE = 'scenario.json';

/**
 * Collects what each real guest sent, at the time at which its driver handed it over, and what it received, at the time at
 * which it arrived. As a capture per guest and a scenario that replays them, this is the session's load for any other
 * approach and discipline: the frames are the same, what becomes of them is not.
 */
export class SessionFrames {
  readonly #machine: LiveMachine;
  readonly #folder: OutputFolder;
  readonly #kept: readonly Kept[][];
  readonly #subscription: Subscription;

  /**
   * @param force whether files of other origin are written over
   * @throws OutputFileError when the folder cannot be made, or a file in it is of other origin
   */
  constructor(machine: LiveMachine, path: string, force: boolean) {
    this.#machine = machine;
    this.#folder = new OutputFolder(path, [...machine.guests.map(captureOf), SCENARIO_FILE], force);
    this.#kept = machine.guests.map(() => []);
    this.#subscription = machine.host.nic.streams.frames$.subscribe(
      ({ direction, context, bytes, startNs }) => {
        const guest = machine.guestOf(context);
        if (direction !== 'receive' || guest === undefined) return;
        this.#kept[machine.guests.indexOf(guest)]?.push({ atNs: startNs, out: false, bytes });
      },
    );
  }

  sent(guest: number, bytes: Uint8Array, offset: number, length: number, postedNs: number): void {
    this.#kept[guest]?.push({ atNs: postedNs, out: true, bytes: bytes.slice(offset, offset + length) });
  }

  /** Writes the captures and the scenario that replays them; returns its path. @throws OutputFileError */
  write(scenario: Scenario): string {
    this.#subscription.unsubscribe();
    const { path } = this.#folder;
    const writers: PcapngWriter[] = [];
    const sealed: SealedFile[] = [];
    try {
      for (const [index, guest] of this.#machine.guests.entries())
        writers.push(this.#capture(`${path}/${captureOf(guest)}`, guest.name, index));
      for (const writer of writers) writer.seal();
      for (const { file } of writers) sealed.push(new SealedFile(present(file.paths)));
      for (const file of sealed) file.commit();
      const text = `${JSON.stringify(this.#scenario(scenario), undefined, 2)}\n`;
      return present(this.#folder.write([{ name: SCENARIO_FILE, text }])[0]);
    } catch (error) {
      for (const file of sealed) file.withdraw();
      for (const writer of writers) writer.abort();
      this.abort();
      throw error;
    }
  }

  /** Leaves nothing, not even a folder that was made. */
  abort(): void {
    this.#subscription.unsubscribe();
    this.#folder.remove();
  }

  #framesOf(guest: number): Kept[] {
    return [...(this.#kept[guest] ?? [])].sort((left, right) => left.atNs - right.atNs);
  }

  #capture(path: string, name: string, guest: number): PcapngWriter {
    const writer = new PcapngWriter(path);
    const { rateBps } = this.#machine.host.nic.parameters;
    const iface = writer.addInterface({ name, speedBps: rateBps });
    for (const { atNs, out, bytes } of this.#framesOf(guest))
      writer.packet(iface, atNs, bytes, 0, bytes.length, { direction: out ? 'out' : 'in' });
    return writer;
  }

  /** Guests keep their places, so that each has the address and the core that it had. */
  #scenario(scenario: Scenario): Record<string, unknown> {
    const { machine, kernel } = this.#machine;
    const guests = expandGuests(scenario.guests).map(({ name, spec }) => {
      const index = machine.attached.findIndex((one) => one.name === name);
      if (index < 0) return { ...spec, name, count: 1 };
      const { attached: _attached, card: _card, traffic: _traffic, ...rest } = spec;
      const [first] = this.#framesOf(index);
      const local = formatMac(present(machine.attached[index]).mac);
      const traffic =
        first === undefined
          ? {}
          : {
              traffic: { kind: 'replay', capture: `${name}.pcapng`, local, startNs: Math.floor(first.atNs) },
            };
      return { ...rest, name, count: 1, ...traffic };
    });
    return {
      ...scenario,
      name: `${scenario.name ?? 'a session'}, replayed`.slice(0, 80),
      guests,
      // What is longer than a run may be is cut.
      durationNs: Math.min(MOST_DURATION_NS, Math.max(1, Math.floor(kernel.nowNs))),
    };
  }
}

function captureOf({ name }: { readonly name: string }): string {
  return `${name}.pcapng`;
}

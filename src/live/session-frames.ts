import { join } from 'node:path';
import type { Subscription } from 'rxjs';
import { PcapngWriter } from '../report/pcapng-writer.js';
import type { Scenario } from '../scenario/schema.js';
import type { LiveMachine } from './live-machine.js';

/** A frame that was sent, until the session is over: captures are in order of time. */
interface Kept {
  readonly atNs: number;
  readonly out: boolean;
  readonly bytes: Uint8Array;
}

/**
 * Collects what each real guest sent, at the time at which its driver handed it over, and what it received, at the time at
 * which it arrived. As a capture per guest and a scenario that replays them, this is the session's load for any other
 * approach and discipline: the frames are the same, what becomes of them is not.
 */
export class SessionFrames {
  readonly #machine: LiveMachine;
  readonly #kept: readonly Kept[][];
  readonly #subscription: Subscription;

  constructor(machine: LiveMachine) {
    this.#machine = machine;
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

  /** Writes the captures into a folder, and returns the scenario that replays them. @throws OutputFileError */
  write(folder: string, scenario: Scenario): Record<string, unknown> {
    this.#subscription.unsubscribe();
    const { machine } = this.#machine;
    const guests = machine.attached.map(({ name, spec, mac }, index) => {
      const capture = `${name}.pcapng`;
      const frames = [...(this.#kept[index] ?? [])].sort((left, right) => left.atNs - right.atNs);
      const writer = new PcapngWriter(join(folder, capture));
      const iface = writer.addInterface({ name, speedBps: machine.host.nic.parameters.rateBps });
      for (const { atNs, out, bytes } of frames)
        writer.packet(iface, atNs, bytes, 0, bytes.length, { direction: out ? 'out' : 'in' });
      writer.close();
      const { attached: _attached, card: _card, traffic: _traffic, ...rest } = spec;
      const local = mac.toString(16).padStart(12, '0').match(/../gu)?.join(':') ?? '';
      const [first] = frames;
      return first === undefined
        ? { ...rest, name, count: 1 }
        : {
            ...rest,
            name,
            count: 1,
            traffic: { kind: 'replay', capture, local, startNs: Math.floor(first.atNs) },
          };
    });
    const others = machine.guests.map(({ name, spec }) => ({ ...spec, name, count: 1 }));
    return {
      ...scenario,
      name: `${scenario.name ?? 'a session'}, replayed`.slice(0, 80),
      guests: [...guests, ...others],
      durationNs: Math.max(1, machine.kernel.nowNs),
    };
  }
}

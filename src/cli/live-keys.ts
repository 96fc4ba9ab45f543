import { MOST_WEIGHT } from '../../nic/management-page.js';
import { UserError } from '../../scheduler/errors.js';
import type { LiveServer } from '../live/server/live-server.js';

const CTRL_C = '\u0003';

/** The keys of `serve`, where a terminal is there to press them. */
export class LiveKeys {
  readonly #server: LiveServer;
  readonly #end: () => void;
  readonly #note: (line: string) => void;
  #chosen = 0;
  #listening = false;
  readonly #onData = (bytes: Buffer) => {
    for (const key of bytes.toString('latin1')) this.press(key);
  };

  constructor(server: LiveServer, does: { readonly end: () => void; readonly note: (line: string) => void }) {
    this.#server = server;
    this.#end = does.end;
    this.#note = does.note;
  }

  listen(): void {
    if (process.stdin.isTTY !== true) return;
    this.#listening = true;
    process.stdin.setRawMode(true);
    process.stdin.resume();
    process.stdin.on('data', this.#onData);
  }

  close(): void {
    if (!this.#listening) return;
    this.#listening = false;
    process.stdin.off('data', this.#onData);
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }

  /** What a key does. */
  press(key: string): void {
    const { guests } = this.#server.machine;
    if (key === 'q' || key === CTRL_C) this.#end();
    else if (key === 'c') this.#capture();
    else if (key >= '1' && key <= '9' && Number(key) <= guests.length) {
      this.#chosen = Number(key) - 1;
      this.#note(`${guests[this.#chosen]?.name}: + and - change its weight`);
    } else if (key === '+' || key === '-') {
      const guest = guests[this.#chosen];
      if (guest === undefined) return;
      const weight = guest.device.share.now.weight + (key === '+' ? 1 : -1);
      if (weight >= 1 && weight <= MOST_WEIGHT) this.#server.setWeight(this.#chosen, weight);
    }
  }

  /** A capture that cannot be written is no reason to end the session. */
  #capture(): void {
    try {
      const path = this.#server.toggleCapture();
      if (path !== undefined) this.#note(`capturing to ${path}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#note(error.message);
    }
  }
}

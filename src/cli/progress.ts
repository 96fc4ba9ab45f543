import type { CliIo } from './cli-io.js';
import { CLEAR_LINE } from './visible-text.js';

/** One line on stderr that is overwritten during a run and cleared afterwards. */
export class ProgressLine {
  readonly #io: CliIo;
  #shown = '';

  constructor(io: CliIo) {
    this.#io = io;
  }

  show(text: string): void {
    if (!this.#io.errIsTerminal || text === this.#shown) return;
    this.#shown = text;
    this.#io.err(`${CLEAR_LINE}${text.slice(0, this.#io.columns - 1)}`);
  }

  clear(): void {
    if (this.#shown === '') return;
    this.#shown = '';
    this.#io.err(CLEAR_LINE);
  }
}

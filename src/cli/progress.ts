import type { CliIo } from './cli-io.js';
import { CLEAR_LINE } from './visible-text.js';

/** Width of a terminal that does not say its own, as some that are emulated do. */
const DEFAULT_COLUMNS = 100;

function widthOf({ columns }: CliIo): number {
  return columns > 1 ? columns : DEFAULT_COLUMNS;
}

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
    this.#io.err(`${CLEAR_LINE}${text.slice(0, widthOf(this.#io) - 1)}`);
  }

  clear(): void {
    if (this.#shown === '') return;
    this.#shown = '';
    this.#io.err(CLEAR_LINE);
  }
}

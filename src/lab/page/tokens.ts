import type { EntryKind, JournalEntry } from '../journal.js';
import { readerNowMs } from './reader-clock.js';

/** A thing that moves from one place of the picture to another. */
export interface Token {
  readonly kind: EntryKind;
  readonly column: number;
  readonly page: number;
  readonly bytes: number;
  readonly direction: JournalEntry['direction'];
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** Tokens that move at once; more would be a blur. */
const MOST_TOKENS = 160;
/** How long one is on its way, ms. */
const TRAVEL_MS = 620;
/** How long a refusal is seen, ms. */
const REFUSAL_MS = 2600;
/** The lines of one report start within this time, in their order, ms. */
const SPREAD_MS = 60;

/** Frames that are kept of what left over the wire. */
const MOST_FRAMES = 60;

/** What moves on one picture now. */
export class Tokens {
  #tokens: Token[] = [];
  /** Frames that left last, for the strip of the wire. */
  readonly frames: { column: number; bytes: number }[] = [];
  /** Grows with every change of them. */
  framesVersion = 0;
  /** Lines of the journal, the newest last. */
  lines: readonly JournalEntry[] = [];
  /** How many there have been, with those that are not kept. */
  linesSoFar = 0;

  clear(): void {
    this.#tokens = [];
    this.frames.length = 0;
    this.framesVersion += 1;
    this.lines = [];
  }

  add(entries: readonly JournalEntry[]): void {
    if (entries.length === 0) return;
    this.lines = [...this.lines, ...entries].slice(-MOST_TOKENS);
    this.linesSoFar += entries.length;
    const nowMs = readerNowMs();
    for (const [index, entry] of entries.entries()) {
      const { kind, column, page, bytes, direction, text } = entry;
      if (kind === 'sent') {
        this.frames.push({ column, bytes });
        this.framesVersion += 1;
        if (this.frames.length > MOST_FRAMES) this.frames.shift();
      }
      const startMs = nowMs + (SPREAD_MS * index) / entries.length;
      const lastsMs = kind === 'denied' || kind === 'refused' || kind === 'fault' ? REFUSAL_MS : TRAVEL_MS;
      this.#tokens.push({ kind, column, page, bytes, direction, text, startMs, endMs: startMs + lastsMs });
    }
    if (this.#tokens.length > MOST_TOKENS) this.#tokens.splice(0, this.#tokens.length - MOST_TOKENS);
  }

  /** Those that are on their way. */
  at(nowMs: number): readonly Token[] {
    if (this.#tokens.length > 0 && this.#tokens.every(({ endMs }) => endMs < nowMs)) this.#tokens = [];
    return this.#tokens;
  }
}

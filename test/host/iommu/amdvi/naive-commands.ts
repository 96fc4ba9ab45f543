/** What the unit of these tests is told to need for each step, ns. */
export const TIMES = { fetch: 50, sink: 100, status: 10, entries: 30 } as const;

/** What software sees of the unit. */
export interface CommandState {
  readonly head: bigint;
  readonly status: bigint;
  readonly eventTail: bigint;
}

interface Step {
  readonly atNs: number;
  readonly act: () => void;
}

const [OVERFLOW, LOG_INT, WAIT_INT, LOG_RUN, CMD_RUN] = [1, 2, 4, 8, 16];
/** CONTROL.InvTimeOut, ms; the others never end. */
const TIME_OUTS_MS = [undefined, 1, 10, 100, 1000, 10_000];
const LOG_BYTES = 4096;

/**
 * Command buffer and event log as chapters 2.4 and 2.5 of AMD's specification (48882) describe them, written from it
 * alone: 128-bit numbers, one step after another, nothing kept for speed.
 */
export class NaiveCommands {
  readonly calls: string[] = [];
  readonly raised: string[] = [];
  /** Words of 64 bits that COMPLETION_WAIT stored, and those of the event log. */
  readonly stored = new Map<number, bigint>();
  readonly #word: (at: number) => bigint | undefined;
  readonly #isMemory: (at: number) => boolean;
  readonly #silent: ReadonlySet<number>;
  readonly #logBase: number;
  #nowNs = 0;
  #step: Step | undefined;
  #isBusy = false;
  #base = 0;
  #bytes = 4096;
  #head = 0;
  #tail = 0;
  #eventHead = 0;
  #eventTail = 0;
  #status = 0;
  #control = 0;

  constructor(
    word: (at: number) => bigint | undefined,
    isMemory: (at: number) => boolean,
    silent: ReadonlySet<number>,
    logBase: number,
  ) {
    this.#word = word;
    this.#isMemory = isMemory;
    this.#silent = silent;
    this.#logBase = logBase;
  }

  get state(): CommandState {
    return {
      head: BigInt(this.#head),
      status: BigInt(this.#status),
      eventTail: BigInt(this.#eventTail),
    };
  }

  run(untilNs: number): void {
    for (let step = this.#step; step !== undefined && step.atNs <= untilNs; step = this.#step) {
      this.#nowNs = step.atNs;
      this.#step = undefined;
      step.act();
    }
    this.#nowNs = untilNs;
  }

  writeControl(written: number): void {
    const control = (written & 1) === 0 ? 0 : written;
    const changed = control ^ this.#control;
    this.#control = control;
    if ((changed & 1) !== 0) this.calls.push('context global 0 0 0', 'iotlb global 0 0 0 all');
    if ((changed & 4) !== 0) {
      const runs = (control & 4) !== 0 && (this.#status & OVERFLOW) === 0;
      this.#status = runs ? this.#status | LOG_RUN : this.#status & ~LOG_RUN;
    }
    if ((changed & 0x1000) === 0) return;
    if ((control & 0x1000) !== 0) {
      this.#status |= CMD_RUN;
      this.#go();
    } else {
      this.#status &= ~CMD_RUN;
      this.#step = undefined;
      this.#isBusy = false;
    }
  }

  writeBase(base: number, log2: number): void {
    this.#base = base;
    this.#bytes = 16 * 2 ** Math.max(8, log2);
    this.#head = 0;
    this.#tail = 0;
  }

  writeHead(value: number): void {
    this.#head = value & 0x7_fff0;
  }

  writeTail(value: number): void {
    this.#tail = value & 0x7_fff0;
    this.#go();
  }

  writeEventHead(value: number): void {
    this.#eventHead = value & 0x7_fff0;
  }

  clearStatus(bits: number): void {
    this.#status &= ~(bits & 7);
  }

  #go(): void {
    if ((this.#status & CMD_RUN) === 0 || this.#isBusy || this.#head === this.#tail) return;
    if (this.#head >= this.#bytes || this.#tail >= this.#bytes) {
      this.#stop(6, this.#base + this.#tail);
      return;
    }
    this.#isBusy = true;
    this.#later(TIMES.fetch, () => this.#fetched());
  }

  #later(ns: number, act: () => void): void {
    this.#step = { atNs: this.#nowNs + ns, act };
  }

  #stop(code: number, at: number): void {
    this.#isBusy = false;
    this.#status &= ~CMD_RUN;
    this.#log(code, 0, at);
  }

  #fetched(): void {
    const at = this.#base + this.#head;
    if (this.#head >= this.#bytes) this.#stop(6, at);
    else {
      const command = this.#word(at);
      if (command === undefined) this.#stop(6, at);
      else if (!this.#perform(command, at)) this.#stop(5, at);
    }
  }

  /** False for a command that there is not. */
  #perform(command: bigint, at: number): boolean {
    const bits = (high: number, low: number) =>
      (command >> BigInt(low)) & (2n ** BigInt(high - low + 1) - 1n);
    const isZero = (...ranges: [number, number][]) => ranges.every(([high, low]) => bits(high, low) === 0n);
    const device = Number(bits(15, 0));
    const end = (ns: number) => this.#later(ns, () => this.#done());
    switch (bits(63, 60)) {
      case 1n: {
        if (!isZero([59, 52])) return false;
        const store = Number(bits(51, 3) << 3n);
        const stores = bits(0, 0) === 1n;
        if (stores && !this.#isMemory(store)) return false;
        this.#later(stores ? TIMES.status : 0, () => {
          if (stores) this.stored.set(store, bits(127, 64));
          if (bits(1, 1) === 1n) {
            if ((this.#status & WAIT_INT) === 0 && (this.#control & 16) !== 0)
              this.raised.push('invalidation');
            this.#status |= WAIT_INT;
          }
          this.#done();
        });
        return true;
      }
      case 2n:
        if (!isZero([59, 16], [127, 64])) return false;
        this.calls.push(`context device 0 ${device.toString(16)} 0`);
        end(TIMES.sink);
        return true;
      case 3n: {
        if (!isZero([31, 20], [59, 48], [75, 67])) return false;
        const size = sizeOf(bits(127, 64));
        const keep = bits(65, 65) === 0n ? 'leaf' : 'all';
        const first = size === undefined ? 0n : (bits(127, 64) >> size) << size;
        this.calls.push(
          size === undefined
            ? `iotlb domain ${bits(47, 32)} 0 0 ${keep}`
            : `iotlb page ${bits(47, 32)} ${first.toString(16)} ${2n ** (size - 12n)} ${keep}`,
        );
        end(TIMES.sink);
        return true;
      }
      case 4n: {
        if (!isZero([65, 65], [75, 68])) return false;
        const size = sizeOf(bits(127, 64));
        const first = size === undefined ? 0n : (bits(127, 64) >> size) << size;
        const pages = size === undefined ? 'Infinity' : 2n ** (size - 12n);
        this.calls.push(`device ${device.toString(16)} ${first.toString(16)} ${pages}`);
        if (!this.#silent.has(device)) end(TIMES.sink);
        else {
          const ms = TIME_OUTS_MS[(this.#control >> 5) & 7];
          if (ms === undefined) return true;
          this.#later(ms * 1e6, () => {
            this.#log(7, device, at);
            this.#done();
          });
        }
        return true;
      }
      case 5n:
        if (!isZero([59, 16], [127, 64])) return false;
        end(TIMES.entries);
        return true;
      case 8n:
        if (!isZero([59, 0], [127, 64])) return false;
        this.calls.push('context global 0 0 0', 'iotlb global 0 0 0 all');
        end(2 * TIMES.sink);
        return true;
      default:
        return false;
    }
  }

  #done(): void {
    const next = this.#head + 16;
    this.#head = next === this.#bytes ? 0 : next;
    this.#isBusy = false;
    this.#go();
  }

  #log(code: number, device: number, address: number): void {
    if ((this.#status & LOG_RUN) === 0) return;
    const next = (this.#eventTail + 16) % LOG_BYTES;
    const mayInterrupt = (this.#control & 8) !== 0;
    if (next === this.#eventHead) {
      this.#status = (this.#status & ~LOG_RUN) | OVERFLOW;
      if (mayInterrupt) this.raised.push('fault');
      return;
    }
    const at = this.#logBase + this.#eventTail;
    this.stored.set(at, BigInt(device) | (BigInt(code) << 60n));
    this.stored.set(at + 8, BigInt(address));
    this.#eventTail = next;
    if (mayInterrupt && (this.#status & LOG_INT) === 0) this.raised.push('fault');
    this.#status |= LOG_INT;
  }
}

/** Log2 of a range (2.4.3): with S the lowest zero from bit 12 up is the top bit of the offset; undefined for everything. */
function sizeOf(words: bigint): bigint | undefined {
  if ((words & 1n) === 0n) return 12n;
  for (let bit = 12n; bit < 63n; bit += 1n) if ((words & (1n << bit)) === 0n) return bit + 1n;
  return undefined;
}

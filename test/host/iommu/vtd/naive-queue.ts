/** What the queue of these tests is told to need for each step, ns. */
export const TIMES = { fetch: 50, sink: 100, status: 10, entries: 30, silence: 5000 } as const;

/** What software sees of the queue. */
export interface QueueState {
  readonly iqh: bigint;
  readonly fsts: number;
  readonly ics: number;
  readonly iqer: bigint;
  readonly fectl: number;
  readonly iectl: number;
  readonly enabled: boolean;
}

interface Step {
  readonly atNs: number;
  readonly act: () => void;
}

const [IQE, ITE] = [0x10, 0x40];
const MASKED = 0x8000_0000;
const PENDING = 0x4000_0000;
const MAMV = 18n;

/**
 * The invalidation queue as chapter 6.5.2 of the VT-d specification describes it, written from it alone: 128-bit numbers,
 * one step after another, nothing kept for speed.
 */
export class NaiveQueue {
  readonly calls: string[] = [];
  readonly raised: string[] = [];
  /** Status words that were written. */
  readonly status = new Map<number, number>();
  readonly #word: (at: number) => bigint | undefined;
  readonly #silent: ReadonlySet<number>;
  readonly #isMemory: (at: number) => boolean;
  #nowNs = 0;
  #step: Step | undefined;
  #head = 0;
  #tail = 0;
  #iqa = 0n;
  #base = 0;
  #bytes = 0;
  #fsts = 0;
  #ics = 0;
  #iqer = 0n;
  #fectl = MASKED;
  #iectl = MASKED;
  #enabled = false;

  /** @param word the 128 bits at an address; undefined where there is no memory */
  constructor(
    word: (at: number) => bigint | undefined,
    isMemory: (at: number) => boolean,
    silent: ReadonlySet<number>,
  ) {
    this.#word = word;
    this.#isMemory = isMemory;
    this.#silent = silent;
  }

  get state(): QueueState {
    return {
      iqh: BigInt(this.#head),
      fsts: this.#fsts,
      ics: this.#ics,
      iqer: this.#iqer,
      fectl: this.#fectl,
      iectl: this.#iectl,
      enabled: this.#enabled,
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

  writeTail(value: number): void {
    this.#tail = value & 0x7_fff0;
    this.#go();
  }

  writeBase(value: bigint): void {
    this.#iqa = value;
  }

  enable(on: boolean): void {
    if (on === this.#enabled) return;
    this.#enabled = on;
    if (!on) {
      this.#step = undefined;
      return;
    }
    this.#head = 0;
    this.#base = Number(this.#iqa & 0xf_ffff_ffff_f000n);
    this.#bytes = 4096 * 2 ** Number(this.#iqa & 7n);
    this.#go();
  }

  clearStatus(bits: number): void {
    this.#fsts &= ~(bits & 0x71);
    if (this.#fsts === 0) this.#fectl = (this.#fectl & ~PENDING) >>> 0;
    this.#go();
  }

  acknowledge(): void {
    this.#ics = 0;
    this.#iectl = (this.#iectl & ~PENDING) >>> 0;
  }

  mask(which: 'fault' | 'invalidation', masked: boolean): void {
    const control = which === 'fault' ? this.#fectl : this.#iectl;
    const isDue = !masked && (control & PENDING) !== 0;
    this.#control(which, ((masked ? MASKED : 0) | (isDue ? 0 : control & PENDING)) >>> 0);
    if (isDue) this.raised.push(which);
  }

  #control(which: 'fault' | 'invalidation', value: number): void {
    if (which === 'fault') this.#fectl = value;
    else this.#iectl = value;
  }

  #signal(which: 'fault' | 'invalidation'): void {
    const control = which === 'fault' ? this.#fectl : this.#iectl;
    if ((control & MASKED) === 0) this.raised.push(which);
    else this.#control(which, (control | PENDING) >>> 0);
  }

  #error(bit: number, iqer: bigint): void {
    const isFirst = this.#fsts === 0;
    this.#fsts |= bit;
    this.#iqer = iqer;
    if (isFirst) this.#signal('fault');
  }

  #go(): void {
    const stands = !this.#enabled || (this.#fsts & (IQE | ITE)) !== 0 || this.#step !== undefined;
    if (stands || this.#head === this.#tail) return;
    if (this.#head >= this.#bytes || this.#tail >= this.#bytes) this.#error(IQE, 1n);
    else this.#later(TIMES.fetch, () => this.#fetched());
  }

  #later(ns: number, act: () => void): void {
    this.#step = { atNs: this.#nowNs + ns, act };
  }

  #fetched(): void {
    const descriptor = this.#word(this.#base + this.#head);
    if (descriptor === undefined) {
      this.#error(IQE, 2n);
      return;
    }
    const refusal = this.#perform(descriptor);
    if (refusal !== 0n) this.#error(IQE, refusal);
  }

  /** Carries it out, and says why not: the code of IQER.IQEI, or 0. */
  #perform(d: bigint): bigint {
    const bits = (high: number, low: number) => (d >> BigInt(low)) & (2n ** BigInt(high - low + 1) - 1n);
    const isZero = (...ranges: [number, number][]) => ranges.every(([high, low]) => bits(high, low) === 0n);
    const granularity = bits(5, 4);
    switch (bits(3, 0)) {
      case 1n: {
        if (!isZero([15, 6], [63, 50], [127, 64]) || granularity === 0n) return 4n;
        const name = ['', 'global', 'domain', 'device'][Number(granularity)];
        this.#sink(`context ${name} ${bits(31, 16)} ${bits(47, 32).toString(16)} ${bits(49, 48)}`);
        return 0n;
      }
      case 2n: {
        if (!isZero([15, 8], [63, 32], [75, 71]) || granularity === 0n) return 4n;
        const mask = bits(69, 64);
        if (granularity === 3n && mask > MAMV) return 4n;
        const first = (bits(127, 76) >> mask) << mask;
        const range = `${(first << 12n).toString(16)} ${2n ** mask} ${bits(70, 70) === 1n ? 'leaf' : 'all'}`;
        this.#sink(
          granularity === 1n
            ? 'iotlb global 0 0 0 all'
            : granularity === 2n
              ? `iotlb domain ${bits(31, 16)} 0 0 all`
              : `iotlb page ${bits(31, 16)} ${range}`,
        );
        return 0n;
      }
      case 3n: {
        if (!isZero([15, 4], [31, 21], [63, 48], [75, 65])) return 4n;
        const device = Number(bits(47, 32));
        this.calls.push(`device ${device.toString(16)} ${rangeOf(bits(127, 64))}`);
        if (this.#silent.has(device)) this.#later(TIMES.silence, () => this.#timedOut(device));
        else this.#later(TIMES.sink, () => this.#done());
        return 0n;
      }
      case 4n:
        if (!isZero([26, 5], [63, 48], [127, 64])) return 4n;
        this.#later(TIMES.entries, () => this.#done());
        return 0n;
      case 5n: {
        if (!isZero([31, 7], [65, 64])) return 4n;
        const at = Number(bits(127, 66) << 2n);
        const writes = bits(5, 5) === 1n;
        if (writes && !this.#isMemory(at)) return 4n;
        this.#later(writes ? TIMES.status : 0, () => {
          if (writes) this.status.set(at, Number(bits(63, 32)));
          if (bits(4, 4) === 1n && this.#ics === 0) {
            this.#ics = 1;
            this.#signal('invalidation');
          }
          this.#done();
        });
        return 0n;
      }
      default:
        return 3n;
    }
  }

  #sink(call: string): void {
    this.calls.push(call);
    this.#later(TIMES.sink, () => this.#done());
  }

  #done(): void {
    this.#head = (this.#head + 16) % this.#bytes;
    this.#go();
  }

  /** The head passes the request, and the waits behind it up to the tail: they are aborted. */
  #timedOut(device: number): void {
    const from = this.#head;
    for (let passed = 0; passed * 16 < this.#bytes; passed += 1) {
      this.#head = (this.#head + 16) % this.#bytes;
      if (this.#head === this.#tail || this.#head === from) break;
      const next = this.#word(this.#base + this.#head);
      if (next === undefined || (next & 0xfn) !== 5n) break;
    }
    this.#error(ITE, BigInt(device) << 32n);
  }
}

/** Address and pages of a device-TLB range (PCIe ATS, 4.1.2): with S the lowest zero from bit 12 up is the size's half. */
function rangeOf(high: bigint): string {
  const address = (high >> 12n) << 12n;
  if ((high & 1n) === 0n) return `${address.toString(16)} 1`;
  for (let bit = 12n; bit < 63n; bit += 1n) {
    if ((address & (1n << bit)) !== 0n) continue;
    return `${((address >> (bit + 1n)) << (bit + 1n)).toString(16)} ${2n ** (bit - 11n)}`;
  }
  return '0 Infinity';
}

import { writePayload } from '../../guests/traffic/frame-format.js';
import { COSTS } from '../../host/cpu/costs.js';

/**
 * The model version that the reference represents: its rows say so where the emulator has gone on, and it is held to
 * the emulator where the two are the same.
 */
export const FLAT_MODEL_VERSION: number = 2;

/** What the reference is built for. */
export interface FlatOptions {
  readonly protection: 'cdna';
  readonly contexts: number;
  readonly frameBytes: number;
  /** Called for each frame when its last bit has left; `bytes` is borrowed. */
  readonly tap?: (bytes: Uint8Array, offset: number, length: number, context: number, endNs: number) => void;
}

export interface FlatMachine {
  /** Runs until so many more frames were delivered; returns the actual number. */
  deliver(frames: number): number;
  readonly deliveredBytes: number;
  readonly wireBusyNs: number;
  /** Events that have run. */
  readonly executed: number;
  readonly nowNs: number;
}

const PAGE = 4096;
const BUFFER = 2048;
const TX_SLOTS = 64;
const RX_SLOTS = 16;
const CACHE = 64;
const BATCH = 16;
const CORES = 16;
const STEP_NS = 100_000;

// Pages of a context in RAM: transmit ring, receive ring, status block, transmit buffers, receive buffers.
const BUFFERS_AT = 3 * PAGE;
const CONTEXT_BYTES = BUFFERS_AT + (TX_SLOTS + RX_SLOTS) * BUFFER;

// Events.
const DECIDE = 0;
const ARRIVE = 1;
const FINISH = 2;
const DEPART = 3;
const CPU = 4;
const REGISTER = 5;
const DECODE = 6;
const COALESCED = 7;
const GAP_OVER = 8;
const RELEASE_DUE = 9;

// What a DMA transfer is for.
const PAYLOAD = 0;
const FETCH_TX = 1;
const FETCH_RX = 2;
const STATUS = 3;
const VECTOR = 4;

// Work on a CPU.
const TRANSMIT_WORK = 0;
const POLL_WORK = 1;
const INTERRUPT_WORK = 2;

// Mailboxes, as bits and as what a register event carries.
const TX_PRODUCER = 1;
const RX_PRODUCER = 2;
const MASK = 4;
const COALESCE = 8;
const VECTOR_CONSUMER = 16;

/**
 * A machine that does the work of the emulator's greedy machine with nothing between the steps: the same events at
 * the same virtual times, the same bytes moved through guest memory, rings, FIFO and wire, in one function over
 * 32-bit columns. It has no fault paths, no receive traffic and no streams, and serves for speed only: it is the
 * denominator of the bench. A test checks that its frames and their times equal those of the emulator.
 */
export function makeFlatMachine({ contexts: N, frameBytes: LEN, tap }: FlatOptions): FlatMachine {
  const vectorBytes = 2 ** Math.ceil(Math.log2(Math.ceil((N + 1) / 32) * 4));
  const vectorWords = vectorBytes >>> 2;
  const vectorRing = N * CONTEXT_BYTES;
  const ramBytes = vectorRing + Math.ceil((64 + 64 * vectorBytes) / PAGE) * PAGE;
  const ram = new Uint8Array(ramBytes);
  const ramWords = new Int32Array(ram.buffer);
  const owner = new Int32Array(ramBytes / PAGE).fill(-1);
  const pins = new Int32Array(ramBytes / PAGE);
  for (let c = 0; c < N; c += 1)
    owner.fill(c, (c * CONTEXT_BYTES + BUFFERS_AT) / PAGE, ((c + 1) * CONTEXT_BYTES) / PAGE);
  const bufferViews: Uint8Array[] = [];
  for (let c = 0; c < N; c += 1)
    for (let s = 0; s < TX_SLOTS; s += 1) {
      const at = c * CONTEXT_BYTES + BUFFERS_AT + s * BUFFER;
      bufferViews.push(ram.subarray(at, at + LEN));
    }

  // ---- Events: buckets of 1 ns for the next 1,024, a heap beyond. A record: next, handler, a, b.
  const NEAR = 1024;
  const near = new Int32Array(NEAR * 2).fill(-1);
  const bits = new Int32Array(NEAR / 32);
  const events = 2 ** Math.ceil(Math.log2(N * 8 + 4096));
  const record = new Int32Array(events * 4);
  let free = -1;
  for (let s = events - 1; s >= 0; s -= 1) {
    record[s * 4] = free;
    free = s;
  }
  const heap = new Int32Array(events);
  const heapNs = new Float64Array(events);
  const heapOrder = new Float64Array(events);
  let heapSize = 0;
  let order = 0;
  let farNs = Number.POSITIVE_INFINITY;
  let now = 0;
  let nearCount = 0;
  let executed = 0;

  function before(x: number, y: number): boolean {
    const tx = heapNs[x] ?? 0;
    const ty = heapNs[y] ?? 0;
    return tx < ty || (tx === ty && (heapOrder[x] ?? 0) < (heapOrder[y] ?? 0));
  }
  function post(delay: number, handler: number, a: number, b: number): void {
    const s = free;
    const o = s << 2;
    free = record[o] ?? -1;
    record[o + 1] = handler;
    record[o + 2] = a;
    record[o + 3] = b;
    if (delay < NEAR) append(s, (now + delay) & (NEAR - 1));
    else {
      heapNs[s] = now + delay;
      heapOrder[s] = order;
      order += 1;
      let at = heapSize;
      heapSize += 1;
      while (at > 0 && before(s, heap[(at - 1) >> 1] ?? 0)) {
        heap[at] = heap[(at - 1) >> 1] ?? 0;
        at = (at - 1) >> 1;
      }
      heap[at] = s;
      if (now + delay < farNs) farNs = now + delay;
    }
  }
  function append(s: number, bucket: number): void {
    record[s << 2] = -1;
    const last = near[(bucket << 1) + 1] ?? -1;
    near[(bucket << 1) + 1] = s;
    nearCount += 1;
    if (last >= 0) record[last << 2] = s;
    else {
      near[bucket << 1] = s;
      bits[bucket >> 5] = (bits[bucket >> 5] ?? 0) | (1 << (bucket & 31));
    }
  }
  function pullFar(): void {
    while (heapSize > 0) {
      const s = heap[0] ?? 0;
      if ((heapNs[s] ?? 0) >= now + NEAR) break;
      heapSize -= 1;
      const moved = heap[heapSize] ?? 0;
      let at = 0;
      for (;;) {
        let child = at * 2 + 1;
        if (child >= heapSize) break;
        if (child + 1 < heapSize && before(heap[child + 1] ?? 0, heap[child] ?? 0)) child += 1;
        if (!before(heap[child] ?? 0, moved)) break;
        heap[at] = heap[child] ?? 0;
        at = child;
      }
      heap[at] = moved;
      append(s, (heapNs[s] ?? 0) & (NEAR - 1));
    }
    farNs = heapSize > 0 ? (heapNs[heap[0] ?? 0] ?? 0) : Number.POSITIVE_INFINITY;
  }
  function run(untilNs: number): void {
    for (;;) {
      let bucket = now & (NEAR - 1);
      let s = near[bucket << 1] ?? -1;
      if (s < 0) {
        if (nearCount === 0) {
          if (farNs > untilNs) break;
          now = farNs;
          pullFar();
          continue;
        }
        let word = bucket >> 5;
        let found = (bits[word] ?? 0) & (-1 << (bucket & 31));
        while (found === 0) {
          word = (word + 1) & (NEAR / 32 - 1);
          found = bits[word] ?? 0;
        }
        const next = (word << 5) | (31 - Math.clz32(found & -found));
        const at = now + ((next - bucket) & (NEAR - 1));
        if (at > untilNs) break;
        now = at;
        if (farNs < now + NEAR) pullFar();
        bucket = next;
        s = near[bucket << 1] ?? -1;
      }
      const o = s << 2;
      const next = record[o] ?? -1;
      near[bucket << 1] = next;
      if (next < 0) {
        near[(bucket << 1) + 1] = -1;
        bits[bucket >> 5] = (bits[bucket >> 5] ?? 0) & ~(1 << (bucket & 31));
      }
      nearCount -= 1;
      const a = record[o + 2] ?? 0;
      const b = record[o + 3] ?? 0;
      record[o] = free;
      free = s;
      executed += 1;
      switch (record[o + 1]) {
        case DECIDE:
          onDecide();
          break;
        case ARRIVE:
          onArrive(a);
          break;
        case FINISH:
          onFinish(a);
          break;
        case DEPART:
          onDepart(a);
          break;
        case CPU:
          onCpu(a);
          break;
        case REGISTER:
          onRegister(a, b);
          break;
        case DECODE:
          onDecode();
          break;
        case COALESCED:
          onCoalesced(a, b);
          break;
        case GAP_OVER:
          gapWaiting = false;
          sendVector();
          break;
        default:
          cpuPostHypervisor(a + 1);
      }
    }
    now = untilNs;
    if (farNs < now + NEAR) pullFar();
  }

  // ---- Serial lines: free at, remainder. PCIe 5.0 x16 both ways, and 100 Gb/s.
  const lines = new Float64Array(6);
  const pcieBps = Math.floor(32e9 * 16 * (128 / 130) * 0.9193);
  const pcieDivisor = gcd(8e9, pcieBps);
  const PCIE_NUMERATOR = 8e9 / pcieDivisor;
  const PCIE_DENOMINATOR = pcieBps / pcieDivisor;
  function carryPcie(line: number, bytes: number, fromNs: number): number {
    let freeNs = lines[line] ?? 0;
    let rest = lines[line + 1] ?? 0;
    if (fromNs > (rest > 0 ? freeNs + 1 : freeNs)) {
      freeNs = fromNs;
      rest = 0;
    }
    const total = bytes * PCIE_NUMERATOR + rest;
    const whole = Math.floor(total / PCIE_DENOMINATOR);
    freeNs += whole;
    rest = total - whole * PCIE_DENOMINATOR;
    lines[line] = freeNs;
    lines[line + 1] = rest;
    return rest > 0 ? freeNs + 1 : freeNs;
  }
  /** 100 Gb/s: 2 ns for 25 bytes. */
  function carryWire(bytes: number): number {
    let freeNs = lines[4] ?? 0;
    let rest = lines[5] ?? 0;
    if (now > (rest > 0 ? freeNs + 1 : freeNs)) {
      freeNs = now;
      rest = 0;
    }
    const total = bytes * 2 + rest;
    const whole = Math.floor(total / 25);
    freeNs += whole;
    rest = total - whole * 25;
    lines[4] = freeNs;
    lines[5] = rest;
    return rest > 0 ? freeNs + 1 : freeNs;
  }

  // ---- DMA: next, kind, cookie, context, address, length, offset in the card.
  const MAX_IN_FLIGHT = 64;
  const slots = 2 ** Math.ceil(Math.log2(N * 3 + 1024));
  const D = new Int32Array(slots * 8);
  let freeDma = -1;
  for (let s = slots - 1; s >= 0; s -= 1) {
    D[s * 8] = freeDma;
    freeDma = s;
  }
  let readsInFlight = 0;
  let writesInFlight = 0;
  let readHead = -1;
  let readTail = -1;
  let writeHead = -1;
  let writeTail = -1;
  function dma(
    kind: number,
    cookie: number,
    context: number,
    address: number,
    length: number,
    offset: number,
  ): void {
    const s = freeDma;
    const o = s << 3;
    freeDma = D[o] ?? -1;
    D[o] = -1;
    D[o + 1] = kind;
    D[o + 2] = cookie;
    D[o + 3] = context;
    D[o + 4] = address;
    D[o + 5] = length;
    D[o + 6] = offset;
    if (kind <= FETCH_RX) {
      if (readsInFlight < MAX_IN_FLIGHT) startRead(s);
      else {
        if (readTail < 0) readHead = s;
        else D[readTail << 3] = s;
        readTail = s;
      }
    } else if (writesInFlight < MAX_IN_FLIGHT) startWrite(s);
    else {
      if (writeTail < 0) writeHead = s;
      else D[writeTail << 3] = s;
      writeTail = s;
    }
  }
  function startRead(s: number): void {
    readsInFlight += 1;
    const o = s << 3;
    const requests = ((((D[o + 4] ?? 0) & 511) + (D[o + 5] ?? 0) + 511) >> 9) * 24;
    post(carryPcie(0, requests, now) + 150 - now, ARRIVE, s, 0);
  }
  function startWrite(s: number): void {
    writesInFlight += 1;
    const length = D[(s << 3) + 5] ?? 0;
    const bytes = ((length + 255) >> 8) * 24 + length;
    post(carryPcie(0, bytes, now) + 150 - now, ARRIVE, s, 0);
  }
  function onArrive(s: number): void {
    const o = s << 3;
    const kind = D[o + 1] ?? 0;
    const address = D[o + 4] ?? 0;
    const length = D[o + 5] ?? 0;
    const offset = D[o + 6] ?? 0;
    if (address < 0 || address + length > ramBytes) throw new Error('beyond memory');
    if (kind === PAYLOAD) {
      const view = bufferViews[(D[o + 3] ?? 0) * TX_SLOTS + (((address - BUFFERS_AT) % CONTEXT_BYTES) >> 11)];
      if (view !== undefined) fifo.set(view, offset);
    } else if (kind <= FETCH_RX) {
      const words = length >> 2;
      const from = address >> 2;
      for (let i = 0; i < words; i += 1) fetched[offset + i] = ramWords[from + i] ?? 0;
    } else {
      if (kind === STATUS) {
        const c = D[o + 2] ?? 0;
        ramWords[address >> 2] = statusOut[c * 2] ?? 0;
        ramWords[(address >> 2) + 1] = statusOut[c * 2 + 1] ?? 0;
      } else if (D[o + 2] === 1) ramWords[address >> 2] = vectorProducer;
      else for (let i = 0; i < vectorWords; i += 1) ramWords[(address >> 2) + i] = staged[i] ?? 0;
      onFinish(s);
      return;
    }
    let packets = 0;
    let left = length;
    let at = address & 511;
    while (left > 0) {
      const asked = Math.min(left, 512 - at);
      const lost = asked <= 256 ? 0 : at & 63;
      packets += (lost + asked + 255) >> 8;
      left -= asked;
      at = 0;
    }
    post(carryPcie(2, packets * 20 + length, now + 120) + 150 - now, FINISH, s, 0);
  }
  function onFinish(s: number): void {
    const o = s << 3;
    const kind = D[o + 1] ?? 0;
    const cookie = D[o + 2] ?? 0;
    D[o] = freeDma;
    freeDma = s;
    if (kind <= FETCH_RX) {
      readsInFlight -= 1;
      if (readHead >= 0) {
        const waiting = readHead;
        readHead = D[waiting << 3] ?? -1;
        if (readHead < 0) readTail = -1;
        startRead(waiting);
      }
    } else {
      writesInFlight -= 1;
      if (writeHead >= 0) {
        const waiting = writeHead;
        writeHead = D[waiting << 3] ?? -1;
        if (writeHead < 0) writeTail = -1;
        startWrite(waiting);
      }
    }
    if (kind === PAYLOAD) onRead(cookie);
    else if (kind === FETCH_TX) onFetched(cookie);
    else if (kind === FETCH_RX) onFetchedReceive(cookie);
    else if (kind === STATUS) onStatus(cookie);
    else onVector();
  }

  // ---- The card's context, 24 columns.
  const CTX = 32;
  const PRODUCER = 0;
  const REQUESTED = 1;
  const FETCHED = 2;
  const TAKEN = 3;
  const CONSUMER = 4;
  const SEQUENCE = 5;
  const UNDER_WAY = 6;
  const FETCHING = 7;
  const HEAD = 8;
  const CHAIN = 9;
  const PENDING = 10;
  const TIMER = 11; // generation of the timer that runs; even while none does
  const WRITING = 12;
  const UNTOLD = 13;
  const MASKED = 14;
  const EVENTS = 15;
  const BOX = 16;
  const BACKLOGGED = 17;
  const NEXT = 18;
  const DEFICIT = 19;
  const ROSTER = 20;
  const COALESCE_FRAMES = 21;
  const COALESCE_NS = 22;
  const TAIL = 23;
  const RX_BOX = 24;
  const RX_PRODUCED = 25;
  const RX_SEQUENCE = 26;
  const R = new Int32Array(N * CTX);
  for (let c = 0; c < N; c += 1) {
    R[c * CTX + SEQUENCE] = 1;
    R[c * CTX + RX_SEQUENCE] = 1;
    R[c * CTX + COALESCE_FRAMES] = 8;
    R[c * CTX + COALESCE_NS] = 20_000;
  }
  const cache = new Int32Array(N * CACHE * 4);
  const fetched = new Int32Array(N * 2 * BATCH * 4);
  const fetchedReceive = new Int32Array(N * BATCH);
  const statusOut = new Int32Array(N * 2);
  const counters = new Float64Array(N * 8);

  function consider(c: number): void {
    const r = c * CTX;
    if (R[r + UNDER_WAY] === 1) return;
    const requested = R[r + REQUESTED] ?? 0;
    const posted = ((R[r + PRODUCER] ?? 0) - requested) | 0;
    const room = CACHE - ((requested - (R[r + CONSUMER] ?? 0)) | 0);
    const untilEnd = TX_SLOTS - (requested & (TX_SLOTS - 1));
    const count = Math.min(posted, room, untilEnd, BATCH);
    if (count <= 0) return;
    const enough = (((R[r + FETCHED] ?? 0) - (R[r + TAKEN] ?? 0)) | 0) >= BATCH && R[r + HEAD] !== 0;
    if (count < BATCH && count < untilEnd && enough) return;
    R[r + FETCHING] = count;
    R[r + UNDER_WAY] = 1;
    R[r + REQUESTED] = (requested + count) | 0;
    dma(FETCH_TX, c, c, c * CONTEXT_BYTES + (requested & (TX_SLOTS - 1)) * 16, count * 16, c * BATCH * 4);
  }
  function onFetched(c: number): void {
    const r = c * CTX;
    R[r + UNDER_WAY] = 0;
    const count = R[r + FETCHING] ?? 0;
    for (let i = 0; i < count; i += 1) {
      const w = (c * BATCH + i) * 4;
      const address = fetched[w] ?? 0;
      const lengthFlags = fetched[w + 2] ?? 0;
      const sequence = fetched[w + 3] ?? 0;
      if (sequence !== R[r + SEQUENCE] || fetched[w + 1] !== 0) throw new Error('sequence');
      R[r + SEQUENCE] = (sequence + 1) & 0xffff;
      const length = lengthFlags & 0xffff;
      if (length === 0 || length > 16_384) throw new Error('length');
      const at = R[r + FETCHED] ?? 0;
      const k = (c * CACHE + (at & (CACHE - 1))) * 4;
      cache[k] = address;
      cache[k + 1] = length;
      cache[k + 2] = lengthFlags >>> 16;
      cache[k + 3] = sequence;
      R[r + FETCHED] = (at + 1) | 0;
      R[r + TAIL] = (R[r + TAIL] ?? 0) + length;
      if ((lengthFlags & 0x10000) !== 0) R[r + TAIL] = 0;
    }
    counters[c * 8] = (counters[c * 8] ?? 0) + count;
    const waited = (R[r + HEAD] ?? 0) > 0;
    if (refreshHead(c) && !waited) ringScheduler(c);
    consider(c);
  }
  function onFetchedReceive(c: number): void {
    // Sixteen buffers are posted once and never used: what is fetched is checked and kept.
    for (let i = 0; i < BATCH; i += 1)
      fetchedReceive[c * BATCH + i] = fetched[((N + c) * BATCH + i) * 4] ?? 0;
  }
  function refreshHead(c: number): boolean {
    const r = c * CTX;
    const taken = R[r + TAKEN] ?? 0;
    const available = ((R[r + FETCHED] ?? 0) - taken) | 0;
    let bytes = 0;
    for (let i = 0; i < available; i += 1) {
      const k = (c * CACHE + ((taken + i) & (CACHE - 1))) * 4;
      bytes += cache[k + 1] ?? 0;
      if (((cache[k + 2] ?? 0) & 1) !== 0) {
        R[r + HEAD] = Math.max(bytes, 60);
        R[r + CHAIN] = i + 1;
        return true;
      }
    }
    R[r + HEAD] = 0;
    R[r + CHAIN] = 0;
    return false;
  }

  // ---- Deficit round robin over the free space of the FIFO.
  let room = 16_384;
  let backlogged = 0;
  let deciding = true; // the first link-ready asks for a decision before anything else happens
  let front = -1;
  let back = -1;
  function ringScheduler(c: number): void {
    const r = c * CTX;
    if (R[r + BACKLOGGED] === 1 || R[r + HEAD] === 0) return;
    R[r + BACKLOGGED] = 1;
    backlogged += 1;
    R[r + ROSTER] = R[r + HEAD] ?? 0;
    pushBack(c);
    if (front === c && back === c) openVisit();
    requestDecision();
  }
  function pushBack(c: number): void {
    R[c * CTX + NEXT] = -1;
    if (back < 0) front = c;
    else R[back * CTX + NEXT] = c;
    back = c;
  }
  function popFront(): void {
    front = R[front * CTX + NEXT] ?? -1;
    if (front < 0) back = -1;
  }
  function openVisit(): void {
    for (;;) {
      if (front < 0) return;
      const r = front * CTX;
      const deficit = (R[r + DEFICIT] ?? 0) + 1514;
      R[r + DEFICIT] = deficit;
      if ((R[r + ROSTER] ?? 0) <= deficit) return;
      const c = front;
      popFront();
      pushBack(c);
    }
  }
  function requestDecision(): void {
    if (deciding) return;
    deciding = true;
    post(0, DECIDE, 0, 0);
  }
  function onDecide(): void {
    deciding = false;
    while (backlogged > 0) {
      const c = front;
      const r = c * CTX;
      const bytes = R[r + HEAD] ?? 0;
      if (bytes > room) return;
      room -= bytes;
      take(c, bytes);
      const next = R[r + HEAD] ?? 0;
      const left = (R[r + DEFICIT] ?? 0) - bytes;
      R[r + ROSTER] = next;
      if (next === 0) {
        R[r + BACKLOGGED] = 0;
        backlogged -= 1;
        R[r + DEFICIT] = 0;
        popFront();
        openVisit();
      } else {
        R[r + DEFICIT] = left;
        if (next > left) {
          popFront();
          pushBack(c);
          openVisit();
        }
      }
    }
  }

  // ---- The transmit FIFO: context, reads that are not over, offset, bytes, first descriptor, chain.
  const FIFO = 16_384 + 2 * 9018;
  const fifo = new Uint8Array(FIFO);
  let fifoHead = 0;
  let fifoTail = 0;
  let fifoUsed = 0;
  const FRAMES = 512;
  const T = new Int32Array(FRAMES * 8);
  let first = 0;
  let count = 0;
  let sending = false;
  function take(c: number, padded: number): void {
    const r = c * CTX;
    const slot = (first + count) & (FRAMES - 1);
    const o = slot << 3;
    count += 1;
    if (fifoHead + padded > FIFO) {
      fifoUsed += FIFO - fifoHead;
      fifoHead = 0;
    }
    const offset = fifoHead;
    fifoHead += padded;
    fifoUsed += padded;
    const taken = R[r + TAKEN] ?? 0;
    const chain = R[r + CHAIN] ?? 0;
    T[o] = c;
    T[o + 1] = chain;
    T[o + 2] = offset;
    T[o + 3] = padded;
    T[o + 4] = taken;
    T[o + 5] = chain;
    let at = offset;
    let urgent = 0;
    for (let i = 0; i < chain; i += 1) {
      const k = (c * CACHE + ((taken + i) & (CACHE - 1))) * 4;
      const length = cache[k + 1] ?? 0;
      urgent |= (cache[k + 2] ?? 0) & 2;
      dma(PAYLOAD, slot, c, cache[k] ?? 0, length, at);
      at += length;
    }
    T[o + 6] = urgent;
    if (at < offset + padded) fifo.fill(0, at, offset + padded);
    R[r + TAKEN] = (taken + chain) | 0;
    refreshHead(c);
    consider(c);
  }
  function onRead(slot: number): void {
    const o = slot << 3;
    const left = (T[o + 1] ?? 0) - 1;
    T[o + 1] = left;
    if (left === 0 && !sending) pump();
  }
  let startNs = 0;
  function pump(): void {
    if (count === 0) return;
    const o = first << 3;
    if ((T[o + 1] ?? 0) > 0) return;
    const c = T[o] ?? 0;
    const bytes = T[o + 3] ?? 0;
    const at = (T[o + 2] ?? 0) + 6;
    const source =
      ((fifo[at + 2] ?? 0) << 24) |
      ((fifo[at + 3] ?? 0) << 16) |
      ((fifo[at + 4] ?? 0) << 8) |
      (fifo[at + 5] ?? 0);
    if (source !== c + 1 || (((fifo[at] ?? 0) << 8) | (fifo[at + 1] ?? 0)) !== 0x0200)
      throw new Error('spoofed');
    sending = true;
    const endNs = carryWire(bytes + 24);
    startNs = Math.max(now, endNs - Math.ceil(((bytes + 24) * 2) / 25));
    post(endNs - now, DEPART, first, 0);
  }
  let delivered = 0;
  let deliveredBytes = 0;
  let wireBusyNs = 0;
  function onDepart(slot: number): void {
    sending = false;
    const o = slot << 3;
    const c = T[o] ?? 0;
    const r = c * CTX;
    const offset = T[o + 2] ?? 0;
    const bytes = T[o + 3] ?? 0;
    const chain = T[o + 5] ?? 0;
    const k = c * 8;
    counters[k + 1] = (counters[k + 1] ?? 0) + 1;
    counters[k + 2] = (counters[k + 2] ?? 0) + bytes;
    delivered += 1;
    deliveredBytes += bytes;
    wireBusyNs += now - startNs;
    if (tap !== undefined) tap(fifo, offset, bytes, c, now);
    R[r + CONSUMER] = ((T[o + 4] ?? 0) + chain) | 0;
    counters[k + 3] = (counters[k + 3] ?? 0) + chain;
    R[r + PENDING] = (R[r + PENDING] ?? 0) + 1;
    considerWriteBack(c, T[o + 6] ?? 0);
    consider(c);
    if (offset < fifoTail) {
      fifoUsed -= FIFO - fifoTail;
      fifoTail = 0;
    }
    fifoTail += bytes;
    fifoUsed -= bytes;
    if (fifoUsed === 0) {
      fifoHead = 0;
      fifoTail = 0;
    }
    first = (first + 1) & (FRAMES - 1);
    count -= 1;
    room += bytes;
    requestDecision();
    pump();
  }

  // ---- Completions: 16 frames, or 50 us.
  function considerWriteBack(c: number, urgent: number): void {
    const r = c * CTX;
    const pending = R[r + PENDING] ?? 0;
    if (pending === 0 || R[r + WRITING] === 1) return;
    if (urgent !== 0 || pending >= (R[r + COALESCE_FRAMES] ?? 0)) writeBack(c);
    else if (((R[r + TIMER] ?? 0) & 1) === 0) {
      R[r + TIMER] = ((R[r + TIMER] ?? 0) + 1) | 0;
      post(R[r + COALESCE_NS] ?? 0, COALESCED, c, R[r + TIMER] ?? 0);
    }
  }
  function onCoalesced(c: number, generation: number): void {
    const r = c * CTX;
    if (R[r + TIMER] !== generation) {
      executed -= 1;
      return;
    }
    R[r + TIMER] = (generation + 1) | 0;
    if ((R[r + PENDING] ?? 0) > 0) writeBack(c);
  }
  function writeBack(c: number): void {
    const r = c * CTX;
    if (((R[r + TIMER] ?? 0) & 1) === 1) R[r + TIMER] = ((R[r + TIMER] ?? 0) + 1) | 0;
    R[r + PENDING] = 0;
    R[r + WRITING] = 1;
    statusOut[c * 2] = R[r + CONSUMER] ?? 0;
    dma(STATUS, c, c, c * CONTEXT_BYTES + 2 * PAGE, 8, 0);
  }
  function onStatus(c: number): void {
    const r = c * CTX;
    R[r + WRITING] = 0;
    R[r + UNTOLD] = R[r + MASKED] ?? 0;
    if (R[r + MASKED] === 0) requestInterrupt(c);
    considerWriteBack(c, 0);
  }

  // ---- Interrupt vectors.
  const gathering = new Int32Array(vectorWords);
  const staged = new Int32Array(vectorWords);
  let anyBit = false;
  let vectorWrites = 0;
  let notBeforeNs = 0;
  let vectorProducer = 0;
  let vectorConsumer = 0;
  let gapWaiting = false;
  function requestInterrupt(c: number): void {
    gathering[c >> 5] = (gathering[c >> 5] ?? 0) | (1 << (c & 31));
    anyBit = true;
    sendVector();
  }
  function sendVector(): void {
    if (vectorWrites > 0 || !anyBit || ((vectorProducer - vectorConsumer) | 0) >= 64) return;
    if (now < notBeforeNs) {
      if (!gapWaiting) {
        gapWaiting = true;
        post(notBeforeNs - now, GAP_OVER, 0, 0);
      }
      return;
    }
    vectorWrites = 2;
    anyBit = false;
    staged.set(gathering);
    gathering.fill(0);
    const slot = vectorProducer & 63;
    vectorProducer = (vectorProducer + 1) | 0;
    dma(VECTOR, 0, -1, vectorRing + 64 + slot * vectorBytes, vectorBytes, 0);
    dma(VECTOR, 1, -1, vectorRing, 4, 0);
  }
  function onVector(): void {
    vectorWrites -= 1;
    if (vectorWrites > 0) return;
    notBeforeNs = now + 5000;
    if (!isrPosted) {
      isrPosted = true;
      cpuPostHypervisor(0);
    }
    sendVector();
  }

  // ---- CPU: per core a ring of guests that are ready; the hypervisor goes first on core 0.
  const READY = 2 ** Math.ceil(Math.log2(Math.ceil(N / CORES) + 2));
  const ready = new Int32Array(CORES * READY);
  const readyHead = new Int32Array(CORES);
  const readyCount = new Int32Array(CORES);
  const busy = new Uint8Array(CORES);
  const lastGuest = new Int32Array(CORES).fill(-1);
  const carryNs = new Float64Array(CORES);
  const busyNs = new Float64Array(CORES);
  const works = new Int32Array(N * 4);
  const workHead = new Int32Array(N);
  const workCount = new Int32Array(N);
  const HYP_WORKS = 2 ** Math.ceil(Math.log2(2 * N + 2));
  const hypWorks = new Int32Array(HYP_WORKS);
  let hypHead = 0;
  let hypCount = 0;
  let hypReady = false;
  let isrPosted = false;
  let elapsed = 0;
  const NS_PER_CYCLE = 1e9 / 2.4e9;
  const cycles = new Float64Array(N + 1);
  function charge(account: number, amount: number): void {
    cycles[account] = (cycles[account] ?? 0) + amount;
    elapsed += amount;
  }
  function makeReady(core: number, guest: number): void {
    ready[core * READY + (((readyHead[core] ?? 0) + (readyCount[core] ?? 0)) & (READY - 1))] = guest;
    readyCount[core] = (readyCount[core] ?? 0) + 1;
  }
  function cpuPost(guest: number, work: number): void {
    const core = guest % CORES;
    const waiting = workCount[guest] ?? 0;
    works[guest * 4 + (((workHead[guest] ?? 0) + waiting) & 3)] = work;
    workCount[guest] = waiting + 1;
    if (waiting === 0) makeReady(core, guest);
    if (busy[core] === 0) {
      busy[core] = 1;
      post(0, CPU, core, 0);
    }
  }
  function cpuPostHypervisor(work: number): void {
    hypWorks[(hypHead + hypCount) & (HYP_WORKS - 1)] = work;
    hypCount += 1;
    hypReady = true;
    if (busy[0] === 0) {
      busy[0] = 1;
      post(0, CPU, 0, 0);
    }
  }
  function onCpu(core: number): void {
    if (core === 0 && hypReady) {
      const work = hypWorks[hypHead & (HYP_WORKS - 1)] ?? 0;
      hypHead = (hypHead + 1) | 0;
      hypCount -= 1;
      hypReady = hypCount > 0;
      elapsed = 0;
      if (work === 0) onIsr();
      else onReleaseDue(work - 1);
    } else {
      const waiting = readyCount[core] ?? 0;
      if (waiting === 0) {
        busy[core] = 0;
        carryNs[core] = 0;
        return;
      }
      const guest = ready[core * READY + ((readyHead[core] ?? 0) & (READY - 1))] ?? 0;
      readyHead[core] = ((readyHead[core] ?? 0) + 1) | 0;
      readyCount[core] = waiting - 1;
      const work = works[guest * 4 + ((workHead[guest] ?? 0) & 3)] ?? 0;
      workHead[guest] = ((workHead[guest] ?? 0) + 1) | 0;
      workCount[guest] = (workCount[guest] ?? 0) - 1;
      if ((workCount[guest] ?? 0) > 0) makeReady(core, guest);
      elapsed = 0;
      if (lastGuest[core] !== guest) {
        if ((lastGuest[core] ?? -1) >= 0) charge(N, COST.contextSwitch);
        lastGuest[core] = guest;
      }
      if (work === TRANSMIT_WORK) onTransmitWork(guest);
      else if (work === POLL_WORK) onPoll(guest);
      else onInterrupt(guest);
    }
    const ns = elapsed * NS_PER_CYCLE + (carryNs[core] ?? 0);
    const whole = Math.floor(ns);
    carryNs[core] = ns - whole;
    busyNs[core] = (busyNs[core] ?? 0) + whole;
    elapsed = 0;
    post(whole, CPU, core, 0);
  }
  function writeRegister(account: number, target: number, value: number): void {
    charge(account, COST.doorbell);
    post(Math.ceil(elapsed * NS_PER_CYCLE) + 150, REGISTER, target, value);
  }

  // ---- The hypervisor.
  let hypervisorConsumer = 0;
  const notified = new Uint8Array(N);
  function onIsr(): void {
    isrPosted = false;
    charge(N, COST.interrupt);
    const producer = ramWords[vectorRing >> 2] ?? 0;
    while (hypervisorConsumer !== producer) {
      const at = (vectorRing + 64 + (hypervisorConsumer & 63) * vectorBytes) >> 2;
      charge(N, COST.vectorWord * vectorWords);
      for (let word = 0; word < vectorWords; word += 1) {
        let left = ramWords[at + word] ?? 0;
        while (left !== 0) {
          const c = word * 32 + (31 - Math.clz32(left & -left));
          left &= left - 1;
          if (notified[c] === 1) continue;
          notified[c] = 1;
          charge(N, COST.virtualInterrupt);
          cpuPost(c, INTERRUPT_WORK);
        }
      }
      hypervisorConsumer = (hypervisorConsumer + 1) | 0;
    }
    writeRegister(N, VECTOR_CONSUMER, hypervisorConsumer);
  }
  /** CDNA's timeout: pages of what the card has finished are released without a hypercall. */
  function onReleaseDue(gate: number): void {
    const c = gate >> 1;
    const g = c * GUEST;
    armed[gate] = 0;
    if ((gate & 1) === 0) {
      releaseFinished(c);
      if (G[g + POSTED] !== G[g + UNPINNED]) armRelease(gate);
    } else armRelease(gate);
  }
  const armed = new Uint8Array(N * 2);
  function armRelease(gate: number): void {
    if (armed[gate] === 1) return;
    armed[gate] = 1;
    post(10_000_000, RELEASE_DUE, gate, 0);
  }

  // ---- The guests' drivers: written, posted, reclaimed, frames pulled, unpinned, sequence, flags.
  const GUEST = 8;
  const WRITTEN = 0;
  const POSTED = 1;
  const RECLAIMED = 2;
  const PULLED = 3;
  const UNPINNED = 4;
  const NEXT_SEQUENCE = 5;
  const POLLING = 6;
  const WANTS = 7;
  const G = new Int32Array(N * GUEST);
  const lengths = new Int32Array(N * TX_SLOTS);
  const createdNs = new Float64Array(N * TX_SLOTS);
  const addresses = new Int32Array(N * TX_SLOTS);
  const PATTERNS = 17;
  const patterns: Uint8Array[] = [];
  for (let c = 0; c < N; c += 1) {
    G[c * GUEST + NEXT_SEQUENCE] = 1;
    for (let p = 0; p < PATTERNS; p += 1) {
      const frame = new Uint8Array(LEN);
      frame.set([2, 0, 0, 1, 0, 1, 2, 0]);
      for (let i = 0; i < 4; i += 1) frame[8 + i] = (c + 1) >>> (24 - 8 * i);
      frame.set([0x88, 0xb5, LEN >>> 8, LEN & 255, 0, 0], 12);
      for (let i = 0; i < 4; i += 1) frame[18 + i] = c >>> (24 - 8 * i);
      writePayload(frame, 30, LEN - 30, c, p);
      patterns.push(frame);
    }
  }
  function wantTransmit(c: number): void {
    if (G[c * GUEST + WANTS] === 1) return;
    G[c * GUEST + WANTS] = 1;
    cpuPost(c, TRANSMIT_WORK);
  }
  function onTransmitWork(c: number): void {
    G[c * GUEST + WANTS] = 0;
    reclaim(c);
    const more = pull(c);
    postFrames(c);
    if (more) wantTransmit(c);
  }
  function onInterrupt(c: number): void {
    notified[c] = 0;
    charge(c, COST.guestInterrupt);
    if (G[c * GUEST + POLLING] === 1) return;
    G[c * GUEST + POLLING] = 1;
    writeRegister(c, (c << 8) | MASK, 1);
    onPoll(c);
  }
  function onPoll(c: number): void {
    if (ramWords[(c * CONTEXT_BYTES + 2 * PAGE + 4) >> 2] !== 0) throw new Error('received');
    reclaim(c);
    const more = pull(c);
    postFrames(c);
    if (more) {
      cpuPost(c, POLL_WORK);
      return;
    }
    G[c * GUEST + POLLING] = 0;
    writeRegister(c, (c << 8) | MASK, 0);
  }
  function reclaim(c: number): void {
    const g = c * GUEST;
    const consumer = ramWords[(c * CONTEXT_BYTES + 2 * PAGE) >> 2] ?? 0;
    const done = (consumer - (G[g + RECLAIMED] ?? 0)) | 0;
    if (done === 0) return;
    counters[c * 8 + 4] = (counters[c * 8 + 4] ?? 0) + done;
    charge(c, COST.reclaimPacket * done);
    G[g + RECLAIMED] = consumer;
  }
  function pull(c: number): boolean {
    const g = c * GUEST;
    let stored = 0;
    while (stored < 64) {
      const written = G[g + WRITTEN] ?? 0;
      if (((written - (G[g + RECLAIMED] ?? 0)) | 0) === TX_SLOTS) return false;
      const sequence = G[g + PULLED] ?? 0;
      G[g + PULLED] = (sequence + 1) | 0;
      const frame = patterns[c * PATTERNS + (sequence % PATTERNS)];
      if (frame === undefined) throw new Error('pattern');
      frame[26] = sequence >>> 24;
      frame[27] = sequence >>> 16;
      frame[28] = sequence >>> 8;
      frame[29] = sequence;
      const slot = written & (TX_SLOTS - 1);
      const at = c * CONTEXT_BYTES + BUFFERS_AT + slot * BUFFER;
      const last = (at + LEN - 1) >>> 12;
      for (let page = at >>> 12; page <= last; page += 1)
        if (owner[page] !== c) throw new Error('page fault');
      ram.set(frame, at);
      lengths[c * TX_SLOTS + slot] = LEN;
      createdNs[c * TX_SLOTS + slot] = now;
      G[g + WRITTEN] = (written + 1) | 0;
      stored += 1;
    }
    return true;
  }
  function releaseFinished(c: number): void {
    const g = c * GUEST;
    const consumer = ramWords[(c * CONTEXT_BYTES + 2 * PAGE) >> 2] ?? 0;
    let unpinned = G[g + UNPINNED] ?? 0;
    if (unpinned === consumer) return;
    let pages = 0;
    while (unpinned !== consumer) {
      const slot = c * TX_SLOTS + (unpinned & (TX_SLOTS - 1));
      const at = addresses[slot] ?? 0;
      const last = (at + (lengths[slot] ?? 0) - 1) >>> 12;
      for (let page = at >>> 12; page <= last; page += 1) {
        pins[page] = (pins[page] ?? 0) - 1;
        pages += 1;
      }
      unpinned = (unpinned + 1) | 0;
    }
    G[g + UNPINNED] = unpinned;
    charge(N, COST.unpinPage * pages);
  }
  function postFrames(c: number): void {
    const g = c * GUEST;
    const from = G[g + POSTED] ?? 0;
    const to = G[g + WRITTEN] ?? 0;
    if (from === to) return;
    const frames = (to - from) | 0;
    charge(c, COST.transmitPacket * frames);
    charge(N, COST.hypercall);
    releaseFinished(c);
    let pages = 0;
    for (let i = from; i !== to; i = (i + 1) | 0) {
      const slot = i & (TX_SLOTS - 1);
      const at = c * CONTEXT_BYTES + BUFFERS_AT + slot * BUFFER;
      const length = lengths[c * TX_SLOTS + slot] ?? 0;
      if (length <= 0 || length > 16_384) throw new Error('bad length');
      const last = (at + length - 1) >>> 12;
      for (let page = at >>> 12; page <= last; page += 1) {
        pages += 1;
        if (owner[page] !== c) throw new Error('not owner');
      }
    }
    charge(N, COST.validatePage * pages);
    for (let i = from; i !== to; i = (i + 1) | 0) {
      const slot = i & (TX_SLOTS - 1);
      const at = c * CONTEXT_BYTES + BUFFERS_AT + slot * BUFFER;
      const length = lengths[c * TX_SLOTS + slot] ?? 0;
      const last = (at + length - 1) >>> 12;
      for (let page = at >>> 12; page <= last; page += 1) pins[page] = (pins[page] ?? 0) + 1;
      addresses[c * TX_SLOTS + slot] = at;
      const word = (c * CONTEXT_BYTES + slot * 16) >> 2;
      const sequence = G[g + NEXT_SEQUENCE] ?? 0;
      ramWords[word] = at;
      ramWords[word + 1] = 0;
      ramWords[word + 2] = length | 0x10000;
      ramWords[word + 3] = sequence;
      G[g + NEXT_SEQUENCE] = (sequence + 1) & 0xffff;
    }
    charge(N, COST.pinPage * pages);
    armRelease(c * 2);
    charge(N, COST.writeDescriptor * frames);
    G[g + POSTED] = to;
    writeRegister(c, (c << 8) | TX_PRODUCER, to);
  }

  // ---- Registers and the card's firmware.
  const eventBits = new Int32Array((N + 31) >> 5);
  let awake = false;
  function onRegister(target: number, value: number): void {
    if (target === VECTOR_CONSUMER) {
      vectorConsumer = value;
      sendVector();
      return;
    }
    const c = target >> 8;
    const r = c * CTX;
    const box = target & 255;
    if (box === TX_PRODUCER) R[r + BOX] = value;
    else if (box === RX_PRODUCER) R[r + RX_BOX] = value;
    else if (box === MASK) R[r + MASKED] = value;
    else if (value < 0) R[r + COALESCE_NS] = -value;
    else R[r + COALESCE_FRAMES] = value;
    counters[c * 8 + 5] = (counters[c * 8 + 5] ?? 0) + 1;
    R[r + EVENTS] = (R[r + EVENTS] ?? 0) | box;
    eventBits[c >> 5] = (eventBits[c >> 5] ?? 0) | (1 << (c & 31));
    if (awake) return;
    awake = true;
    post(100, DECODE, 0, 0);
  }
  function onDecode(): void {
    awake = false;
    for (let word = 0; word < eventBits.length; word += 1) {
      let left = eventBits[word] ?? 0;
      eventBits[word] = 0;
      while (left !== 0) {
        const c = word * 32 + (31 - Math.clz32(left & -left));
        left &= left - 1;
        const r = c * CTX;
        const boxes = R[r + EVENTS] ?? 0;
        R[r + EVENTS] = 0;
        if ((boxes & TX_PRODUCER) !== 0 && R[r + BOX] !== R[r + PRODUCER]) {
          R[r + PRODUCER] = R[r + BOX] ?? 0;
          consider(c);
        }
        if ((boxes & RX_PRODUCER) !== 0 && R[r + RX_PRODUCED] === 0) {
          R[r + RX_PRODUCED] = R[r + RX_BOX] ?? 0;
          dma(FETCH_RX, c, c, c * CONTEXT_BYTES + PAGE, BATCH * 16, (N + c) * BATCH * 4);
        }
        if ((boxes & MASK) !== 0 && R[r + MASKED] === 0 && R[r + UNTOLD] === 1) {
          R[r + UNTOLD] = 0;
          requestInterrupt(c);
        }
      }
    }
  }

  // ---- Set-up: the settings of each context, its receive buffers, and the first work of its driver.
  post(0, DECIDE, 0, 0);
  for (let c = 0; c < N; c += 1) {
    post(150, REGISTER, (c << 8) | COALESCE, 16);
    post(150, REGISTER, (c << 8) | COALESCE, -50_000);
    armRelease(c * 2 + 1);
    for (let s = 0; s < RX_SLOTS; s += 1) {
      const word = (c * CONTEXT_BYTES + PAGE + s * 16) >> 2;
      ramWords[word] = c * CONTEXT_BYTES + BUFFERS_AT + (TX_SLOTS + s) * BUFFER;
      ramWords[word + 2] = BUFFER;
      ramWords[word + 3] = s + 1;
    }
    post(150, REGISTER, (c << 8) | RX_PRODUCER, RX_SLOTS);
    wantTransmit(c);
  }

  return {
    deliver(frames: number): number {
      const start = delivered;
      while (delivered < start + frames) run(now + STEP_NS);
      return delivered - start;
    },
    get deliveredBytes() {
      return deliveredBytes;
    },
    get wireBusyNs() {
      return wireBusyNs;
    },
    get executed() {
      return executed;
    },
    get nowNs() {
      return now;
    },
  };
}

/** Costs on the CPU, cycles: the emulator's table, since they are parameters of the model. */
const COST = {
  hypercall: COSTS.hypercall.cycles,
  validatePage: COSTS.validatePage.cycles,
  pinPage: COSTS.pinPage.cycles,
  unpinPage: COSTS.unpinPage.cycles,
  writeDescriptor: COSTS.writeDescriptor.cycles,
  doorbell: COSTS.doorbell.cycles,
  interrupt: COSTS.interrupt.cycles,
  vectorWord: COSTS.vectorWord.cycles,
  virtualInterrupt: COSTS.virtualInterrupt.cycles,
  guestInterrupt: COSTS.guestInterrupt.cycles,
  transmitPacket: COSTS.transmitPacket.cycles,
  reclaimPacket: COSTS.reclaimPacket.cycles,
  contextSwitch: COSTS.contextSwitch.cycles,
};

function gcd(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}

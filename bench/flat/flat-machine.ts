import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { DEFAULT_MEMORY_TIMINGS } from '../../host/bus/memory-bus.js';
import { COSTS } from '../../host/cpu/costs.js';
import { QUEUE_TIMING } from '../../host/iommu/queue-timing.js';
import { DEFAULT_TIMING } from '../../host/iommu/translation/parameters.js';
import { DEFAULT_NIC } from '../../nic/parameters.js';
import { DEFAULT_PCIE } from '../../nic/pcie-link.js';

/**
 * The model version that the reference represents: its rows say so where the emulator has gone on, and it is held to
 * the emulator where the two are the same.
 */
export const FLAT_MODEL_VERSION: number = 5;

/** The approaches that there is a reference for. */
export const FLAT_PROTECTIONS = ['cdna', 'iommu:direct-map', 'iommu:single-use'] as const;
export type FlatProtection = (typeof FLAT_PROTECTIONS)[number];

/** What the reference is built for. */
export interface FlatOptions {
  readonly protection: FlatProtection;
  readonly contexts: number;
  /** 60 to 1,514: a frame lies in one buffer. */
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
const RX_BUFFER = 1536;
const TX_SLOTS = 64;
const RX_SLOTS = 16;
const CACHE = 64;
const BATCH = 16;
const CORES = 16;
const STEP_NS = 100_000;

// Pages of a context: transmit ring, receive ring and status block in one piece, then transmit and receive buffers.
const RING_PAGES = 3;
const TX_PAGES = (TX_SLOTS * BUFFER) / PAGE;
const RX_PAGES = (RX_SLOTS * RX_BUFFER) / PAGE;
/** The most that tables of a context take: a root, three for its rings, three for its memory and two for boundaries. */
const TABLE_PAGES = 9;

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
const LINK_FREE = 10;
const COMMAND_FETCHED = 11;
const COMMAND_DONE = 12;
const DATA_READY = 13;

// What a DMA transfer is for; those up to FETCH_RX are reads.
const PAYLOAD = 0;
const FETCH_TX = 1;
const FETCH_RX = 2;
const STATUS = 3;
const VECTOR = 4;
const MESSAGE = 5;

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

/** Of a context that has frames posted and none fetched. */
const STARVED = -1;

/**
 * A machine that does the work of the emulator's greedy machine with nothing between the steps: the same events at
 * the same virtual times, the same bytes moved through guest memory, rings, tables, FIFO and wire, in one function over
 * 32-bit columns. It has no fault paths, no receive traffic and no streams, and serves for speed only: it is the
 * denominator of the bench. It shares the emulator's parameters and none of its code. A test checks that its frames and
 * their times equal those of the emulator.
 */
export function makeFlatMachine({ protection, contexts: N, frameBytes: LEN, tap }: FlatOptions): FlatMachine {
  const IOMMU = protection !== 'cdna';
  const SINGLE_USE = protection === 'iommu:single-use';
  if (LEN < 60 || LEN > 1514) throw new Error(`frameBytes is ${LEN}, expected 60 to 1,514`);

  // ---- Memory. Pages are given out in the order in which the emulator gives them.
  const vectorBytes = 2 ** Math.ceil(Math.log2(Math.ceil((N + 1) / 32) * 4));
  const vectorWords = vectorBytes >>> 2;
  const vectorPages = Math.ceil((64 + 64 * vectorBytes) / PAGE);
  const ramPages =
    64 + vectorPages + (N >> 8) + N * (RING_PAGES + TX_PAGES + RX_PAGES + (IOMMU ? TABLE_PAGES : 0));
  const ram = new Uint8Array(ramPages * PAGE);
  const ramWords = new Int32Array(ram.buffer);
  const owner = new Int32Array(ramPages).fill(-1);
  const pins = new Int32Array(ramPages);
  // Nothing lies in page 0.
  let freePage = 1;
  function takePages(count: number): number {
    const first = freePage;
    freePage += count;
    if (freePage > ramPages) throw new Error('no page left');
    return first;
  }
  const ringPage = new Int32Array(N);
  // The page of the rings as the card must name it.
  const ringBusPage = new Int32Array(N);
  // Pages of the transmit buffers, two buffers on each.
  const bufferPages = new Int32Array(N * TX_PAGES);
  // Number of a page of transmit buffers, and a view of the frame in each buffer.
  const bufferNumber = new Int32Array(ramPages).fill(-1);
  const bufferViews: Uint8Array[] = [];

  // ---- Events: buckets of 1 ns for the next 1,024, a heap beyond. A record: next, handler, a, b.
  const NEAR = 1024;
  const near = new Int32Array(NEAR * 2).fill(-1);
  const bits = new Int32Array(NEAR / 32);
  const events = 2 ** Math.ceil(Math.log2(N * 16 + 4096));
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
          if (a === 0) onDecide();
          break;
        case ARRIVE:
          onArrive(a, b);
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
        case LINK_FREE:
          onLinkFree(a);
          break;
        case COMMAND_FETCHED:
          onCommandFetched();
          break;
        case COMMAND_DONE:
          onCommandDone();
          break;
        case DATA_READY:
          unready -= 1;
          complete(a, READ_NS);
          break;
        default:
          cpuPostHypervisor(a + 1);
      }
    }
    now = untilNs;
    if (farNs < now + NEAR) pullFar();
  }

  // ---- Serial lines: free at, remainder. PCIe 5.0 x16 both ways, and 100 Gb/s.
  const UP = 0;
  const DOWN = 2;
  const lines = new Float64Array(6);
  const REQUEST = DEFAULT_PCIE.requestHeaderBytes;
  const COMPLETION = DEFAULT_PCIE.completionHeaderBytes;
  const PROPAGATION = DEFAULT_PCIE.propagationNs;
  const READ_NS = DEFAULT_MEMORY_TIMINGS.readNs;
  // 168 symbols between acknowledgements as late as the specification allows, and 4 of 1,538 for the clock.
  const EFFICIENCY = 1 - 16 / Math.floor(((256 + 28) * 3) / 16 + 115) - 4 / 1538;
  const pcieBps = Math.floor(32e9 * 16 * (128 / 130) * EFFICIENCY);
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
  /** When bytes would be over on the way to the host, without booking them. */
  function endUp(bytes: number, fromNs: number): number {
    const freeNs = lines[UP] ?? 0;
    const rest = lines[UP + 1] ?? 0;
    const waits = fromNs <= (rest > 0 ? freeNs + 1 : freeNs);
    const total = bytes * PCIE_NUMERATOR + (waits ? rest : 0);
    return (waits ? freeNs : fromNs) + Math.ceil(total / PCIE_DENOMINATOR);
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

  // ---- DMA. A record: the next of its queue, what it is for, and what it moves; then its packets on the link.
  const MAX_IN_FLIGHT = DEFAULT_NIC.dmaInFlight;
  const KIND = 1;
  const COOKIE = 2;
  const OF_CONTEXT = 3;
  const BUS_PAGE = 4;
  const AT = 5;
  const LENGTH = 6;
  const TARGET = 7;
  const PACKETS = 8;
  const PASSED = 9;
  const LINK_BYTES = 10;
  const NEXT_ON_LINK = 11;
  const ARRIVAL = 12;
  const slots = 2 ** Math.ceil(Math.log2(N * 6 + 1024));
  const D = new Int32Array(slots * 16);
  let freeDma = -1;
  for (let s = slots - 1; s >= 0; s -= 1) {
    D[s * 16] = freeDma;
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
    page: number,
    at: number,
    length: number,
    target: number,
  ): void {
    const s = freeDma;
    const o = s << 4;
    freeDma = D[o] ?? -1;
    D[o] = -1;
    D[o + KIND] = kind;
    D[o + COOKIE] = cookie;
    D[o + OF_CONTEXT] = context;
    D[o + BUS_PAGE] = page;
    D[o + AT] = at;
    D[o + LENGTH] = length;
    D[o + TARGET] = target;
    if (kind <= FETCH_RX) {
      if (readsInFlight < MAX_IN_FLIGHT) startRead(s);
      else {
        if (readTail < 0) readHead = s;
        else D[readTail << 4] = s;
        readTail = s;
      }
    } else if (writesInFlight < MAX_IN_FLIGHT) startWrite(s);
    else {
      if (writeTail < 0) writeHead = s;
      else D[writeTail << 4] = s;
      writeTail = s;
    }
  }
  function startRead(s: number): void {
    readsInFlight += 1;
    const o = s << 4;
    const packets = (((D[o + AT] ?? 0) & 511) + (D[o + LENGTH] ?? 0) + 511) >> 9;
    send(0, s, packets, packets * REQUEST);
  }
  function startWrite(s: number): void {
    writesInFlight += 1;
    const o = s << 4;
    const length = D[o + LENGTH] ?? 0;
    const first = Math.min(length, PAGE - (D[o + AT] ?? 0));
    const packets = ((first + 255) >> 8) + ((length - first + 255) >> 8);
    send(1, s, packets, packets * REQUEST + length);
  }

  // ---- The way to the host: requests (0) and posted writes (1) take turns packet by packet, by the bytes they move.
  let linkRuns = -1;
  let runPackets = 0;
  let linkFree = 0;
  let serial = 0;
  /** From when and to when the run lasts. */
  const runNs = new Float64Array(2);
  const moved = new Float64Array(2);
  const linkHead = new Int32Array(2).fill(-1);
  const linkTail = new Int32Array(2).fill(-1);
  function send(kind: number, s: number, packets: number, bytes: number): void {
    if (linkRuns >= 0 && linkFree === 0 && (runNs[1] ?? 0) <= now) endRun();
    const o = s << 4;
    D[o + NEXT_ON_LINK] = -1;
    D[o + PACKETS] = packets;
    D[o + PASSED] = 0;
    D[o + LINK_BYTES] = bytes;
    D[o + ARRIVAL] = 0;
    if (linkRuns >= 0 && linkRuns !== kind) cutRun();
    const tail = linkTail[kind] ?? -1;
    if (tail >= 0) D[(tail << 4) + NEXT_ON_LINK] = s;
    else {
      linkHead[kind] = s;
      const other = 1 - kind;
      let byOther = moved[other] ?? 0;
      if (linkRuns === other) {
        const head = (linkHead[other] ?? 0) << 4;
        byOther += ((D[head + LENGTH] ?? 0) * (runPackets - 1)) / (D[head + PACKETS] ?? 1);
      }
      if (byOther > (moved[kind] ?? 0)) moved[kind] = byOther;
    }
    linkTail[kind] = s;
    if (linkRuns < 0) beginRun();
    else if (linkFree === 0) freeLinkLater();
  }
  function freeLinkLater(): void {
    serial = (serial + 1) & 0x3fffffff;
    linkFree = serial + 1;
    post((runNs[1] ?? 0) - now, LINK_FREE, linkFree, 0);
  }
  /** Bytes of the next so many packets of a transfer. */
  function bytesOf(o: number, packets: number): number {
    const all = D[o + PACKETS] ?? 1;
    const bytes = D[o + LINK_BYTES] ?? 0;
    if (packets === all) return bytes;
    const passed = D[o + PASSED] ?? 0;
    return Math.floor((bytes * (passed + packets)) / all) - Math.floor((bytes * passed) / all);
  }
  function beginRun(): void {
    const request = linkHead[0] ?? -1;
    const write = linkHead[1] ?? -1;
    if (request < 0 && write < 0) return;
    const both = request >= 0 && write >= 0;
    const isWrite = request < 0 || (both && (moved[1] ?? 0) < (moved[0] ?? 0));
    const s = isWrite ? write : request;
    const o = s << 4;
    const left = (D[o + PACKETS] ?? 0) - (D[o + PASSED] ?? 0);
    linkRuns = isWrite ? 1 : 0;
    runPackets = both ? 1 : left;
    const endNs = endUp(bytesOf(o, runPackets), now);
    runNs[0] = now;
    runNs[1] = endNs;
    if (runPackets === left) {
      serial = (serial + 1) & 0x3fffffff;
      D[o + ARRIVAL] = serial + 1;
      post(endNs + PROPAGATION - now, ARRIVE, s, serial + 1);
    }
    if (both || runPackets < left || (D[o + NEXT_ON_LINK] ?? -1) >= 0) freeLinkLater();
  }
  /** The run ends with the packet that is on the link now. */
  function cutRun(): void {
    if (runPackets === 1) return;
    const o = (linkHead[linkRuns] ?? 0) << 4;
    const fromNs = runNs[0] ?? 0;
    let packets = 1;
    let endNs = endUp(bytesOf(o, packets), fromNs);
    while (packets < runPackets && endNs <= now) {
      packets += 1;
      endNs = endUp(bytesOf(o, packets), fromNs);
    }
    if (packets === runPackets) return;
    runPackets = packets;
    runNs[1] = endNs;
    D[o + ARRIVAL] = 0;
    linkFree = 0;
  }
  function onLinkFree(number: number): void {
    if (number !== linkFree) {
      executed -= 1;
      return;
    }
    linkFree = 0;
    endRun();
    beginRun();
  }
  function endRun(): void {
    if (linkRuns < 0) return;
    const kind = linkRuns;
    const o = (linkHead[kind] ?? 0) << 4;
    const all = D[o + PACKETS] ?? 1;
    carryPcie(UP, bytesOf(o, runPackets), runNs[0] ?? 0);
    moved[kind] = (moved[kind] ?? 0) + ((D[o + LENGTH] ?? 0) * runPackets) / all;
    const passed = (D[o + PASSED] ?? 0) + runPackets;
    D[o + PASSED] = passed;
    linkRuns = -1;
    if (passed < all) return;
    const next = D[o + NEXT_ON_LINK] ?? -1;
    linkHead[kind] = next;
    if (next < 0) linkTail[kind] = -1;
  }

  // ---- At the host: the gate is asked and the bytes move.
  function onArrive(s: number, number: number): void {
    const o = s << 4;
    if (D[o + ARRIVAL] !== number) {
      executed -= 1;
      return;
    }
    const kind = D[o + KIND] ?? 0;
    if (kind === MESSAGE) {
      onFinish(s);
      return;
    }
    const context = D[o + OF_CONTEXT] ?? 0;
    const at = D[o + AT] ?? 0;
    const length = D[o + LENGTH] ?? 0;
    const target = D[o + TARGET] ?? 0;
    let page = D[o + BUS_PAGE] ?? 0;
    let gateNs = 0;
    if (kind === VECTOR) {
      gateNs = writeVector(page, at, length, D[o + COOKIE] === 1);
    } else {
      if (at + length > PAGE) throw new Error('beyond a page');
      if (IOMMU) {
        page = translate(context, page, kind === STATUS);
        gateNs = translationNs;
      }
      if (page < 0 || page >= ramPages) throw new Error('beyond memory');
      if (kind === PAYLOAD) {
        const view = bufferViews[((bufferNumber[page] ?? 0) << 1) + (at >> 11)];
        if (view === undefined) throw new Error('no buffer');
        fifo.set(view, target);
      } else if (kind <= FETCH_RX) {
        const words = length >> 2;
        const from = (page << 10) + (at >> 2);
        for (let i = 0; i < words; i += 1) fetched[target + i] = ramWords[from + i] ?? 0;
      } else {
        ramWords[(page << 10) + (at >> 2)] = statusOut[context * 2] ?? 0;
        ramWords[(page << 10) + (at >> 2) + 1] = statusOut[context * 2 + 1] ?? 0;
      }
    }
    if (kind > FETCH_RX) {
      if (IOMMU && kind === STATUS) gateNs = writtenIn(context, gateNs);
      if (gateNs > 0) post(gateNs, FINISH, s, 0);
      else onFinish(s);
      return;
    }
    // Without an IOMMU all reads take the same, and keep their order by themselves.
    const readyInNs = IOMMU ? readIn(context, gateNs) : READ_NS;
    if (readyInNs > READ_NS || (IOMMU && unready > 0)) {
      unready += 1;
      post(readyInNs - READ_NS, DATA_READY, s, 0);
    } else complete(s, readyInNs);
  }
  // Requests of one requester are carried out in their order: when its last read and its last write are done.
  const readDoneNs = new Float64Array(N + 1);
  const writeDoneNs = new Float64Array(N + 1);
  /** Reads whose data is not ready, for which the way back is not booked yet. */
  let unready = 0;
  function readIn(context: number, gateNs: number): number {
    const fromNs = Math.max(now + gateNs, writeDoneNs[context] ?? 0);
    const doneNs = Math.max(fromNs + READ_NS, readDoneNs[context] ?? 0);
    readDoneNs[context] = doneNs;
    return doneNs - now;
  }
  function writtenIn(context: number, gateNs: number): number {
    const doneNs = Math.max(now + gateNs, writeDoneNs[context] ?? 0);
    writeDoneNs[context] = doneNs;
    return doneNs - now;
  }
  /** Sends the data of a read, which is ready in so many ns. */
  function complete(s: number, readyInNs: number): void {
    const o = s << 4;
    const length = D[o + LENGTH] ?? 0;
    let packets = 0;
    let left = length;
    let from = (D[o + AT] ?? 0) & 511;
    while (left > 0) {
      const asked = Math.min(left, 512 - from);
      const lost = asked <= 256 ? 0 : from & 63;
      packets += (lost + asked + 255) >> 8;
      left -= asked;
      from = 0;
    }
    const bytes = packets * COMPLETION + length;
    post(carryPcie(DOWN, bytes, now + readyInNs) + PROPAGATION - now, FINISH, s, 0);
  }
  /** An interrupt vector, or the index behind it, a page at a time; what the gate takes, ns. */
  function writeVector(firstPage: number, firstAt: number, length: number, isIndex: boolean): number {
    let gateNs = 0;
    let done = 0;
    while (done < length) {
      const at = (firstAt + done) & (PAGE - 1);
      let page = firstPage + ((firstAt + done) >> 12);
      const piece = Math.min(length - done, PAGE - at);
      if (IOMMU) {
        page = translate(N, page, true);
        gateNs = Math.max(gateNs, writtenIn(N, translationNs));
      }
      const to = (page << 10) + (at >> 2);
      if (isIndex) ramWords[to] = vectorProducer;
      else for (let i = 0; i < piece >> 2; i += 1) ramWords[to + i] = staged[(done >> 2) + i] ?? 0;
      done += piece;
    }
    return gateNs;
  }
  function onFinish(s: number): void {
    const o = s << 4;
    const kind = D[o + KIND] ?? 0;
    const cookie = D[o + COOKIE] ?? 0;
    D[o] = freeDma;
    freeDma = s;
    if (kind <= FETCH_RX) {
      readsInFlight -= 1;
      if (readHead >= 0) {
        const waiting = readHead;
        readHead = D[waiting << 4] ?? -1;
        if (readHead < 0) readTail = -1;
        startRead(waiting);
      }
    } else {
      writesInFlight -= 1;
      if (writeHead >= 0) {
        const waiting = writeHead;
        writeHead = D[waiting << 4] ?? -1;
        if (writeHead < 0) writeTail = -1;
        startWrite(waiting);
      }
    }
    if (kind === PAYLOAD) onRead(cookie);
    else if (kind === FETCH_TX) onFetched(cookie, (D[o + LENGTH] ?? 0) >> 4);
    else if (kind === STATUS) onStatus(cookie);
    else if (kind === VECTOR || (kind === MESSAGE && cookie === 0)) onVector();
  }

  // ---- The IOMMU: VT-d tables in memory, written by the hypervisor and walked by the unit.
  const T = DEFAULT_TIMING;
  if (T.replacement !== 'random' || T.walkerAssignment !== 'page')
    throw new Error('the reference has caches with random replacement and walkers that own pages');
  const READ = 1;
  const WRITE = 2;
  const CARD_REQUESTER = DEFAULT_NIC.managementRequesterId;
  const FIRST_REQUESTER = DEFAULT_NIC.requesterBase;
  const CARD_DOMAIN = 1;
  const FIRST_DOMAIN = 2;
  // Pages of I/O virtual addresses begin at 2^40 bytes.
  const FIRST_IOVA = 1 << 28;
  const QUEUE_SLOTS = 2048;
  let rootTable = 0;
  let queueWords = 0;
  let statusWord = 0;
  let cardTable = 0;
  const topTable = new Int32Array(N);
  if (IOMMU) {
    rootTable = takePages(1);
    queueWords = takePages((QUEUE_SLOTS * 16) / PAGE) << 10;
    statusWord = takePages(1) << 10;
    cardTable = takePages(1);
  }
  /** The word of the last table in which the entry of a page is; tables on the way are made. */
  function tableWord(top: number, page: number): number {
    let table = top;
    for (let shift = 27; shift > 0; shift -= 9) {
      const word = (table << 10) + ((page >>> shift) & 511) * 2;
      const low = ramWords[word] ?? 0;
      if ((low & 3) !== 0) {
        table = (low >>> 12) | ((ramWords[word + 1] ?? 0) << 20);
        continue;
      }
      table = takePages(1);
      ramWords[word] = (table << 12) | READ | WRITE;
      ramWords[word + 1] = table >>> 20;
    }
    return (table << 10) + (page & 511) * 2;
  }
  function mapPage(top: number, page: number, physical: number, rights: number): void {
    const word = tableWord(top, page);
    if ((ramWords[word] ?? 0) !== 0) throw new Error('mapped already');
    ramWords[word] = (physical << 12) | rights;
    ramWords[word + 1] = physical >>> 20;
  }
  /** Takes a page out; returns what it was mapped to. */
  function unmapPage(top: number, page: number): number {
    const word = tableWord(top, page);
    const low = ramWords[word] ?? 0;
    if ((low & 3) === 0) throw new Error('not mapped');
    const physical = (low >>> 12) | ((ramWords[word + 1] ?? 0) << 20);
    ramWords[word] = 0;
    ramWords[word + 1] = 0;
    return physical;
  }
  function writeContextEntry(requester: number, domain: number, top: number): void {
    const root = (rootTable << 10) + (requester >>> 8) * 4;
    if (((ramWords[root] ?? 0) & 1) === 0) ramWords[root] = (takePages(1) << 12) | 1;
    const entry = (((ramWords[root] ?? 0) >>> 12) << 10) + (requester & 255) * 4;
    ramWords[entry + 2] = 2 | (domain << 8);
    ramWords[entry + 1] = top >>> 20;
    ramWords[entry] = (top << 12) | 1;
  }

  // Its caches: pages, requesters, and pointers to tables of three levels.
  const iotlb = new Tags(T.iotlbEntries, T.iotlbWays, 1);
  const requesters = new Tags(T.contextEntries, T.contextWays, 2);
  const pointers = [2, 3, 4].map((level) => new Tags(T.walkCacheEntries, T.walkCacheWays, 3 + level));
  const iotlbPage = new Int32Array(T.iotlbEntries);
  const iotlbRights = new Uint8Array(T.iotlbEntries);
  const requesterEntry = new Int32Array(T.contextEntries * 4);
  const pointerTable = new Int32Array(T.walkCacheEntries * 3);
  const pointerRights = new Uint8Array(T.walkCacheEntries * 3);

  // Walks that have begun: page, physical page, requester, domain, rights, what they fill, first level, then the
  // tables that were read with the rights down to each, and the requester's entry.
  const W_PAGE = 0;
  const W_PHYSICAL = 1;
  const W_REQUESTER = 2;
  const W_DOMAIN = 3;
  const W_RIGHTS = 4;
  const W_FILLS = 5;
  const W_LEVEL = 6;
  const W_TABLE = 8;
  const W_TABLE_RIGHTS = 12;
  const W_ENTRY = 16;
  const FILL_CONTEXT = 1;
  const FILL_POINTERS = 2;
  const FILL_PAGE = 4;
  const WALKS = 256;
  const walks = new Int32Array(WALKS * 32);
  const walkEndNs = new Float64Array(WALKS);
  const walkOrder = Int32Array.from({ length: WALKS }, (_, row) => row);
  let walkCount = 0;
  const walkerFreeNs = new Float64Array(T.walkers);
  const startsNs = new Float64Array(WALKS + 1);
  let startCount = 0;
  let translationNs = 0;

  /** The physical page behind a page of a requester: a context, or N for the card itself. */
  function translate(context: number, page: number, isWrite: boolean): number {
    if (walkCount > 0 && (walkEndNs[walkOrder[0] ?? 0] ?? 0) <= now) settleWalks();
    const requester = context === N ? CARD_REQUESTER : FIRST_REQUESTER + context;
    const need = isWrite ? WRITE : READ;
    translationNs = T.lookupNs;
    const cached = requesters.find(0, requester);
    let domain = -1;
    if (cached >= 0) {
      domain = ((requesterEntry[cached * 4 + 2] ?? 0) >>> 8) & 0xffff;
      const slot = iotlb.find(domain, page);
      if (slot >= 0 && ((iotlbRights[slot] ?? 0) & need) !== 0) return iotlbPage[slot] ?? 0;
    }
    for (let i = 0; i < walkCount; i += 1) {
      const row = walkOrder[i] ?? 0;
      const w = row << 5;
      if (walks[w + W_PAGE] !== page) continue;
      const fills = walks[w + W_FILLS] ?? 0;
      if ((fills & FILL_PAGE) === 0 || ((walks[w + W_RIGHTS] ?? 0) & need) === 0) continue;
      const shares =
        domain >= 0
          ? walks[w + W_DOMAIN] === domain
          : walks[w + W_REQUESTER] === requester && (fills & FILL_CONTEXT) !== 0;
      if (!shares) continue;
      translationNs = Math.max(translationNs, (walkEndNs[row] ?? 0) - now);
      return walks[w + W_PHYSICAL] ?? 0;
    }
    return startWalk(requester, cached, page, need);
  }
  function startWalk(requester: number, cached: number, page: number, need: number): number {
    if (walkCount === WALKS) throw new Error('too many walks');
    const row = walkOrder[walkCount] ?? 0;
    const w = row << 5;
    let reads = 0;
    if (cached >= 0) {
      for (let i = 0; i < 4; i += 1) walks[w + W_ENTRY + i] = requesterEntry[cached * 4 + i] ?? 0;
    } else {
      const root = (rootTable << 10) + (requester >>> 8) * 4;
      const low = ramWords[root] ?? 0;
      if ((low & 1) === 0 || (low & 0xffe) !== 0) throw new Error('root entry');
      const entry = (((low >>> 12) | ((ramWords[root + 1] ?? 0) << 20)) << 10) + (requester & 255) * 4;
      for (let i = 0; i < 4; i += 1) walks[w + W_ENTRY + i] = ramWords[entry + i] ?? 0;
      reads = 2;
    }
    const low = walks[w + W_ENTRY] ?? 0;
    const upper = walks[w + W_ENTRY + 2] ?? 0;
    if ((low & 1) === 0 || (low & 0xffe) !== 0 || (upper & 0xff000080) !== 0 || (upper & 7) !== 2)
      throw new Error('context entry');
    const domain = (upper >>> 8) & 0xffff;
    const held = cached < 0 ? iotlb.find(domain, page) : -1;
    let physical = -1;
    let levels = 0;
    if (held >= 0 && ((iotlbRights[held] ?? 0) & need) !== 0) {
      physical = iotlbPage[held] ?? 0;
      walks[w + W_FILLS] = FILL_CONTEXT;
    } else {
      let level = 4;
      let table = (low >>> 12) | ((walks[w + W_ENTRY + 1] ?? 0) << 20);
      let rights = READ | WRITE;
      for (let at = 2; at <= 4; at += 1) {
        const slot = pointers[at - 2]?.find(domain, page >>> (9 * (at - 1))) ?? -1;
        if (slot < 0) continue;
        const k = (at - 2) * T.walkCacheEntries + slot;
        if (((pointerRights[k] ?? 0) & need) === 0) continue;
        level = at - 1;
        table = pointerTable[k] ?? 0;
        rights = pointerRights[k] ?? 0;
        break;
      }
      walks[w + W_LEVEL] = level;
      for (; level > 0; level -= 1) {
        walks[w + W_TABLE + levels] = table;
        walks[w + W_TABLE_RIGHTS + levels] = rights;
        levels += 1;
        const word = (table << 10) + ((page >>> (9 * (level - 1))) & 511) * 2;
        const entry = ramWords[word] ?? 0;
        const high = ramWords[word + 1] ?? 0;
        if ((entry & need) === 0) throw new Error('no permission');
        rights &= entry;
        if ((entry & 0x880) !== 0 || (high & ~0x3fff) !== 0) throw new Error('reserved bits');
        table = (entry >>> 12) | (high << 20);
      }
      physical = table;
      walks[w + W_RIGHTS] = rights & 3;
      walks[w + W_FILLS] = FILL_CONTEXT | FILL_PAGE | (levels > 1 ? FILL_POINTERS : 0);
    }
    walks[w + W_PAGE] = page;
    walks[w + W_PHYSICAL] = physical;
    walks[w + W_REQUESTER] = requester;
    walks[w + W_DOMAIN] = domain;
    const takesNs = T.walkOverheadNs + (reads + levels) * T.tableReadNs;
    const walker = page % T.walkers;
    const startNs = startOfWalk(Math.max(now + T.lookupNs, walkerFreeNs[walker] ?? 0));
    const endNs = startNs + takesNs;
    walkerFreeNs[walker] = endNs;
    translationNs = endNs - now;
    let at = walkCount;
    while (at > 0 && (walkEndNs[walkOrder[at - 1] ?? 0] ?? 0) > endNs) {
      walkOrder[at] = walkOrder[at - 1] ?? 0;
      at -= 1;
    }
    walkOrder[at] = row;
    walkEndNs[row] = endNs;
    walkCount += 1;
    return physical;
  }
  /** The first moment from `earliestNs` on that keeps its distance to all starts that are booked. */
  function startOfWalk(earliestNs: number): number {
    const interval = T.walkIntervalNs;
    if (interval === 0) return earliestNs;
    let past = 0;
    while (past < startCount && (startsNs[past] ?? 0) <= now + T.lookupNs - interval) past += 1;
    if (past > 0) {
      startsNs.copyWithin(0, past, startCount);
      startCount -= past;
    }
    let startNs = earliestNs;
    let at = 0;
    for (; at < startCount; at += 1) {
      const booked = startsNs[at] ?? 0;
      if (booked >= startNs + interval) break;
      if (booked + interval > startNs) startNs = booked + interval;
    }
    if (startCount > WALKS) throw new Error('too many walks are booked');
    for (let i = startCount; i > at; i -= 1) startsNs[i] = startsNs[i - 1] ?? 0;
    startsNs[at] = startNs;
    startCount += 1;
    return startNs;
  }
  /** Walks that have ended enter the caches. */
  function settleWalks(): void {
    while (walkCount > 0) {
      const row = walkOrder[0] ?? 0;
      if ((walkEndNs[row] ?? 0) > now) return;
      walkCount -= 1;
      for (let i = 0; i < walkCount; i += 1) walkOrder[i] = walkOrder[i + 1] ?? 0;
      walkOrder[walkCount] = row;
      const w = row << 5;
      const fills = walks[w + W_FILLS] ?? 0;
      const domain = walks[w + W_DOMAIN] ?? 0;
      const page = walks[w + W_PAGE] ?? 0;
      if ((fills & FILL_CONTEXT) !== 0) {
        const slot = requesters.insert(0, walks[w + W_REQUESTER] ?? 0);
        for (let i = 0; i < 4; i += 1) requesterEntry[slot * 4 + i] = walks[w + W_ENTRY + i] ?? 0;
      }
      if ((fills & FILL_POINTERS) !== 0) {
        const top = walks[w + W_LEVEL] ?? 0;
        for (let level = 2; level <= top; level += 1) {
          const slot = pointers[level - 2]?.insert(domain, page >>> (9 * (level - 1))) ?? 0;
          const k = (level - 2) * T.walkCacheEntries + slot;
          const step = top - level + 1;
          pointerTable[k] = walks[w + W_TABLE + step] ?? 0;
          pointerRights[k] = walks[w + W_TABLE_RIGHTS + step] ?? 0;
        }
      }
      if ((fills & FILL_PAGE) !== 0) {
        const slot = iotlb.insert(domain, page);
        iotlbPage[slot] = walks[w + W_PHYSICAL] ?? 0;
        iotlbRights[slot] = walks[w + W_RIGHTS] ?? 0;
      }
    }
  }

  // Its queue: commands of 16 bytes in memory, and the waits behind them that are not reported.
  const Q = {
    fetchNs: QUEUE_TIMING.descriptorFetchNs.value,
    statusNs: QUEUE_TIMING.statusWriteNs.value,
  };
  const WAITS = 2 ** Math.ceil(Math.log2(QUEUE_SLOTS + N * (TX_SLOTS + 2)));
  const waits = new Int32Array(WAITS * 4);
  let waitHead = 0;
  let waitTail = 0;
  let waitNumber = 0;
  const backlog: number[] = [];
  let commandHead = 0;
  let commandTail = 0;
  let commandRuns = false;
  let commandWrites = false;
  /** When the unit will have finished what was asked for. */
  const idleAtNs = new Float64Array(1);
  function elapsedNs(): number {
    return Math.ceil((elapsed[0] ?? 0) * NS_PER_CYCLE);
  }
  function submitCommand(word0: number, word1: number, word2: number, word3: number, takesNs: number): void {
    charge(N, COST.queueInvalidation);
    const hereNs = now + elapsedNs();
    idleAtNs[0] = Math.max(idleAtNs[0] ?? 0, hereNs) + Q.fetchNs + takesNs;
    if (backlog.length > 0 || !writeCommand(word0, word1, word2, word3)) {
      backlog.push(word0, word1, word2, word3);
      feedCommands();
      return;
    }
    kickCommands();
  }
  function writeCommand(word0: number, word1: number, word2: number, word3: number): boolean {
    const next = (commandTail + 1) & (QUEUE_SLOTS - 1);
    if (next === commandHead) return false;
    const word = queueWords + commandTail * 4;
    ramWords[word] = word0;
    ramWords[word + 1] = word1;
    ramWords[word + 2] = word2;
    ramWords[word + 3] = word3;
    commandTail = next;
    return true;
  }
  function feedCommands(): void {
    let fed = 0;
    while (fed < backlog.length) {
      const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = backlog.slice(fed, fed + 4);
      if (!writeCommand(word0, word1, word2, word3)) break;
      fed += 4;
    }
    if (fed === 0) return;
    backlog.splice(0, fed);
    kickCommands();
  }
  /** The context, the page and the physical page to release when it is reported; -1 for none. */
  function submitWait(context: number, page: number, physical: number): void {
    waitNumber = (waitNumber + 1) | 0;
    const k = (waitTail & (WAITS - 1)) << 2;
    waitTail = (waitTail + 1) | 0;
    waits[k] = waitNumber;
    waits[k + 1] = context;
    waits[k + 2] = page;
    waits[k + 3] = physical;
    submitCommand(5 | 0x70, waitNumber, statusWord << 2, statusWord >>> 30, Q.statusNs);
  }
  function kickCommands(): void {
    if (commandRuns || commandHead === commandTail) return;
    commandRuns = true;
    post(Q.fetchNs, COMMAND_FETCHED, 0, 0);
  }
  function onCommandFetched(): void {
    const word = queueWords + commandHead * 4;
    const word0 = ramWords[word] ?? 0;
    const word2 = ramWords[word + 2] ?? 0;
    const domain = word0 >>> 16;
    commandWrites = false;
    let takesNs = 0;
    switch (word0 & 15) {
      case 1: {
        const requester = (ramWords[word + 1] ?? 0) & 0xffff;
        requesters.remove(0, requester);
        for (let i = 0; i < walkCount; i += 1) {
          const w = (walkOrder[i] ?? 0) << 5;
          if (walks[w + W_REQUESTER] === requester)
            walks[w + W_FILLS] = (walks[w + W_FILLS] ?? 0) & ~FILL_CONTEXT;
        }
        takesNs = T.domainInvalidationNs;
        break;
      }
      case 2: {
        const page = (word2 >>> 12) | ((ramWords[word + 3] ?? 0) << 20);
        iotlb.remove(domain, page);
        for (let level = 2; level <= 4; level += 1)
          pointers[level - 2]?.remove(domain, page >>> (9 * (level - 1)));
        for (let i = 0; i < walkCount; i += 1) {
          const w = (walkOrder[i] ?? 0) << 5;
          if (walks[w + W_DOMAIN] === domain && walks[w + W_PAGE] === page)
            walks[w + W_FILLS] = (walks[w + W_FILLS] ?? 0) & ~(FILL_PAGE | FILL_POINTERS);
        }
        takesNs = T.pageInvalidationNs;
        break;
      }
      case 5:
        commandWrites = true;
        takesNs = Q.statusNs;
        break;
      default:
        throw new Error('command');
    }
    post(takesNs, COMMAND_DONE, 0, 0);
  }
  function onCommandDone(): void {
    if (commandWrites) {
      const word = queueWords + commandHead * 4;
      ramWords[((ramWords[word + 2] ?? 0) >>> 2) + ((ramWords[word + 3] ?? 0) << 30)] =
        ramWords[word + 1] ?? 0;
      reportWaits();
    }
    commandHead = (commandHead + 1) & (QUEUE_SLOTS - 1);
    commandRuns = false;
    kickCommands();
  }
  /** The hypervisor is interrupted: what was unmapped and is in no cache any more may be used again. */
  function reportWaits(): void {
    const reached = ramWords[statusWord] ?? 0;
    while (waitHead !== waitTail) {
      const k = (waitHead & (WAITS - 1)) << 2;
      if (((reached - (waits[k] ?? 0)) | 0) < 0) break;
      waitHead = (waitHead + 1) | 0;
      const context = waits[k + 1] ?? -1;
      if (context < 0) continue;
      const physical = waits[k + 3] ?? 0;
      pins[physical] = (pins[physical] ?? 0) - 1;
      owe(COST.unpinPage);
      freeIova(context, waits[k + 2] ?? 0);
    }
    feedCommands();
  }

  // Addresses of one page each, last given back first.
  const IOVAS = 1024;
  const iovas = new Int32Array(SINGLE_USE ? N * IOVAS : 0);
  const iovaCount = new Int32Array(N);
  const nextIova = new Int32Array(N).fill(FIRST_IOVA + 4);
  function takeIova(context: number): number {
    const count = iovaCount[context] ?? 0;
    if (count > 0) {
      iovaCount[context] = count - 1;
      return iovas[context * IOVAS + count - 1] ?? 0;
    }
    const page = nextIova[context] ?? 0;
    nextIova[context] = page + 1;
    return page;
  }
  /** Likewise one or two pages, at a multiple of as many; during set-up, when none has come back. */
  function takeIovas(context: number, pages: number): number {
    const page = ((nextIova[context] ?? 0) + pages - 1) & -pages;
    nextIova[context] = page + pages;
    return page;
  }
  function freeIova(context: number, page: number): void {
    const count = iovaCount[context] ?? 0;
    if (count === IOVAS) throw new Error('too many addresses');
    iovas[context * IOVAS + count] = page;
    iovaCount[context] = count + 1;
  }
  function attachRequester(requester: number, domain: number, top: number): void {
    writeContextEntry(requester, domain, top);
    submitCommand(1 | (3 << 4) | (domain << 16), requester, 0, 0, T.domainInvalidationNs);
    submitWait(-1, 0, 0);
  }

  // ---- The card's contexts.
  const CTX = 32;
  const PRODUCER = 0;
  const REQUESTED = 1;
  const FETCHED = 2;
  const TAKEN = 3;
  const CONSUMER = 4;
  const SEQUENCE = 5;
  const TOLD = 6; // the consumer index that was written back last
  const HEAD = 7;
  const CHAIN = 8;
  const PENDING = 9;
  const TIMER = 10; // generation of the timer that runs; even while none does
  const WRITING = 11;
  const UNTOLD = 12;
  const MASKED = 13;
  const EVENTS = 14;
  const BOX = 15;
  const STATE = 16; // of the scheduler
  const NEXT = 17;
  const PREVIOUS = 18;
  const DEFICIT = 19;
  const VISITED = 20;
  const ROSTER = 21;
  const COALESCE_FRAMES = 22;
  const COALESCE_NS = 23;
  const TAIL = 24;
  const RX_BOX = 25;
  const RX_PRODUCED = 26;
  const IDLE = 0;
  const BACKLOGGED = 1;
  const KEEPING_PLACE = 2;
  const R = new Int32Array(N * CTX);
  for (let c = 0; c < N; c += 1) {
    R[c * CTX + SEQUENCE] = 1;
    R[c * CTX + COALESCE_FRAMES] = 8;
    R[c * CTX + COALESCE_NS] = 20_000;
  }
  // Descriptors land where they are kept, a slot for each: those of the transmit rings, then of the receive rings.
  const fetched = new Int32Array(N * (CACHE + BATCH) * 4);
  const statusOut = new Int32Array(N * 2);
  const counters = new Float64Array(N * 8);

  function consider(c: number): void {
    const r = c * CTX;
    for (;;) {
      const requested = R[r + REQUESTED] ?? 0;
      const ahead = (requested - (R[r + TAKEN] ?? 0)) | 0;
      const posted = ((R[r + PRODUCER] ?? 0) - requested) | 0;
      const slot = requested & (TX_SLOTS - 1);
      const untilEnd = TX_SLOTS - slot;
      const count = Math.min(posted, CACHE - ahead, untilEnd, BATCH);
      if (count <= 0) return;
      if (count < BATCH && count < untilEnd && ahead >= BATCH && (R[r + HEAD] ?? 0) > 0) return;
      R[r + REQUESTED] = (requested + count) | 0;
      dma(
        FETCH_TX,
        c,
        c,
        ringBusPage[c] ?? 0,
        slot * 16,
        count * 16,
        (c * CACHE + (requested & (CACHE - 1))) * 4,
      );
    }
  }
  function onFetched(c: number, count: number): void {
    const r = c * CTX;
    for (let i = 0; i < count; i += 1) {
      const at = R[r + FETCHED] ?? 0;
      const k = (c * CACHE + (at & (CACHE - 1))) * 4;
      const lengthFlags = fetched[k + 2] ?? 0;
      if (!IOMMU) {
        // The hypervisor writes the ring, and the card checks that each descriptor is the one behind the last.
        const sequence = R[r + SEQUENCE] ?? 0;
        if (fetched[k + 3] !== sequence) throw new Error('sequence');
        R[r + SEQUENCE] = (sequence + 1) & 0xffff;
      }
      const length = lengthFlags & 0xffff;
      if (length === 0 || length > 16_384) throw new Error('length');
      R[r + FETCHED] = (at + 1) | 0;
      R[r + TAIL] = (lengthFlags & 0x10000) !== 0 ? 0 : (R[r + TAIL] ?? 0) + length;
    }
    counters[c * 8] = (counters[c * 8] ?? 0) + count;
    const waited = (R[r + HEAD] ?? 0) > 0;
    refreshHead(c);
    if (!waited) ringScheduler(c);
    consider(c);
  }
  function refreshHead(c: number): void {
    const r = c * CTX;
    const taken = R[r + TAKEN] ?? 0;
    const available = ((R[r + FETCHED] ?? 0) - taken) | 0;
    let bytes = 0;
    for (let i = 0; i < available; i += 1) {
      const lengthFlags = fetched[(c * CACHE + ((taken + i) & (CACHE - 1))) * 4 + 2] ?? 0;
      bytes += lengthFlags & 0xffff;
      if ((lengthFlags & 0x10000) === 0) continue;
      if (bytes < 14 || bytes > 9018) throw new Error('frame length');
      R[r + HEAD] = Math.max(bytes, 60);
      R[r + CHAIN] = i + 1;
      return;
    }
    R[r + HEAD] = 0;
    R[r + CHAIN] = 0;
  }
  /** Bytes of the frame at the head; STARVED while one is posted that is not here yet; 0 while none is. */
  function headOf(r: number): number {
    const bytes = R[r + HEAD] ?? 0;
    if (bytes > 0) return bytes;
    return R[r + PRODUCER] !== R[r + FETCHED] ? STARVED : 0;
  }

  // ---- Deficit round robin over the free space of the FIFO, in bytes that the wire carries.
  const OVERHEAD = DEFAULT_NIC.overheadBytes;
  const FIFO_BYTES = DEFAULT_NIC.transmitFifoBytes;
  const QUANTUM = 1514;
  let room = FIFO_BYTES;
  let backlogged = 0;
  let deciding = true; // the first credit asks for a decision before anything else happens
  let front = -1;
  let back = -1;
  /** The starved context that decisions wait for, and the bytes of its grant. */
  let awaited = -1;
  let uncharged = 0;
  function ringScheduler(c: number): void {
    const r = c * CTX;
    if (c === awaited) {
      const bytes = headOf(r);
      if (bytes === STARVED) return;
      chargeGrant(bytes);
      requestDecision();
      return;
    }
    if (R[r + STATE] === BACKLOGGED) return;
    const bytes = headOf(r);
    if (bytes <= 0) {
      if (bytes === 0) {
        R[r + STATE] = IDLE;
        R[r + DEFICIT] = 0;
        R[r + VISITED] = 0;
      }
      return;
    }
    if (R[r + STATE] === KEEPING_PLACE) pushFront(c);
    else pushBack(c);
    R[r + STATE] = BACKLOGGED;
    backlogged += 1;
    R[r + ROSTER] = bytes + OVERHEAD;
    requestDecision();
  }
  function pushBack(c: number): void {
    R[c * CTX + NEXT] = -1;
    R[c * CTX + PREVIOUS] = back;
    if (back < 0) front = c;
    else R[back * CTX + NEXT] = c;
    back = c;
  }
  function pushFront(c: number): void {
    R[c * CTX + NEXT] = front;
    R[c * CTX + PREVIOUS] = -1;
    if (front < 0) back = c;
    else R[front * CTX + PREVIOUS] = c;
    front = c;
  }
  function unlink(c: number): void {
    const next = R[c * CTX + NEXT] ?? -1;
    const previous = R[c * CTX + PREVIOUS] ?? -1;
    if (next < 0) back = previous;
    else R[next * CTX + PREVIOUS] = previous;
    if (previous < 0) front = next;
    else R[previous * CTX + NEXT] = next;
  }
  /** The context whose visit it is. No frame is longer than two quanta, so no round passes in vain. */
  function visit(): number {
    for (;;) {
      const c = front;
      const r = c * CTX;
      if (R[r + VISITED] === 0) {
        R[r + VISITED] = 1;
        R[r + DEFICIT] = (R[r + DEFICIT] ?? 0) + QUANTUM;
      }
      if ((R[r + ROSTER] ?? 0) <= (R[r + DEFICIT] ?? 0)) return c;
      R[r + VISITED] = 0;
      if (c === back) continue;
      unlink(c);
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
      if (awaited >= 0) {
        // While granted frames are still to be sent, the starved context is waited for.
        if (room !== FIFO_BYTES || backlogged === 1) return;
        chargeGrant(STARVED);
        continue;
      }
      const c = visit();
      const r = c * CTX;
      const bytes = R[r + HEAD] ?? 0;
      if (bytes > room) return;
      room -= bytes;
      take(c, bytes);
      awaited = c;
      uncharged = bytes;
      const next = headOf(r);
      if (next !== STARVED) chargeGrant(next);
    }
  }
  function chargeGrant(next: number): void {
    const c = awaited;
    const r = c * CTX;
    awaited = -1;
    if (next > 0) {
      R[r + ROSTER] = next + OVERHEAD;
      R[r + DEFICIT] = (R[r + DEFICIT] ?? 0) - uncharged - OVERHEAD;
      return;
    }
    backlogged -= 1;
    unlink(c);
    if (next === STARVED) {
      R[r + STATE] = KEEPING_PLACE;
      R[r + DEFICIT] = (R[r + DEFICIT] ?? 0) - uncharged - OVERHEAD;
    } else {
      R[r + STATE] = IDLE;
      R[r + DEFICIT] = 0;
      R[r + VISITED] = 0;
    }
  }

  // ---- The transmit FIFO: context, reads that are not over, offset, bytes, first descriptor, chain.
  const FIFO = FIFO_BYTES + 2 * 9018;
  const fifo = new Uint8Array(FIFO);
  let fifoHead = 0;
  let fifoTail = 0;
  let fifoUsed = 0;
  const FRAMES = 512;
  const F = new Int32Array(FRAMES * 8);
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
    F[o] = c;
    F[o + 1] = chain;
    F[o + 2] = offset;
    F[o + 3] = padded;
    F[o + 4] = taken;
    F[o + 5] = chain;
    let at = offset;
    let urgent = 0;
    for (let i = 0; i < chain; i += 1) {
      const k = (c * CACHE + ((taken + i) & (CACHE - 1))) * 4;
      const low = fetched[k] ?? 0;
      const lengthFlags = fetched[k + 2] ?? 0;
      const length = lengthFlags & 0xffff;
      urgent |= (lengthFlags >>> 16) & 2;
      dma(PAYLOAD, slot, c, (low >>> 12) | ((fetched[k + 1] ?? 0) << 20), low & (PAGE - 1), length, at);
      at += length;
    }
    F[o + 6] = urgent;
    if (at < offset + padded) fifo.fill(0, at, offset + padded);
    R[r + TAKEN] = (taken + chain) | 0;
    refreshHead(c);
    consider(c);
  }
  function onRead(slot: number): void {
    const o = slot << 3;
    const left = (F[o + 1] ?? 0) - 1;
    F[o + 1] = left;
    if (left === 0 && !sending) pump();
  }
  let startNs = 0;
  function pump(): void {
    if (count === 0) return;
    const o = first << 3;
    if ((F[o + 1] ?? 0) > 0) return;
    const c = F[o] ?? 0;
    const bytes = F[o + 3] ?? 0;
    const frame = F[o + 2] ?? 0;
    const at = frame + 6;
    const source =
      ((fifo[at + 2] ?? 0) << 24) |
      ((fifo[at + 3] ?? 0) << 16) |
      ((fifo[at + 4] ?? 0) << 8) |
      (fifo[at + 5] ?? 0);
    if (source !== c + 1 || (((fifo[at] ?? 0) << 8) | (fifo[at + 1] ?? 0)) !== 0x0200)
      throw new Error('spoofed');
    if ((((fifo[at + 6] ?? 0) << 8) | (fifo[at + 7] ?? 0)) === 0x8808 || fifo[frame] === 1)
      throw new Error('for the port or for a group');
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
    const c = F[o] ?? 0;
    const r = c * CTX;
    const offset = F[o + 2] ?? 0;
    const bytes = F[o + 3] ?? 0;
    const chain = F[o + 5] ?? 0;
    const k = c * 8;
    counters[k + 1] = (counters[k + 1] ?? 0) + 1;
    counters[k + 2] = (counters[k + 2] ?? 0) + bytes;
    delivered += 1;
    deliveredBytes += bytes;
    wireBusyNs += now - startNs;
    if (tap !== undefined) tap(fifo, offset, bytes, c, now);
    R[r + CONSUMER] = ((F[o + 4] ?? 0) + chain) | 0;
    counters[k + 3] = (counters[k + 3] ?? 0) + chain;
    R[r + PENDING] = (R[r + PENDING] ?? 0) + 1;
    considerWriteBack(c, F[o + 6] ?? 0);
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

  // ---- Completions: 16 frames, 50 us, or half of the ring.
  function considerWriteBack(c: number, urgent: number): void {
    const r = c * CTX;
    const pending = R[r + PENDING] ?? 0;
    if (pending === 0 || R[r + WRITING] === 1) return;
    const untold = ((R[r + CONSUMER] ?? 0) - (R[r + TOLD] ?? 0)) | 0;
    if (urgent !== 0 || pending >= (R[r + COALESCE_FRAMES] ?? 0) || 2 * untold >= TX_SLOTS) writeBack(c);
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
    const consumer = R[r + CONSUMER] ?? 0;
    R[r + TOLD] = consumer;
    statusOut[c * 2] = consumer;
    dma(STATUS, c, c, (ringBusPage[c] ?? 0) + 2, 0, 8, 0);
  }
  function onStatus(c: number): void {
    const r = c * CTX;
    R[r + WRITING] = 0;
    R[r + UNTOLD] = R[r + MASKED] ?? 0;
    if (R[r + MASKED] === 0) requestInterrupt(c);
    considerWriteBack(c, 0);
  }

  // ---- Interrupt vectors: the vector, its index, then the message.
  const gathering = new Int32Array(vectorWords);
  const staged = new Int32Array(vectorWords);
  let vectorPage = 0;
  let anyBit = false;
  let vectorWrites = 0;
  let notBeforeNs = 0;
  let vectorProducer = 0;
  let vectorConsumer = 0;
  let gapWaiting = false;
  function requestInterrupt(c: number): void {
    counters[c * 8 + 6] = (counters[c * 8 + 6] ?? 0) + 1;
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
    vectorWrites = 3;
    anyBit = false;
    staged.set(gathering);
    gathering.fill(0);
    const at = 64 + (vectorProducer & 63) * vectorBytes;
    vectorProducer = (vectorProducer + 1) | 0;
    dma(VECTOR, 0, -1, vectorPage + (at >> 12), at & (PAGE - 1), vectorBytes, 0);
    dma(VECTOR, 1, -1, vectorPage, 0, 4, 0);
    dma(MESSAGE, 0, -1, vectorPage, 0, 4, 0);
  }
  function onVector(): void {
    vectorWrites -= 1;
    if (vectorWrites > 0) return;
    notBeforeNs = now + DEFAULT_NIC.interruptGapNs;
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
  let isrPosted = false;
  let settingUp = true;
  /** Cycles of the work that runs. In an array, since waiting makes it a fraction, which a variable would box. */
  const elapsed = new Float64Array(1);
  /** Cycles of the hypervisor that no work has spent: the next work of its core. */
  let owed = 0;
  const NS_PER_CYCLE = 1e9 / 2.4e9;
  const cycles = new Float64Array(N + 1);
  function charge(account: number, amount: number): void {
    if (settingUp) return;
    cycles[account] = (cycles[account] ?? 0) + amount;
    elapsed[0] = (elapsed[0] ?? 0) + amount;
  }
  function owe(amount: number): void {
    cycles[N] = (cycles[N] ?? 0) + amount;
    owed += amount;
    wake(0);
  }
  function wake(core: number): void {
    if (busy[core] === 1) return;
    busy[core] = 1;
    post(0, CPU, core, 0);
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
    wake(core);
  }
  function cpuPostHypervisor(work: number): void {
    hypWorks[(hypHead + hypCount) & (HYP_WORKS - 1)] = work;
    hypCount += 1;
    wake(0);
  }
  function onCpu(core: number): void {
    if (core === 0 && owed > 0) {
      elapsed[0] = owed;
      owed = 0;
    } else if (core === 0 && hypCount > 0) {
      const work = hypWorks[hypHead & (HYP_WORKS - 1)] ?? 0;
      hypHead = (hypHead + 1) | 0;
      hypCount -= 1;
      elapsed[0] = 0;
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
      elapsed[0] = 0;
      if (lastGuest[core] !== guest) {
        if ((lastGuest[core] ?? -1) >= 0) charge(N, COST.contextSwitch);
        lastGuest[core] = guest;
      }
      if (work === TRANSMIT_WORK) onTransmitWork(guest);
      else if (work === POLL_WORK) onPoll(guest);
      else onInterrupt(guest);
    }
    const ns = (elapsed[0] ?? 0) * NS_PER_CYCLE + (carryNs[core] ?? 0);
    const whole = Math.floor(ns);
    carryNs[core] = ns - whole;
    busyNs[core] = (busyNs[core] ?? 0) + whole;
    elapsed[0] = 0;
    post(whole, CPU, core, 0);
  }
  function writeRegister(account: number, target: number, value: number): void {
    charge(account, COST.doorbell);
    const leavesNs = now + Math.ceil((elapsed[0] ?? 0) * NS_PER_CYCLE);
    const bytes = REQUEST + 4;
    const alone = leavesNs + Math.ceil((bytes * PCIE_NUMERATOR) / PCIE_DENOMINATOR);
    const passedNs = Math.max(carryPcie(DOWN, bytes, now), alone);
    post(passedNs + PROPAGATION - now, REGISTER, target, value);
  }

  // ---- The hypervisor.
  let hypervisorConsumer = 0;
  const notified = new Uint8Array(N);
  function onIsr(): void {
    isrPosted = false;
    charge(N, COST.interrupt);
    const ring = vectorPage << 10;
    const producer = ramWords[ring] ?? 0;
    while (hypervisorConsumer !== producer) {
      const at = ring + ((64 + (hypervisorConsumer & 63) * vectorBytes) >> 2);
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
  // Where each posted buffer lies, and the page that the card was told.
  const postedPages = new Int32Array(N * TX_SLOTS);
  const postedBusPages = new Int32Array(N * TX_SLOTS);
  const PATTERNS = 17;
  const patterns: Uint8Array[] = [];
  for (let c = 0; c < N; c += 1) {
    G[c * GUEST + NEXT_SEQUENCE] = 1;
    for (let p = 0; p < PATTERNS; p += 1) patterns.push(makeFrame(LEN, c, p));
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
    if (ramWords[(((ringPage[c] ?? 0) + 2) << 10) + 1] !== 0) throw new Error('received');
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
    const consumer = ramWords[((ringPage[c] ?? 0) + 2) << 10] ?? 0;
    const from = G[g + RECLAIMED] ?? 0;
    const done = (consumer - from) | 0;
    if (done === 0) return;
    counters[c * 8 + 4] = (counters[c * 8 + 4] ?? 0) + done;
    charge(c, COST.reclaimPacket * done);
    if (SINGLE_USE) unmapFinished(c, from, consumer);
    G[g + RECLAIMED] = consumer;
  }
  /** One hypercall takes the buffers out of the tables, and waits until no cache knows them. */
  function unmapFinished(c: number, from: number, to: number): void {
    charge(N, COST.hypercall);
    const command = 2 | (3 << 4) | ((FIRST_DOMAIN + c) << 16);
    for (let i = from; i !== to; i = (i + 1) | 0) {
      const slot = c * TX_SLOTS + (i & (TX_SLOTS - 1));
      const page = postedBusPages[slot] ?? 0;
      const physical = unmapPage(topTable[c] ?? 0, page);
      if (physical !== postedPages[slot]) throw new Error('another page');
      charge(N, COST.unmapPage);
      submitCommand(command, 0, page << 12, page >>> 20, T.pageInvalidationNs);
      submitWait(c, page, physical);
    }
    const waitNs = (idleAtNs[0] ?? 0) - now - elapsedNs();
    if (waitNs > 0) charge(N, waitNs / NS_PER_CYCLE);
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
      const page = bufferPages[c * TX_PAGES + (slot >> 1)] ?? 0;
      if (owner[page] !== c) throw new Error('page fault');
      ram.set(frame, page * PAGE + (slot & 1) * BUFFER);
      lengths[c * TX_SLOTS + slot] = LEN;
      createdNs[c * TX_SLOTS + slot] = now;
      G[g + WRITTEN] = (written + 1) | 0;
      stored += 1;
    }
    return true;
  }
  function releaseFinished(c: number): void {
    const g = c * GUEST;
    const consumer = ramWords[((ringPage[c] ?? 0) + 2) << 10] ?? 0;
    let unpinned = G[g + UNPINNED] ?? 0;
    if (unpinned === consumer) return;
    let pages = 0;
    while (unpinned !== consumer) {
      const page = postedPages[c * TX_SLOTS + (unpinned & (TX_SLOTS - 1))] ?? 0;
      pins[page] = (pins[page] ?? 0) - 1;
      pages += 1;
      unpinned = (unpinned + 1) | 0;
    }
    G[g + UNPINNED] = unpinned;
    charge(N, COST.unpinPage * pages);
  }
  /** Hands frames over through the set-up gate: CDNA's, which pins and writes, one that maps, or none. */
  function postFrames(c: number): void {
    const g = c * GUEST;
    const from = G[g + POSTED] ?? 0;
    const to = G[g + WRITTEN] ?? 0;
    if (from === to) return;
    const frames = (to - from) | 0;
    charge(c, COST.transmitPacket * frames);
    if (protection !== 'iommu:direct-map') {
      charge(N, COST.hypercall);
      if (!SINGLE_USE) releaseFinished(c);
      for (let i = from; i !== to; i = (i + 1) | 0) {
        const slot = i & (TX_SLOTS - 1);
        const length = lengths[c * TX_SLOTS + slot] ?? 0;
        if (length <= 0 || length > 16_384) throw new Error('bad length');
        if (SINGLE_USE) charge(N, COST.validatePage);
        if (owner[bufferPages[c * TX_PAGES + (slot >> 1)] ?? 0] !== c) throw new Error('not owner');
      }
      if (!SINGLE_USE) charge(N, COST.validatePage * frames);
    }
    for (let i = from; i !== to; i = (i + 1) | 0) {
      const slot = i & (TX_SLOTS - 1);
      const page = bufferPages[c * TX_PAGES + (slot >> 1)] ?? 0;
      const k = c * TX_SLOTS + slot;
      let busPage = page;
      if (SINGLE_USE) {
        charge(N, COST.iovaAllocate);
        busPage = takeIova(c);
        mapPage(topTable[c] ?? 0, busPage, page, READ);
        pins[page] = (pins[page] ?? 0) + 1;
        charge(N, COST.mapPage);
        charge(N, COST.pinPage);
      } else if (!IOMMU) pins[page] = (pins[page] ?? 0) + 1;
      postedPages[k] = page;
      postedBusPages[k] = busPage;
      const word = ((ringPage[c] ?? 0) << 10) + slot * 4;
      const sequence = G[g + NEXT_SEQUENCE] ?? 0;
      ramWords[word] = (busPage << 12) | ((slot & 1) * BUFFER);
      ramWords[word + 1] = busPage >>> 20;
      ramWords[word + 2] = (lengths[k] ?? 0) | 0x10000;
      ramWords[word + 3] = sequence;
      G[g + NEXT_SEQUENCE] = (sequence + 1) & 0xffff;
    }
    if (!IOMMU) {
      charge(N, COST.pinPage * frames);
      armRelease(c * 2);
    }
    charge(IOMMU ? c : N, COST.writeDescriptor * frames);
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
    post(DEFAULT_NIC.decodeNs, DECODE, 0, 0);
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
          const producer = R[r + BOX] ?? 0;
          if (((producer - (R[r + CONSUMER] ?? 0)) | 0) > TX_SLOTS) throw new Error('producer');
          R[r + PRODUCER] = producer;
          consider(c);
        }
        if ((boxes & RX_PRODUCER) !== 0 && R[r + RX_PRODUCED] === 0) {
          R[r + RX_PRODUCED] = R[r + RX_BOX] ?? 0;
          // Sixteen buffers are posted once and never used: they are fetched and kept.
          dma(FETCH_RX, c, c, (ringBusPage[c] ?? 0) + 1, 0, BATCH * 16, (N * CACHE + c * BATCH) * 4);
        }
        if ((boxes & MASK) !== 0 && R[r + MASKED] === 0 && R[r + UNTOLD] === 1) {
          R[r + UNTOLD] = 0;
          requestInterrupt(c);
        }
      }
    }
  }

  // ---- Set-up: the hypervisor gives the card its ring of vectors and opens a context per guest; registers that are
  // written and read on the way take their time of the link.
  function setRegisters(writes: number): void {
    for (let write = 0; write < writes; write += 1) carryPcie(DOWN, REQUEST + 4, 0);
  }
  function readRegister(): void {
    carryPcie(DOWN, REQUEST, 0);
    dma(MESSAGE, 1, -1, 0, 0, 4, 0);
  }
  post(0, DECIDE, 0, 0);
  post(0, DECIDE, 1, 0);
  readRegister();
  vectorPage = takePages(vectorPages);
  if (IOMMU) {
    for (let page = vectorPage; page < vectorPage + vectorPages; page += 1)
      mapPage(cardTable, page, page, WRITE);
  }
  setRegisters(3);
  if (IOMMU) attachRequester(CARD_REQUESTER, CARD_DOMAIN, cardTable);
  for (let c = 0; c < N; c += 1) {
    if (IOMMU) topTable[c] = takePages(1);
    const rings = takePages(RING_PAGES);
    ringPage[c] = rings;
    if (protection === 'iommu:direct-map') mapOwn(c, rings, RING_PAGES);
    ringBusPage[c] = IOMMU ? FIRST_IOVA : rings;
    if (IOMMU)
      for (let page = 0; page < RING_PAGES; page += 1)
        mapPage(topTable[c] ?? 0, FIRST_IOVA + page, rings + page, READ | WRITE);
    setRegisters(2);
    readRegister();
    setRegisters(15);
    readRegister();
    writeRegister(c, (c << 8) | COALESCE, 16);
    writeRegister(c, (c << 8) | COALESCE, -50_000);
    if (IOMMU) attachRequester(FIRST_REQUESTER + c, FIRST_DOMAIN + c, topTable[c] ?? 0);
    for (let index = 0; index < TX_PAGES; index += 1) {
      const page = takePages(1);
      bufferPages[c * TX_PAGES + index] = page;
      owner[page] = c;
      if (protection === 'iommu:direct-map') mapOwn(c, page, 1);
      bufferNumber[page] = bufferViews.length >> 1;
      for (let at = page * PAGE; at < (page + 1) * PAGE; at += BUFFER)
        bufferViews.push(ram.subarray(at, at + LEN));
    }
    // Receive buffers lie one behind the other, some of them on two pages.
    const receive = takePages(RX_PAGES);
    owner.fill(c, receive, receive + RX_PAGES);
    if (protection === 'iommu:direct-map') mapOwn(c, receive, RX_PAGES);
    for (let s = 0; s < RX_SLOTS; s += 1) {
      const at = s * RX_BUFFER;
      const page = receive + (at >> 12);
      const pages = ((at + RX_BUFFER - 1) >> 12) - (at >> 12) + 1;
      let busPage = page;
      if (SINGLE_USE) {
        busPage = takeIovas(c, pages);
        for (let more = 0; more < pages; more += 1)
          mapPage(topTable[c] ?? 0, busPage + more, page + more, WRITE);
      }
      const word = ((rings + 1) << 10) + s * 4;
      ramWords[word] = (busPage << 12) | (at & (PAGE - 1));
      ramWords[word + 1] = busPage >>> 20;
      ramWords[word + 2] = RX_BUFFER;
      ramWords[word + 3] = s + 1;
    }
    if (!IOMMU) armRelease(c * 2 + 1);
    writeRegister(c, (c << 8) | RX_PRODUCER, RX_SLOTS);
    wantTransmit(c);
  }
  settingUp = false;
  function mapOwn(c: number, page: number, pages: number): void {
    for (let at = page; at < page + pages; at += 1) {
      mapPage(topTable[c] ?? 0, at, at, READ | WRITE);
      pins[at] = (pins[at] ?? 0) + 1;
    }
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

/** Tags of a cache by domain and page; which of a full set is evicted is drawn. */
class Tags {
  readonly #ways: number;
  readonly #sets: number;
  readonly #random: { next(): number };
  /** Domain, page, the next of the chain, and 1 while it is held. */
  readonly #tags: Int32Array;
  readonly #heads: Int32Array;
  readonly #filled: Int32Array;

  constructor(entries: number, ways: number, seed: number) {
    this.#ways = ways;
    this.#sets = entries / ways;
    this.#random = xoroshiro128plus(seed);
    this.#tags = new Int32Array(entries * 4);
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(entries * 2))).fill(-1);
    this.#filled = new Int32Array(this.#sets);
  }

  /** The slot of a tag, or -1. */
  find(domain: number, page: number): number {
    const tags = this.#tags;
    let slot = this.#heads[this.#chain(domain, page)] ?? -1;
    while (slot >= 0) {
      const t = slot << 2;
      if (tags[t + 1] === page && tags[t] === domain) return slot;
      slot = tags[t + 2] ?? -1;
    }
    return -1;
  }

  insert(domain: number, page: number): number {
    const held = this.find(domain, page);
    if (held >= 0) return held;
    const tags = this.#tags;
    const set = this.#sets === 1 ? 0 : page % this.#sets;
    let slot = set * this.#ways;
    if ((this.#filled[set] ?? 0) < this.#ways) {
      while (tags[(slot << 2) + 3] === 1) slot += 1;
    } else {
      slot += Math.floor(((this.#random.next() >>> 0) / 2 ** 32) * this.#ways);
      this.#drop(slot);
    }
    const t = slot << 2;
    const chain = this.#chain(domain, page);
    tags[t] = domain;
    tags[t + 1] = page;
    tags[t + 2] = this.#heads[chain] ?? -1;
    tags[t + 3] = 1;
    this.#heads[chain] = slot;
    this.#filled[set] = (this.#filled[set] ?? 0) + 1;
    return slot;
  }

  remove(domain: number, page: number): void {
    const slot = this.find(domain, page);
    if (slot >= 0) this.#drop(slot);
  }

  #drop(slot: number): void {
    const tags = this.#tags;
    const t = slot << 2;
    const chain = this.#chain(tags[t] ?? 0, tags[t + 1] ?? 0);
    const next = tags[t + 2] ?? -1;
    let at = this.#heads[chain] ?? -1;
    if (at === slot) this.#heads[chain] = next;
    else {
      while (tags[(at << 2) + 2] !== slot) at = tags[(at << 2) + 2] ?? -1;
      tags[(at << 2) + 2] = next;
    }
    tags[t + 3] = 0;
    const set = Math.floor(slot / this.#ways);
    this.#filled[set] = (this.#filled[set] ?? 0) - 1;
  }

  #chain(domain: number, page: number): number {
    const mixed = Math.imul(page ^ (domain << 6), 0x85ebca6b);
    return (mixed ^ (mixed >>> 15)) & (this.#heads.length - 1);
  }
}

/** A frame of a guest's traffic: addresses, type, length, who sent it, room for a count, and a payload of its pattern. */
function makeFrame(bytes: number, context: number, pattern: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  frame.set([2, 0, 0, 1, 0, 1, 2, 0]);
  for (let i = 0; i < 4; i += 1) frame[8 + i] = (context + 1) >>> (24 - 8 * i);
  frame.set([0x88, 0xb5, bytes >>> 8, bytes & 255, 0, 0], 12);
  for (let i = 0; i < 4; i += 1) frame[18 + i] = context >>> (24 - 8 * i);
  const key = mix(mix(context) + pattern);
  for (let at = 30; at < bytes; at += 1) {
    const word = mix(key + Math.imul((at - 30) >>> 2, 0x9e3779b9));
    frame[at] = word >>> (8 * ((at - 30) & 3));
  }
  return frame;
}

/** The finaliser of MurmurHash3. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Costs on the CPU, cycles: the emulator's table, since they are parameters of the model. */
const COST = {
  hypercall: COSTS.hypercall.cycles,
  validatePage: COSTS.validatePage.cycles,
  pinPage: COSTS.pinPage.cycles,
  unpinPage: COSTS.unpinPage.cycles,
  writeDescriptor: COSTS.writeDescriptor.cycles,
  mapPage: COSTS.mapPage.cycles,
  unmapPage: COSTS.unmapPage.cycles,
  iovaAllocate: COSTS.iovaAllocate.cycles,
  queueInvalidation: COSTS.queueInvalidation.cycles,
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

import { INTERRUPT_KINDS, type PciFunction, REGION_COUNT } from '../../../guests/pci/pci-function.js';
import type { EventHandle, EventKernel, HandlerId } from '../../../scheduler/event-kernel.js';
import { present } from '../../../scheduler/present.js';
import {
  type DescriptorPort,
  InterruptDescriptors,
  type ReceivedDescriptor,
} from './interrupt-descriptors.js';
import { InterruptTable, type TableMessage } from './interrupt-table.js';
import { type MappedRange, MappedRanges } from './mapped-ranges.js';
import { MessageStream } from './message-stream.js';
import {
  type CommandName,
  codeOf,
  commandOf,
  DEVICE_PCI,
  DEVICE_RESETTABLE,
  ERRNO,
  FLAG_ERROR,
  FLAG_NO_REPLY,
  fixedBytes,
  HEADER,
  HEADER_BYTES,
  IRQ_EVENTFD,
  IRQ_NORESIZE,
  MAX_TRANSFER_BYTES,
  message,
  Payload,
  REGION_READ,
  REGION_WRITE,
  TYPE_MASK,
  TYPE_REPLY,
  UNMAP_ALL,
} from './messages.js';
import { closesConnection, type SessionFault } from './session-faults.js';

/** What the session needs from the connection that carries it. */
export interface ClientConnection {
  /** Sends bytes to the client; the caller does not change them afterwards. */
  send(bytes: Uint8Array): void;
  /** Ends the connection. */
  close(reason: string): void;
  /** File descriptors that came with messages, where the connection carries them. */
  readonly descriptors?: DescriptorPort;
}

/** What the session tells of the guest's memory. */
export interface MemoryClient {
  /** A range is there for the device. False when it cannot be taken. */
  mapped(range: MappedRange): boolean;
  /** Ranges are to go; `done` is called when nothing of the device reaches them any more. */
  unmapped(ranges: readonly MappedRange[], done: () => void): void;
  /** Pages that it has mapped and unmapped so far, if each of them takes time of ours. */
  readonly changedPages: number;
}

/** What a session is made of. */
export interface SessionPlan {
  readonly kernel: EventKernel;
  readonly timers: SessionTimers;
  readonly function: PciFunction;
  readonly memory: MemoryClient;
  readonly connection: ClientConnection;
  /** Ranges that are kept for the client. */
  readonly mostRanges: number;
  /** Vectors signal descriptors that the client sends: behind an IOMMU of the guest's the MSI-X table cannot be read. */
  readonly signalsDescriptors: boolean;
  /** Told of what the client does wrong. */
  readonly fault: (fault: SessionFault) => void;
  /** The session has closed the connection. */
  readonly closed: (fault: SessionFault) => void;
}

/** Timers of all sessions: one handler each, told apart by a number. */
export interface SessionTimers {
  readonly patience: HandlerId;
  readonly readTable: HandlerId;
  /** Number of this session. */
  readonly number: number;
}

/** How long a client may take for its VERSION, and for the rest of a message, ns. */
const PATIENCE_NS = 5_000_000_000;
/** QEMU sends SET_IRQS from inside the guest's store to the MSI-X table: the table is read when that is over, ns. */
const TABLE_DELAY_NS = 1_000_000;
const MSIX = INTERRUPT_KINDS.indexOf('msix');
/** Descriptors that are kept for a message that has not come whole; as many as a message may have is said in VERSION. */
const MOST_HELD = 8;
/** Pages that a client may have mapped and unmapped before the others get their turn: its next message waits. */
export const PAGES_A_TURN = 16_384;
const TABLE_REQUEST_ID = 0xbeef;
const MAX_VERSION_BYTES = 4096;

/**
 * What the server says of itself in VERSION: what is left out has the specification's own value, which for mappings is
 * 65,535. There is no migration, so nothing is said of it.
 */
function capabilities(mostRanges: number): Uint8Array {
  const said = { max_msg_fds: MOST_HELD, max_data_xfer_size: MAX_TRANSFER_BYTES, max_dma_maps: mostRanges };
  return new TextEncoder().encode(`${JSON.stringify({ capabilities: said })}\0`);
}

/** A message that waits for the client's next turn. */
interface WaitingMessage {
  readonly bytes: Uint8Array;
  readonly descriptors: readonly ReceivedDescriptor[];
}

/** The guest is gone, or said what no client says. */
type SessionState = 'greeting' | 'ready' | 'closed';

/**
 * The server's side of one vfio-user connection: a PCI function that a virtual machine has plugged in. Time and bytes come
 * from outside, so that a session can be recorded and played again. Whatever a client sends costs only the client.
 */
export class VfioUserSession {
  readonly ranges: MappedRanges;
  readonly #plan: SessionPlan;
  readonly #stream = new MessageStream();
  readonly #interrupts: InterruptTable;
  readonly #signals: InterruptDescriptors | undefined;
  // Descriptors of a message that has not come whole, and those that came last.
  readonly #held: ReceivedDescriptor[] = [];
  #arrived: readonly ReceivedDescriptor[] = [];
  // Whole messages beyond what the client may have done in one turn.
  readonly #waiting: WaitingMessage[] = [];
  #turnEnds = 0;
  #state: SessionState = 'greeting';
  #messages = 0;
  #patience: EventHandle | undefined;
  #tableWanted = false;
  // Requests for the table that are not answered yet.
  #tablesAsked = 0;
  readonly #onMessage = (bytes: Uint8Array, ends: boolean) => {
    const descriptors = this.#held.splice(0);
    if (ends) descriptors.push(...this.#arrived);
    if (ends) this.#arrived = [];
    if (this.#waiting.length > 0 || this.#turnIsOver())
      this.#waiting.push({ bytes: bytes.slice(), descriptors });
    else this.#take(bytes, descriptors);
  };

  constructor(plan: SessionPlan) {
    this.#plan = plan;
    this.ranges = new MappedRanges(plan.mostRanges);
    const vectors = present(plan.function.interrupts[MSIX]);
    this.#interrupts = new InterruptTable(vectors);
    if (plan.signalsDescriptors && vectors > 0)
      this.#signals = new InterruptDescriptors(vectors, plan.connection.descriptors);
    this.#patience = plan.kernel.schedule(PATIENCE_NS, plan.timers.patience, plan.timers.number);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Messages that the client has sent. */
  get messages(): number {
    return this.#messages;
  }

  /**
   * Whole messages that wait for the client's next turn, which is the next call of `receive`, with bytes or without. As
   * long as there are any, nothing more should be read of it.
   */
  get waitingMessages(): number {
    return this.#waiting.length;
  }

  /** Bytes of a message that has not come whole. */
  get unfinishedBytes(): number {
    return this.#stream.unfinishedBytes;
  }

  /** Bytes have come from the client, and with the last message that begins in them, descriptors. */
  receive(bytes: Uint8Array, descriptors: readonly ReceivedDescriptor[] = []): void {
    if (this.#state === 'closed') {
      this.#release(descriptors);
      return;
    }
    const begun = this.#stream.unfinishedBytes > 0;
    const before = this.#messages;
    this.#turnEnds = this.#plan.memory.changedPages + PAGES_A_TURN;
    this.#takeWaiting();
    this.#arrived = descriptors;
    const sane = this.#stream.push(bytes, this.#onMessage);
    this.#held.push(...this.#arrived);
    this.#arrived = [];
    // What belongs to no message, or is more than any message has.
    this.#release(this.#held.splice(this.state === 'closed' ? 0 : MOST_HELD));
    if (!sane) this.fail('message-size');
    if (this.state === 'closed' || this.#state === 'greeting') return;
    // The clock runs for a message from its first byte; every message that comes whole starts it anew.
    if (this.#stream.unfinishedBytes === 0 || this.#waiting.length > 0) this.#stopPatience();
    else if (!begun || this.#messages !== before) this.#startPatience();
  }

  /** The client has taken too long. */
  onPatience(): void {
    this.#patience = undefined;
    this.fail(this.#state === 'greeting' ? 'no-version' : 'half-a-message');
  }

  /** It is time to ask for the MSI-X table. */
  onReadTable(): void {
    this.#tableWanted = false;
    if (this.#state !== 'ready') return;
    const address = this.#plan.function.msixTableAddress();
    const most = 16;
    if (address === undefined || this.#interrupts.vectors === 0 || this.#tablesAsked === most) return;
    this.#tablesAsked += 1;
    this.#command('DMA_READ', TABLE_REQUEST_ID, 0, BigInt(address), this.#interrupts.bytes);
  }

  /** The function sends an interrupt: by its MSI-X vector, or by MSI where it has set a message. */
  interrupt(vector: number): void {
    if (this.#state !== 'ready') return;
    const msi = this.#plan.function.msiMessage();
    if (msi !== undefined) this.#send({ address: BigInt(msi.address), data: msi.data + vector });
    else if (this.#signals !== undefined) this.#signals.raise(vector);
    else {
      const raised = this.#interrupts.raise(vector);
      if (raised !== undefined) this.#send(raised);
    }
  }

  /** The client has done something wrong. */
  fail(fault: SessionFault): void {
    if (this.#state === 'closed') return;
    this.#plan.fault(fault);
    if (!closesConnection(fault)) return;
    this.close();
    this.#plan.connection.close(fault);
    this.#plan.closed(fault);
  }

  /** The connection is gone: nothing is sent any more. */
  close(): void {
    this.#state = 'closed';
    this.#stopPatience();
    this.ranges.clear();
    this.#signals?.clear();
    this.#release(this.#held.splice(0));
    for (const { descriptors } of this.#waiting.splice(0)) this.#release(descriptors);
  }

  checkInvariants(): void {
    this.ranges.checkInvariants();
  }

  #turnIsOver(): boolean {
    return this.#plan.memory.changedPages >= this.#turnEnds;
  }

  #takeWaiting(): void {
    while (!this.#turnIsOver()) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#take(next.bytes, next.descriptors);
    }
  }

  #take(bytes: Uint8Array, descriptors: readonly ReceivedDescriptor[]): void {
    const kept = this.#state === 'closed' ? 0 : this.#heed(bytes, descriptors);
    this.#release(descriptors.slice(kept));
  }

  /** Returns how many of the descriptors are kept: all that SET_IRQS has given to vectors, or none. */
  #heed(bytes: Uint8Array, descriptors: readonly ReceivedDescriptor[]): number {
    this.#messages += 1;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if ((view.getUint32(HEADER.FLAGS, true) & TYPE_MASK) === TYPE_REPLY) {
      this.#onReply(bytes, view);
      return 0;
    }
    const definition = commandOf(view.getUint16(HEADER.COMMAND, true));
    const payload = bytes.subarray(HEADER_BYTES);
    if (definition?.name !== 'VERSION' && this.#state === 'greeting') {
      this.fail('version-first');
      return 0;
    }
    if (definition === undefined || definition.from === 'server') {
      this.fail('unknown-command');
      this.#refuse(view, ERRNO.ENOTSUP);
    } else if (payload.length < fixedBytes(definition)) {
      this.fail('short-payload');
      this.#refuse(view, ERRNO.EINVAL);
    } else if (definition.name === 'DEVICE_SET_IRQS') {
      return this.#setInterrupts(view, payload, descriptors);
    } else this.#obey(definition.name, view, payload, descriptors);
    return 0;
  }

  #obey(
    name: CommandName,
    view: DataView,
    payload: Uint8Array,
    descriptors: readonly ReceivedDescriptor[],
  ): void {
    const client = this.#plan.function;
    if (name === 'VERSION') this.#greet(view, payload);
    else if (name === 'DMA_MAP') this.#map(view, payload, descriptors);
    else if (name === 'DMA_UNMAP') this.#unmap(view, payload);
    else if (name === 'DEVICE_GET_INFO') {
      if (!this.#mayAnswer(view, new Payload(name, payload).number('argsz'), 16)) return;
      this.#reply(view, 16, (answer) => {
        const values = [16, DEVICE_RESETTABLE | DEVICE_PCI, REGION_COUNT, INTERRUPT_KINDS.length];
        for (const [at, value] of values.entries()) answer.setUint32(4 * at, value, true);
      });
    } else if (name === 'DEVICE_GET_REGION_INFO') this.#regionInfo(view, payload);
    else if (name === 'DEVICE_GET_IRQ_INFO') this.#interruptInfo(view, payload);
    else if (name === 'REGION_READ' || name === 'REGION_WRITE') this.#access(name, view, payload);
    else if (name === 'DEVICE_RESET') {
      client.reset();
      this.#reply(view, 0);
    } else this.#refuse(view, ERRNO.ENOTSUP);
  }

  #greet(view: DataView, payload: Uint8Array): void {
    const version = new Payload('VERSION', payload);
    if (this.#state !== 'greeting' || version.number('major') !== 0 || !isVersionData(payload.subarray(4))) {
      this.#refuse(view, ERRNO.EINVAL);
      this.fail('version');
      return;
    }
    this.#state = 'ready';
    this.#stopPatience();
    const text = capabilities(this.#plan.mostRanges);
    this.#reply(view, 4 + text.length, (answer, bytes) => {
      answer.setUint16(0, 0, true);
      answer.setUint16(2, Math.min(1, version.number('minor')), true);
      bytes.set(text, 4);
    });
  }

  #map(view: DataView, payload: Uint8Array, descriptors: readonly ReceivedDescriptor[]): void {
    const fields = new Payload('DMA_MAP', payload);
    const range = {
      address: fields.exact('address'),
      size: fields.exact('size'),
      offset: fields.exact('offset'),
      flags: fields.number('flags'),
      // Where descriptors do not come over the connection, every mapping is taken to be of the RAM file.
      backed: this.#signals === undefined || descriptors[0]?.ram === true,
    };
    if (range.size === 0n || range.address + range.size > 2n ** 64n) {
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EINVAL);
      return;
    }
    const outcome = this.ranges.add(range);
    if (outcome === 'full') {
      this.fail('too-many-mappings');
      this.#refuse(view, ERRNO.ENOSPC);
    } else if (outcome === 'overlaps') {
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EEXIST);
    } else if (!this.#plan.memory.mapped(range)) {
      this.ranges.remove(range.address, range.size);
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EINVAL);
    } else this.#reply(view, 0);
  }

  #unmap(view: DataView, payload: Uint8Array): void {
    const fields = new Payload('DMA_UNMAP', payload);
    if (!this.#mayAnswer(view, fields.number('argsz'), 24)) return;
    const all = (fields.number('flags') & UNMAP_ALL) !== 0;
    const ranges = all
      ? this.ranges.clear()
      : this.ranges.remove(fields.exact('address'), fields.exact('size'));
    if (ranges === undefined) {
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EINVAL);
      return;
    }
    const header = copyOf(view);
    const answer = payload.slice(0, 24);
    this.#plan.memory.unmapped(ranges, () => this.#reply(header, 24, (_view, bytes) => bytes.set(answer)));
  }

  /** Vectors have changed. Returns how many of the descriptors they keep. */
  #setInterrupts(view: DataView, payload: Uint8Array, descriptors: readonly ReceivedDescriptor[]): number {
    if (this.#signals === undefined) this.#wantTable();
    const kept = this.#signals === undefined ? 0 : this.#signals.set(payload, descriptors);
    if (kept === undefined) {
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EINVAL);
      return 0;
    }
    this.#reply(view, 0);
    return kept;
  }

  #release(descriptors: readonly ReceivedDescriptor[]): void {
    for (const { number } of descriptors) this.#plan.connection.descriptors?.release(number);
  }

  /** `argsz`: the client takes no longer answer. One that has no space for the fixed part is refused. */
  #mayAnswer(view: DataView, most: number, bytes: number): boolean {
    if (most >= bytes) return true;
    this.fail('short-payload');
    this.#refuse(view, ERRNO.EINVAL);
    return false;
  }

  #regionInfo(view: DataView, payload: Uint8Array): void {
    const fields = new Payload('DEVICE_GET_REGION_INFO', payload);
    if (!this.#mayAnswer(view, fields.number('argsz'), 32)) return;
    const index = fields.number('index');
    const size = this.#plan.function.regionBytes[index];
    if (size === undefined) {
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EINVAL);
      return;
    }
    this.#reply(view, 32, (answer) => {
      answer.setUint32(0, 32, true);
      answer.setUint32(4, size === 0 ? 0 : REGION_READ | REGION_WRITE, true);
      answer.setUint32(8, index, true);
      answer.setBigUint64(16, BigInt(size), true);
    });
  }

  #interruptInfo(view: DataView, payload: Uint8Array): void {
    const fields = new Payload('DEVICE_GET_IRQ_INFO', payload);
    if (!this.#mayAnswer(view, fields.number('argsz'), 16)) return;
    const index = fields.number('index');
    const count = this.#plan.function.interrupts[index];
    if (count === undefined) {
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EINVAL);
      return;
    }
    this.#reply(view, 16, (answer) => {
      answer.setUint32(0, 16, true);
      answer.setUint32(4, count === 0 ? 0 : IRQ_EVENTFD | IRQ_NORESIZE, true);
      answer.setUint32(8, index, true);
      answer.setUint32(12, count, true);
    });
  }

  #access(name: 'REGION_READ' | 'REGION_WRITE', view: DataView, payload: Uint8Array): void {
    const fields = new Payload(name, payload);
    const region = fields.number('region');
    const count = fields.number('count');
    const size = this.#plan.function.regionBytes[region];
    const isKnown = size !== undefined && count <= MAX_TRANSFER_BYTES;
    if (!isKnown || fields.exact('offset') + BigInt(count) > BigInt(size)) {
      this.fail('bad-range');
      this.#refuse(view, ERRNO.EINVAL);
      return;
    }
    const offset = fields.number('offset');
    if (name === 'REGION_READ') {
      this.#reply(view, 16 + count, (_view, bytes) => {
        bytes.set(payload.subarray(0, 16));
        this.#plan.function.read(region, offset, bytes.subarray(16));
      });
      return;
    }
    if (payload.length < 16 + count) {
      this.fail('short-payload');
      this.#refuse(view, ERRNO.EINVAL);
      return;
    }
    this.#plan.function.write(region, offset, payload.subarray(16, 16 + count));
    this.#reply(view, 16, (_view, bytes) => bytes.set(payload.subarray(0, 16)));
  }

  #onReply(bytes: Uint8Array, view: DataView): void {
    const asked = this.#tablesAsked > 0 && view.getUint16(HEADER.ID, true) === TABLE_REQUEST_ID;
    if (!asked) {
      this.fail('bad-reply');
      return;
    }
    this.#tablesAsked -= 1;
    // Behind a virtual IOMMU the table cannot be read: the client says so, and vectors wait.
    if ((view.getUint32(HEADER.FLAGS, true) & FLAG_ERROR) !== 0) return;
    if (bytes.length < HEADER_BYTES + 16 + this.#interrupts.bytes) {
      this.fail('bad-reply');
      return;
    }
    this.#interrupts.set(bytes.subarray(HEADER_BYTES + 16), (raised) => this.#send(raised));
  }

  #wantTable(): void {
    if (this.#tableWanted || this.#interrupts.vectors === 0) return;
    this.#tableWanted = true;
    const { kernel, timers } = this.#plan;
    kernel.post(TABLE_DELAY_NS, timers.readTable, timers.number);
  }

  #send({ address, data }: TableMessage): void {
    this.#command('DMA_WRITE', 1, FLAG_NO_REPLY, address, 4, data);
  }

  #command(
    name: 'DMA_READ' | 'DMA_WRITE',
    id: number,
    flags: number,
    address: bigint,
    count: number,
    data?: number,
  ): void {
    const bytes = 16 + (data === undefined ? 0 : count);
    this.#plan.connection.send(
      message(id, codeOf(name), flags, bytes, (view) => {
        view.setBigUint64(0, address, true);
        view.setBigUint64(8, BigInt(count), true);
        if (data !== undefined) view.setUint32(16, data, true);
      }),
    );
  }

  #reply(request: DataView, bytes: number, fill?: (view: DataView, bytes: Uint8Array) => void): void {
    if (this.#state === 'closed') return;
    const quiet = (request.getUint32(HEADER.FLAGS, true) & FLAG_NO_REPLY) !== 0;
    const answer = message(
      request.getUint16(HEADER.ID, true),
      request.getUint16(HEADER.COMMAND, true),
      TYPE_REPLY,
      bytes,
      fill,
    );
    if (!quiet) this.#plan.connection.send(answer);
  }

  #refuse(request: DataView, error: number): void {
    if (this.#state === 'closed' || (request.getUint32(HEADER.FLAGS, true) & FLAG_NO_REPLY) !== 0) return;
    const id = request.getUint16(HEADER.ID, true);
    const code = request.getUint16(HEADER.COMMAND, true);
    this.#plan.connection.send(message(id, code, TYPE_REPLY | FLAG_ERROR, 0, undefined, error));
  }

  #startPatience(): void {
    this.#stopPatience();
    const { kernel, timers } = this.#plan;
    this.#patience = kernel.schedule(PATIENCE_NS, timers.patience, timers.number);
  }

  #stopPatience(): void {
    if (this.#patience !== undefined) this.#plan.kernel.cancel(this.#patience);
    this.#patience = undefined;
  }
}

function copyOf(view: DataView): DataView {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(new Uint8Array(view.buffer, view.byteOffset, HEADER_BYTES));
  return new DataView(bytes.buffer);
}

/** Version data is a JSON object with a NUL behind it, or nothing at all. */
function isVersionData(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  if (bytes.length > MAX_VERSION_BYTES || bytes[bytes.length - 1] !== 0) return false;
  try {
    const data: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(0, -1)));
    return typeof data === 'object' && data !== null;
  } catch {
    return false;
  }
}

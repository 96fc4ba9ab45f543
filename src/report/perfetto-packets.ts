import { absent } from '../../scheduler/present.js';
import type { OutputFile } from './output-file.js';
import {
  endMessage,
  fixed64Key,
  lengthDelimitedKey,
  MOST_KEY_BYTES,
  MOST_LENGTH_BYTES,
  MOST_VARINT_BYTES,
  putDouble,
  putFixed64,
  putTextField,
  putVarint,
  putVarintField,
  varintKey,
} from './protobuf-bytes.js';
import type { TraceArguments, TraceFlows } from './timeline-writer.js';
import { MOST_BYTES_PER_UNIT } from './utf8.js';

// Field numbers of perfetto/protos/perfetto/trace: trace.proto, trace_packet.proto, interned_data.proto and
// track_event/*.proto. They are part of the format and do not change.
const TRACE = { packet: lengthDelimitedKey(1) } as const;
const PACKET = {
  timestamp: varintKey(8),
  sequenceId: varintKey(10),
  trackEvent: lengthDelimitedKey(11),
  internedData: lengthDelimitedKey(12),
  sequenceFlags: varintKey(13),
  trackDescriptor: lengthDelimitedKey(60),
} as const;
const DESCRIPTOR = {
  uuid: varintKey(1),
  name: lengthDelimitedKey(2),
  parent: varintKey(5),
  counter: lengthDelimitedKey(8),
  childOrdering: varintKey(11),
  rank: varintKey(12),
} as const;
const EVENT = {
  annotation: lengthDelimitedKey(4),
  type: varintKey(9),
  name: varintKey(10),
  track: varintKey(11),
  counterValue: varintKey(30),
  flow: fixed64Key(47),
  lastFlow: fixed64Key(48),
} as const;
const ANNOTATION = {
  name: varintKey(1),
  boolValue: varintKey(2),
  intValue: varintKey(4),
  doubleValue: fixed64Key(5),
  stringValue: lengthDelimitedKey(6),
} as const;
const INTERNED = { eventNames: lengthDelimitedKey(2), annotationNames: lengthDelimitedKey(3) } as const;
const NAME = { id: varintKey(1), text: lengthDelimitedKey(2) } as const;

/** How an event stands on its track. */
export const SLICE_BEGIN = 1;
const SLICE_END = 2;
export const INSTANT = 3;
export const COUNTER = 4;
/** Children are shown by their rank. */
const EXPLICIT_ORDER = 3;
const STATE_CLEARED = 1;
const NEEDS_STATE = 2;
/** All packets come from one writer. */
const SEQUENCE = 1;
const NO_FIELDS = '';

/** Bytes of a packet without what its names, flows and annotations take, and of a flow and an annotation without its text, at most. */
const FIELD_BYTES = MOST_KEY_BYTES + MOST_VARINT_BYTES;
const PACKET_BYTES = 3 * (MOST_KEY_BYTES + MOST_LENGTH_BYTES) + 8 * FIELD_BYTES;
const FLOW_BYTES = MOST_KEY_BYTES + 8;
const ANNOTATION_BYTES = MOST_KEY_BYTES + MOST_LENGTH_BYTES + 2 * FIELD_BYTES;

/** Bytes that are gathered before they go to the file. */
const BLOCK_BYTES = 1 << 16;
const NO_NAME = 0;
const NO_FLOWS: TraceFlows = { ids: [] };

/** A track, as it is made known before its first event. */
export interface TrackDescriptor {
  readonly uuid: number;
  readonly name: string;
  /** 0: none. */
  readonly parent: number;
  readonly isCounter: boolean;
  readonly rank: number;
}

/**
 * The packets of a `Trace` of Perfetto, byte by byte: tracks, names, and events, which name both by number. Nothing is
 * allocated for an event whose names are known. Bytes are gathered and go to the file in blocks.
 */
export class PerfettoPackets {
  /** Of the next event of kind COUNTER. */
  counterValue = 0;
  readonly #file: OutputFile;
  #bytes = new Uint8Array(BLOCK_BYTES);
  #end = 0;
  readonly #names = new Map<string, number>();
  readonly #annotations = new Annotations();

  constructor(file: OutputFile) {
    this.#file = file;
    this.#endPacket(putSequence(this.#bytes, this.#beginPacket(0), STATE_CLEARED));
  }

  track({ uuid, name, parent, isCounter, rank }: TrackDescriptor): void {
    let at = this.#beginPacket(name.length * MOST_BYTES_PER_UNIT);
    const bytes = this.#bytes;
    at = putVarintField(bytes, at, PACKET.sequenceId, SEQUENCE);
    const descriptor = putVarint(bytes, at, PACKET.trackDescriptor);
    at = putVarintField(bytes, descriptor + 1, DESCRIPTOR.uuid, uuid);
    at = putTextField(bytes, at, DESCRIPTOR.name, name);
    if (parent > 0) at = putVarintField(bytes, at, DESCRIPTOR.parent, parent);
    if (isCounter) at = putTextField(bytes, at, DESCRIPTOR.counter, NO_FIELDS);
    at = putVarintField(bytes, at, DESCRIPTOR.childOrdering, EXPLICIT_ORDER);
    at = putVarintField(bytes, at, DESCRIPTOR.rank, rank);
    this.#endPacket(endMessage(bytes, descriptor, at));
  }

  /** @throws RangeError for times and arguments that no event can have */
  event(
    type: number,
    track: number,
    name: string | undefined,
    atNs: number,
    args: TraceArguments | undefined,
    flows: TraceFlows = NO_FLOWS,
  ): void {
    requireTime(atNs);
    // Names come first: each has a packet of its own when it is new.
    const nameNumber = name === undefined ? NO_NAME : this.#nameOf(name);
    if (args !== undefined) this.#note(args);
    const { ids } = flows;
    let room = ids.length * FLOW_BYTES;
    if (args !== undefined) room += this.#annotations.bytes;
    const start = this.#beginPacket(room);
    const bytes = this.#bytes;
    bytes[start] = PACKET.timestamp;
    let at = putSequence(bytes, putVarint(bytes, start + 1, atNs), NEEDS_STATE);
    bytes[at] = PACKET.trackEvent;
    const event = at + 1;
    at = putTypeAndTrack(bytes, event + 1, type, track);
    if (nameNumber !== NO_NAME) {
      bytes[at] = EVENT.name;
      at = putVarint(bytes, at + 1, nameNumber);
    }
    if (type === COUNTER) at = putVarintField(bytes, at, EVENT.counterValue, this.counterValue);
    if (ids.length > 0) at = putFlows(bytes, at, flows.end === true ? EVENT.lastFlow : EVENT.flow, ids);
    if (args !== undefined) at = this.#annotations.put(bytes, at);
    this.#endPacket(endMessage(bytes, event, at));
  }

  /** The end of what began last on a track: an event that has no name and says nothing, as nearly half of all are. */
  end(track: number, atNs: number): void {
    requireTime(atNs);
    const start = this.#beginPacket(0);
    const bytes = this.#bytes;
    bytes[start] = PACKET.timestamp;
    const at = putSequence(bytes, putVarint(bytes, start + 1, atNs), NEEDS_STATE);
    bytes[at] = PACKET.trackEvent;
    this.#endPacket(endMessage(bytes, at + 1, putTypeAndTrack(bytes, at + 2, SLICE_END, track)));
  }

  /** Puts numbers in the place of the names of arguments. */
  #note(args: TraceArguments): void {
    const annotations = this.#annotations;
    annotations.clear();
    for (const key in args) {
      const value = args[key];
      if (typeof value === 'number' && !Number.isFinite(value))
        throw new RangeError(`trace argument ${key} is ${value}, expected a finite number`);
      annotations.add(this.#nameOf(key), value ?? false);
    }
  }

  /** The number of a name, which is written down when it is first used, as one for events and one for arguments. */
  #nameOf(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const id = this.#names.size + 1;
    this.#names.set(name, id);
    let at = this.#beginPacket(2 * (ANNOTATION_BYTES + name.length * MOST_BYTES_PER_UNIT));
    const bytes = this.#bytes;
    at = putSequence(bytes, at, NEEDS_STATE);
    bytes[at] = PACKET.internedData;
    const interned = at + 1;
    at = putName(bytes, interned + 1, INTERNED.eventNames, id, name);
    at = putName(bytes, at, INTERNED.annotationNames, id, name);
    this.#endPacket(endMessage(bytes, interned, at));
    return id;
  }

  /** Where the fields of a packet begin, which has so many bytes beside those that each has. */
  #beginPacket(bytes: number): number {
    if (this.#end + PACKET_BYTES + bytes > this.#bytes.length) this.#makeRoom(PACKET_BYTES + bytes);
    this.#bytes[this.#end] = TRACE.packet;
    return this.#end + 2;
  }

  #endPacket(at: number): void {
    this.#end = endMessage(this.#bytes, this.#end + 1, at);
  }

  #makeRoom(bytes: number): void {
    this.flush();
    if (bytes > this.#bytes.length) this.#bytes = new Uint8Array(bytes);
  }

  /** Everything so far goes to the file. */
  flush(): void {
    const file = this.#file;
    for (let done = 0; done < this.#end; done += BLOCK_BYTES) {
      const piece = this.#bytes.subarray(done, Math.min(this.#end, done + BLOCK_BYTES));
      file.buffer.set(piece, file.reserve(piece.length));
      file.advance(piece.length);
    }
    this.#end = 0;
  }
}

/** What an event says beside its name: the one that is being written. What earlier ones said stays behind the end. */
class Annotations {
  readonly #names: number[] = [];
  readonly #values: (string | number | boolean)[] = [];
  #count = 0;
  /** Bytes that they take at most. */
  bytes = 0;

  clear(): void {
    this.#count = 0;
    this.bytes = 0;
  }

  add(name: number, value: string | number | boolean): void {
    this.#names[this.#count] = name;
    this.#values[this.#count] = value;
    this.#count += 1;
    this.bytes += ANNOTATION_BYTES;
    if (typeof value === 'string') this.bytes += value.length * MOST_BYTES_PER_UNIT;
  }

  put(bytes: Uint8Array, start: number): number {
    let at = start;
    for (let index = 0; index < this.#count; index += 1) {
      bytes[at] = EVENT.annotation;
      const lengthAt = at + 1;
      bytes[lengthAt + 1] = ANNOTATION.name;
      at = putVarint(bytes, lengthAt + 2, this.#names[index] ?? absent());
      at = endMessage(bytes, lengthAt, putValue(bytes, at, this.#values[index] ?? absent()));
    }
    return at;
  }
}

function requireTime(atNs: number): void {
  if (!(Number.isSafeInteger(atNs) && atNs >= 0))
    throw new RangeError(`time is ${atNs} ns, expected a whole number, 0 or more`);
}

function putTypeAndTrack(bytes: Uint8Array, at: number, type: number, track: number): number {
  bytes[at] = EVENT.type;
  bytes[at + 1] = type;
  bytes[at + 2] = EVENT.track;
  return putVarint(bytes, at + 3, track);
}

function putValue(bytes: Uint8Array, at: number, value: string | number | boolean): number {
  if (typeof value === 'number' && value === value >>> 0) {
    bytes[at] = ANNOTATION.intValue;
    return putVarint(bytes, at + 1, value);
  }
  if (typeof value === 'string') return putTextField(bytes, at, ANNOTATION.stringValue, value);
  if (typeof value === 'boolean') return putVarintField(bytes, at, ANNOTATION.boolValue, value ? 1 : 0);
  if (Number.isSafeInteger(value)) return putVarintField(bytes, at, ANNOTATION.intValue, value);
  return putDouble(bytes, putVarint(bytes, at, ANNOTATION.doubleValue), value);
}

function putFlows(bytes: Uint8Array, start: number, key: number, ids: readonly number[]): number {
  let at = start;
  // By index: an iterator would allocate each of them.
  for (let index = 0; index < ids.length; index += 1) {
    const id = ids[index] ?? absent();
    at = putFixed64(bytes, putVarint(bytes, at, key), id | 0, Math.floor(id / 2 ** 32));
  }
  return at;
}

function putSequence(bytes: Uint8Array, at: number, flags: number): number {
  bytes[at] = PACKET.sequenceId;
  bytes[at + 1] = SEQUENCE;
  bytes[at + 2] = PACKET.sequenceFlags;
  bytes[at + 3] = flags;
  return at + 4;
}

function putName(bytes: Uint8Array, at: number, key: number, id: number, name: string): number {
  bytes[at] = key;
  const end = putTextField(bytes, putVarintField(bytes, at + 2, NAME.id, id), NAME.text, name);
  return endMessage(bytes, at + 1, end);
}

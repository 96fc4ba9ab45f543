import { PbfWriter } from 'pbf';
import { present } from '../../scheduler/present.js';
import type { OutputFile } from './output-file.js';
import type {
  TimelineWriter,
  TraceArguments,
  TraceFlows,
  TraceProcess,
  TraceTrack,
} from './timeline-writer.js';

// Field numbers of perfetto/protos/perfetto/trace: trace.proto, trace_packet.proto, interned_data.proto and
// track_event/*.proto. They are part of the format and do not change.
const TRACE = { packet: 1 } as const;
const PACKET = {
  timestamp: 8,
  sequenceId: 10,
  trackEvent: 11,
  internedData: 12,
  sequenceFlags: 13,
  trackDescriptor: 60,
} as const;
const DESCRIPTOR = { uuid: 1, name: 2, parent: 5, counter: 8, childOrdering: 11, rank: 12 } as const;
const EVENT = {
  annotation: 4,
  type: 9,
  name: 10,
  track: 11,
  counterValue: 30,
  flow: 47,
  lastFlow: 48,
} as const;
const ANNOTATION = { name: 1, boolValue: 2, intValue: 4, doubleValue: 5, stringValue: 6 } as const;
const INTERNED = { eventNames: 2, annotationNames: 3 } as const;
const NAME = { id: 1, text: 2 } as const;

const SLICE_BEGIN = 1;
const SLICE_END = 2;
const INSTANT = 3;
const COUNTER = 4;
/** Children are shown by their rank. */
const EXPLICIT_ORDER = 3;
const STATE_CLEARED = 1;
const NEEDS_STATE = 2;
/** All packets come from one writer. */
const SEQUENCE = 1;

/** The fields sequenceId and sequenceFlags of an event, which are always these four bytes: tag, value, tag, value. */
const SEQUENCE_FIELDS =
  (PACKET.sequenceId << 3) | (SEQUENCE << 8) | ((PACKET.sequenceFlags << 3) << 16) | (NEEDS_STATE << 24);

/** Bytes that are gathered before they go to the file. */
const BLOCK_BYTES = 1 << 16;
const NO_NAME = 0;
const NO_FLOWS: TraceFlows = { ids: [] };

/** What is in a state at one time: lanes of a track, each a track of its own that the viewer draws among the others. */
interface Lanes {
  readonly of: Map<number, number>;
  readonly free: number[];
}

/**
 * Writes a timeline in Perfetto's own format, a protobuf `Trace`: a third of the bytes of the JSON, and of the time.
 * Names are interned. Things that overlap on one track are laid out on lanes, child tracks of the same name, which
 * the viewer shows as one.
 */
export class PerfettoStream implements TimelineWriter {
  readonly path: string;
  readonly #file: OutputFile;
  readonly #out = new PbfWriter(new Uint8Array(BLOCK_BYTES + 4096));
  readonly #names = new Map<string, number>();
  /** By number. 0 stands for no parent, and 1 is not given out either: no caller has added them. */
  readonly #trackNames: (string | undefined)[] = [undefined, undefined];
  readonly #lanes: (Lanes | undefined)[] = [];
  /** Tracks of counters, by process, name and key. */
  readonly #counters: (Map<string, Map<string, number>> | undefined)[] = [];
  readonly #ranks: number[] = [];
  readonly #event = new TrackEvent();

  /** @param about facts of the whole run (seed, scenario), shown as an event at its start. */
  constructor(file: OutputFile, about: TraceArguments = {}) {
    this.path = file.path;
    this.#file = file;
    this.#out.writeMessage(TRACE.packet, writeFirstPacket, undefined);
    if (Object.keys(about).length === 0) return;
    const run = this.#descriptor('run', 0);
    this.instant(run, 'run', 0, about);
  }

  addProcess(name: string): TraceProcess {
    return this.#descriptor(name, 0);
  }

  addTrack(process: TraceProcess, name: string): TraceTrack {
    this.#requireProcess(process);
    return this.#descriptor(name, process);
  }

  complete(
    track: TraceTrack,
    name: string,
    startNs: number,
    durationNs: number,
    args?: TraceArguments,
    flows?: TraceFlows,
  ): void {
    this.#write(SLICE_BEGIN, track, name, startNs, args, flows);
    this.#write(SLICE_END, track, undefined, startNs + durationNs, undefined);
  }

  instant(track: TraceTrack, name: string, atNs: number, args?: TraceArguments, flows?: TraceFlows): void {
    this.#write(INSTANT, track, name, atNs, args, flows);
  }

  /** @param values whole numbers, which is what the format counts in */
  counter(process: TraceProcess, name: string, atNs: number, values: Readonly<Record<string, number>>): void {
    for (const key in values) {
      const value = present(values[key]);
      if (!Number.isSafeInteger(value))
        throw new RangeError(`counter ${name} has ${key} ${value}, expected a whole number`);
      const track = this.#counters[process]?.get(name)?.get(key) ?? this.#addCounter(process, name, key);
      this.#event.counterValue = value;
      this.#write(COUNTER, track, undefined, atNs, undefined);
    }
  }

  enterState(track: TraceTrack, id: number, name: string, atNs: number, args?: TraceArguments): void {
    const lanes = this.#lanesOf(track);
    let lane = lanes.of.get(id);
    if (lane === undefined) {
      lane = lanes.free.pop() ?? this.#descriptor(this.#nameOfTrack(track), track);
      lanes.of.set(id, lane);
    } else this.#write(SLICE_END, lane, undefined, atNs, undefined);
    this.#write(SLICE_BEGIN, lane, name, atNs, args);
  }

  leaveState(track: TraceTrack, id: number, atNs: number): void {
    const lanes = this.#lanesOf(track);
    const lane = lanes.of.get(id);
    if (lane === undefined) return;
    lanes.of.delete(id);
    lanes.free.push(lane);
    this.#write(SLICE_END, lane, undefined, atNs, undefined);
  }

  close(): void {
    this.seal();
    this.#file.commit();
  }

  seal(): void {
    this.#flush();
    this.#file.seal();
  }

  get file(): OutputFile {
    return this.#file;
  }

  abort(): void {
    this.#file.abort();
  }

  #requireProcess(process: TraceProcess): void {
    if (this.#trackNames[process] === undefined)
      throw new RangeError(`${this.path}: process ${process} was not added`);
  }

  #nameOfTrack(track: TraceTrack): string {
    const name = this.#trackNames[track];
    if (name === undefined) throw new RangeError(`${this.path}: track ${track} was not added`);
    return name;
  }

  #lanesOf(track: TraceTrack): Lanes {
    const known = this.#lanes[track];
    if (known !== undefined) return known;
    this.#nameOfTrack(track);
    const lanes = { of: new Map<number, number>(), free: [] };
    while (this.#lanes.length <= track) this.#lanes.push(undefined);
    this.#lanes[track] = lanes;
    return lanes;
  }

  #addCounter(process: TraceProcess, name: string, key: string): number {
    this.#requireProcess(process);
    const track = this.#descriptor(name, process, true);
    const ofProcess = this.#counters[process] ?? new Map<string, Map<string, number>>();
    this.#counters[process] = ofProcess;
    const ofName = ofProcess.get(name) ?? new Map<string, number>();
    ofProcess.set(name, ofName.set(key, track));
    return track;
  }

  #descriptor(name: string, parent: number, isCounter = false): number {
    const uuid = this.#trackNames.length;
    this.#trackNames.push(name);
    // 0: the first track of its parent.
    const rank = this.#ranks[parent] ?? 0;
    this.#ranks[parent] = rank + 1;
    this.#out.writeMessage(TRACE.packet, writeDescriptorPacket, { uuid, name, parent, isCounter, rank });
    if (this.#out.pos > BLOCK_BYTES) this.#flush();
    return uuid;
  }

  #write(
    type: number,
    track: number,
    name: string | undefined,
    atNs: number,
    args: TraceArguments | undefined,
    flows: TraceFlows = NO_FLOWS,
  ): void {
    if (!(Number.isSafeInteger(atNs) && atNs >= 0))
      throw new RangeError(`time is ${atNs} ns, expected a whole number, 0 or more`);
    this.#nameOfTrack(track);
    const event = this.#event;
    event.type = type;
    event.track = track;
    event.name = name === undefined ? NO_NAME : this.#nameOf(name);
    event.atNs = atNs;
    event.flows = flows;
    let annotations = 0;
    if (args !== undefined) {
      for (const key in args) {
        const value = args[key];
        if (typeof value === 'number' && !Number.isFinite(value))
          throw new RangeError(`trace argument ${key} is ${value}, expected a finite number`);
        event.annotations[annotations] = this.#nameOf(key);
        event.annotations[annotations + 1] = value ?? false;
        annotations += 2;
      }
    }
    event.annotationsEnd = annotations;
    this.#out.writeMessage(TRACE.packet, writeEventPacket, event);
    if (this.#out.pos > BLOCK_BYTES) this.#flush();
  }

  /** The number of a name, which is written down when it is first used, as one for events and one for arguments. */
  #nameOf(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const id = this.#names.size + 1;
    this.#names.set(name, id);
    this.#out.writeMessage(TRACE.packet, writeNamePacket, { id, name });
    return id;
  }

  #flush(): void {
    const bytes = this.#out.buf.subarray(0, this.#out.pos);
    for (let done = 0; done < bytes.length; ) {
      const piece = bytes.subarray(done, done + BLOCK_BYTES);
      this.#file.buffer.set(piece, this.#file.reserve(piece.length));
      this.#file.advance(piece.length);
      done += piece.length;
    }
    this.#out.pos = 0;
  }
}

/** The event that is being written: one for all. */
class TrackEvent {
  type = 0;
  track = 0;
  name = NO_NAME;
  atNs = 0;
  counterValue = 0;
  flows: TraceFlows = NO_FLOWS;
  /** Number of the name and value, in turns; those of earlier events stay behind the end. */
  readonly annotations: (string | number | boolean)[] = [];
  annotationsEnd = 0;
  at = 0;
}

function writeFirstPacket(_: undefined, out: PbfWriter): void {
  out.writeVarintField(PACKET.sequenceId, SEQUENCE);
  out.writeVarintField(PACKET.sequenceFlags, STATE_CLEARED);
}

function writeEventPacket(event: TrackEvent, out: PbfWriter): void {
  out.writeVarintField(PACKET.timestamp, event.atNs);
  out.writeFixed32(SEQUENCE_FIELDS);
  out.writeMessage(PACKET.trackEvent, writeEvent, event);
}

function writeEvent(event: TrackEvent, out: PbfWriter): void {
  out.writeVarintField(EVENT.type, event.type);
  out.writeVarintField(EVENT.track, event.track);
  if (event.name !== NO_NAME) out.writeVarintField(EVENT.name, event.name);
  if (event.type === COUNTER) out.writeVarintField(EVENT.counterValue, event.counterValue);
  const flowField = event.flows.end === true ? EVENT.lastFlow : EVENT.flow;
  for (const flow of event.flows.ids) out.writeFixed64Field(flowField, flow);
  for (event.at = 0; event.at < event.annotationsEnd; event.at += 2)
    out.writeMessage(EVENT.annotation, writeAnnotation, event);
}

function writeAnnotation(event: TrackEvent, out: PbfWriter): void {
  out.writeVarintField(ANNOTATION.name, Number(event.annotations[event.at]));
  const value = event.annotations[event.at + 1] ?? false;
  if (typeof value === 'string') out.writeStringField(ANNOTATION.stringValue, value);
  else if (typeof value === 'boolean') out.writeBooleanField(ANNOTATION.boolValue, value);
  else if (Number.isSafeInteger(value)) out.writeVarintField(ANNOTATION.intValue, value);
  else out.writeDoubleField(ANNOTATION.doubleValue, value);
}

interface Descriptor {
  readonly uuid: number;
  readonly name: string;
  readonly parent: number;
  readonly isCounter: boolean;
  readonly rank: number;
}

function writeDescriptorPacket(descriptor: Descriptor, out: PbfWriter): void {
  out.writeVarintField(PACKET.sequenceId, SEQUENCE);
  out.writeMessage(PACKET.trackDescriptor, writeDescriptor, descriptor);
}

function writeDescriptor({ uuid, name, parent, isCounter, rank }: Descriptor, out: PbfWriter): void {
  out.writeVarintField(DESCRIPTOR.uuid, uuid);
  out.writeStringField(DESCRIPTOR.name, name);
  if (parent > 0) out.writeVarintField(DESCRIPTOR.parent, parent);
  if (isCounter) out.writeMessage(DESCRIPTOR.counter, writeNothing, undefined);
  out.writeVarintField(DESCRIPTOR.childOrdering, EXPLICIT_ORDER);
  out.writeVarintField(DESCRIPTOR.rank, rank);
}

interface Name {
  readonly id: number;
  readonly name: string;
}

function writeNamePacket(name: Name, out: PbfWriter): void {
  out.writeVarintField(PACKET.sequenceId, SEQUENCE);
  out.writeVarintField(PACKET.sequenceFlags, NEEDS_STATE);
  out.writeMessage(PACKET.internedData, writeInterned, name);
}

function writeInterned(name: Name, out: PbfWriter): void {
  out.writeMessage(INTERNED.eventNames, writeName, name);
  out.writeMessage(INTERNED.annotationNames, writeName, name);
}

function writeName({ id, name }: Name, out: PbfWriter): void {
  out.writeVarintField(NAME.id, id);
  out.writeStringField(NAME.text, name);
}

function writeNothing(): void {}

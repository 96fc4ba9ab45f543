import { InvariantViolation } from '../../scheduler/errors.js';
import { tally } from '../../scheduler/tally.js';
import { AtomicFile } from './atomic-file.js';
import type {
  TimelineWriter,
  TraceArguments,
  TraceFlows,
  TraceProcess,
  TraceTrack,
} from './timeline-writer.js';

const CATEGORY = 'cdna';
/** Names come from a small vocabulary; this many of them are kept quoted. */
const MAX_QUOTED = 4096;

/**
 * Writes a timeline for Perfetto (ui.perfetto.dev) or chrome://tracing: the JSON of Google's "Trace Event Format".
 *
 * All times are given in whole ns of virtual time. The format counts in microseconds, so they are written with
 * three decimals, by integer arithmetic: no nanosecond is lost. Events may be written in any order of time.
 *
 * The file appears when it is closed, whole; `abort` leaves nothing. @throws OutputFileError from every method
 * that writes.
 */
export class TraceWriter implements TimelineWriter {
  readonly path: string;
  readonly #file: AtomicFile;
  readonly #quoted = new Map<string, string>();
  readonly #trackHeads: string[] = [];
  readonly #tracksOfProcess: number[] = [];
  readonly #openSpans = new Map<string, number>();
  /** The state that each thing is in, by track and number. */
  readonly #states = new Map<string, string>();
  /** Flows that have begun and not ended. */
  readonly #flows = new Set<number>();
  #isFirst = true;

  /** @param about facts of the whole run (seed, scenario), shown by the viewer. */
  constructor(path: string, about: TraceArguments = {}) {
    this.path = path;
    this.#file = new AtomicFile(path);
    this.#file.text(`{"displayTimeUnit":"ns","otherData":${argumentsOf(about)},"traceEvents":[`);
  }

  /** Spans that were begun and not yet ended; a viewer draws those to the end of the trace. */
  get openSpans(): number {
    let count = 0;
    for (const depth of this.#openSpans.values()) count += depth;
    return count;
  }

  /** A group of tracks; groups are shown in the order in which they are added. */
  addProcess(name: string): TraceProcess {
    this.#tracksOfProcess.push(0);
    const process = this.#tracksOfProcess.length;
    this.#metadata(`"pid":${process}`, 'process_name', `"name":${this.#quote(name)}`);
    this.#metadata(`"pid":${process}`, 'process_sort_index', `"sort_index":${process}`);
    return process;
  }

  /** A row of its own in a group; rows are shown in the order in which they are added. */
  addTrack(process: TraceProcess, name: string): TraceTrack {
    const thread = (this.#tracksOfProcess[process - 1] ?? Number.NaN) + 1;
    if (Number.isNaN(thread)) throw new RangeError(`${this.path}: process ${process} was not added`);
    this.#tracksOfProcess[process - 1] = thread;
    const head = `"pid":${process},"tid":${thread}`;
    this.#metadata(head, 'thread_name', `"name":${this.#quote(name)}`);
    this.#metadata(head, 'thread_sort_index', `"sort_index":${thread}`);
    this.#trackHeads.push(head);
    return this.#trackHeads.length - 1;
  }

  /** Something that lasted. On one track such events must nest: for those that overlap there are spans. */
  complete(
    track: TraceTrack,
    name: string,
    startNs: number,
    durationNs: number,
    args?: TraceArguments,
    flows?: TraceFlows,
  ): void {
    this.#event('X', track, name, startNs, `,"dur":${microseconds(durationNs)}`, args);
    this.#flow(track, startNs, flows);
  }

  /** Something that happened at an instant. */
  instant(track: TraceTrack, name: string, atNs: number, args?: TraceArguments, flows?: TraceFlows): void {
    this.#event('i', track, name, atNs, ',"s":"t"', args);
    this.#flow(track, atNs, flows);
  }

  /** Values that hold from `atNs` on, drawn as a graph, stacked when there are several. */
  counter(process: TraceProcess, name: string, atNs: number, values: Readonly<Record<string, number>>): void {
    if (this.#tracksOfProcess[process - 1] === undefined) {
      throw new RangeError(`${this.path}: process ${process} was not added`);
    }
    const head = `"name":${this.#quote(name)},"ph":"C","ts":${microseconds(atNs)},"pid":${process}`;
    this.#write(`{${head},"args":${argumentsOf(values)}}`);
  }

  /**
   * Begins a span that may overlap others of its track: the life of one descriptor, say. Spans with the same `id`
   * nest; others run beside them.
   */
  spanBegin(track: TraceTrack, id: number, name: string, atNs: number, args?: TraceArguments): void {
    const key = `${track}:${id}`;
    tally(this.#openSpans, key);
    this.#event('b', track, name, atNs, spanId(key), args);
  }

  /** Ends the span that was begun last with this `id`. */
  spanEnd(track: TraceTrack, id: number, name: string, atNs: number, args?: TraceArguments): void {
    const key = `${track}:${id}`;
    const depth = this.#openSpans.get(key);
    if (depth === undefined)
      throw new InvariantViolation(`${this.path}: span ${id} of track ${track} ends but never began`);
    if (depth === 1) this.#openSpans.delete(key);
    else this.#openSpans.set(key, depth - 1);
    this.#event('e', track, name, atNs, spanId(key), args);
  }

  enterState(track: TraceTrack, id: number, name: string, atNs: number, args?: TraceArguments): void {
    this.leaveState(track, id, atNs);
    this.spanBegin(track, id, name, atNs, args);
    this.#states.set(`${track}:${id}`, name);
  }

  leaveState(track: TraceTrack, id: number, atNs: number): void {
    const key = `${track}:${id}`;
    const name = this.#states.get(key);
    if (name === undefined) return;
    this.#states.delete(key);
    this.spanEnd(track, id, name, atNs);
  }

  /** Completes the file and puts it in its place. */
  close(): void {
    this.seal();
    this.#file.commit();
  }

  /** Completes the file, not yet in its place. @throws OutputFileError */
  seal(): void {
    this.#file.text('\n]}\n');
    this.#file.seal();
  }

  /** The file that it writes, for those who write several that appear together. */
  get file(): AtomicFile {
    return this.#file;
  }

  /** Gives the file up and leaves nothing. Does nothing after `close`. */
  abort(): void {
    this.#file.abort();
  }

  #event(
    phase: string,
    track: TraceTrack,
    name: string,
    atNs: number,
    more: string,
    args: TraceArguments | undefined,
  ): void {
    const head = this.#trackHeads[track];
    if (head === undefined) throw new RangeError(`${this.path}: track ${track} was not added`);
    const shown = args === undefined ? '' : `,"args":${argumentsOf(args)}`;
    const time = microseconds(atNs);
    this.#write(
      `{"name":${this.#quote(name)},"cat":"${CATEGORY}","ph":"${phase}","ts":${time},${head}${more}${shown}}`,
    );
  }

  /** Arrows: a flow starts where its number comes first, and goes on from there to where it ends. */
  #flow(track: TraceTrack, atNs: number, flows: TraceFlows | undefined): void {
    if (flows === undefined) return;
    for (const id of flows.ids) {
      const isKnown = this.#flows.has(id);
      if (flows.end === true) {
        // It ends in the event around this time, and not in the next one. An arrow that never began is none.
        if (isKnown) this.#event('f', track, 'flow', atNs, `,"id":${id},"bp":"e"`, undefined);
        this.#flows.delete(id);
      } else {
        this.#event(isKnown ? 't' : 's', track, 'flow', atNs, `,"id":${id}`, undefined);
        this.#flows.add(id);
      }
    }
  }

  #metadata(head: string, name: string, argument: string): void {
    this.#write(`{"name":"${name}","ph":"M",${head},"args":{${argument}}}`);
  }

  #write(event: string): void {
    this.#file.text(this.#isFirst ? `\n${event}` : `,\n${event}`);
    this.#isFirst = false;
  }

  #quote(name: string): string {
    const known = this.#quoted.get(name);
    if (known !== undefined) return known;
    const quoted = JSON.stringify(name);
    if (this.#quoted.size < MAX_QUOTED) this.#quoted.set(name, quoted);
    return quoted;
  }
}

function spanId(key: string): string {
  return `,"id":"${key}"`;
}

/** Whole ns as microseconds with three decimals. */
function microseconds(ns: number): string {
  if (!(Number.isSafeInteger(ns) && ns >= 0))
    throw new RangeError(`time is ${ns} ns, expected a whole number, 0 or more`);
  const fraction = ns % 1000;
  return fraction === 0 ? `${ns / 1000}` : `${Math.floor(ns / 1000)}.${String(fraction).padStart(3, '0')}`;
}

function argumentsOf(args: TraceArguments): string {
  for (const [key, value] of Object.entries(args)) {
    // JSON has no word for these, and would write null.
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new RangeError(`trace argument ${key} is ${value}, expected a finite number`);
    }
  }
  return JSON.stringify(args);
}

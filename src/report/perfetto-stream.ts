import { present } from '../../scheduler/present.js';
import type { OutputFile } from './output-file.js';
import { COUNTER, INSTANT, PerfettoPackets, SLICE_BEGIN } from './perfetto-packets.js';
import { NO_LANE, StateLanes } from './state-lanes.js';
import type {
  TimelineWriter,
  TraceArguments,
  TraceFlows,
  TraceProcess,
  TraceTrack,
} from './timeline-writer.js';

/**
 * Writes a timeline in Perfetto's own format, a protobuf `Trace`: a third of the bytes of the JSON, and of the time.
 * Names are interned. Things that overlap on one track are laid out on lanes, child tracks of the same name, which
 * the viewer shows as one.
 */
export class PerfettoStream implements TimelineWriter {
  readonly path: string;
  readonly #file: OutputFile;
  readonly #packets: PerfettoPackets;
  /** By number. 0 stands for no parent, and 1 is not given out either: no caller has added them. */
  readonly #trackNames: (string | undefined)[] = [undefined, undefined];
  readonly #lanes: (StateLanes | undefined)[] = [];
  /** Tracks of counters, by process, name and key. */
  readonly #counters: (Map<string, Map<string, number>> | undefined)[] = [];
  readonly #ranks: number[] = [];

  /** @param about facts of the whole run (seed, scenario), shown as an event at its start. */
  constructor(file: OutputFile, about: TraceArguments = {}) {
    this.path = file.path;
    this.#file = file;
    this.#packets = new PerfettoPackets(file);
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
    this.#packets.end(track, startNs + durationNs);
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
      this.#packets.counterValue = value;
      this.#write(COUNTER, track, undefined, atNs, undefined);
    }
  }

  enterState(track: TraceTrack, id: number, name: string, atNs: number, args?: TraceArguments): void {
    const lanes = this.#lanesOf(track);
    let lane = lanes.of(id);
    if (lane === NO_LANE) {
      lane = lanes.takeFree();
      if (lane === NO_LANE) lane = this.#descriptor(this.#nameOfTrack(track), track);
      lanes.put(id, lane);
    } else this.#packets.end(lane, atNs);
    this.#write(SLICE_BEGIN, lane, name, atNs, args);
  }

  leaveState(track: TraceTrack, id: number, atNs: number): void {
    const lanes = this.#lanesOf(track);
    const lane = lanes.of(id);
    if (lane === NO_LANE) return;
    lanes.leave(id, lane);
    this.#packets.end(lane, atNs);
  }

  close(): void {
    this.seal();
    this.#file.commit();
  }

  seal(): void {
    this.#packets.flush();
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
    if (name === undefined) throw this.#noTrack(track);
    return name;
  }

  #noTrack(track: TraceTrack): RangeError {
    return new RangeError(`${this.path}: track ${track} was not added`);
  }

  #lanesOf(track: TraceTrack): StateLanes {
    const known = this.#lanes[track];
    if (known !== undefined) return known;
    this.#nameOfTrack(track);
    const lanes = new StateLanes();
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
    this.#packets.track({ uuid, name, parent, isCounter, rank });
    return uuid;
  }

  #write(
    type: number,
    track: number,
    name: string | undefined,
    atNs: number,
    args?: TraceArguments,
    flows?: TraceFlows,
  ): void {
    if (this.#trackNames[track] === undefined) throw this.#noTrack(track);
    this.#packets.event(type, track, name, atNs, args, flows);
  }
}

import type { OutputFile } from './output-file.js';

/** What a viewer shows when an event is selected. A writer keeps nothing of it. */
export type TraceArguments = Readonly<Record<string, string | number | boolean>>;

/** Arrows through an event: each number joins the events that have it, in the order in which they are written. A writer keeps nothing of it. */
export interface TraceFlows {
  readonly ids: readonly number[];
  /** Whether they end here; the numbers may then be used again. @defaultValue false */
  readonly end?: boolean;
}

/** A process of a trace: a group of tracks. */
export type TraceProcess = number;
/** A track of a trace: one row of the timeline. */
export type TraceTrack = number;

/**
 * A file that shows what happened when, in one of the formats that ui.perfetto.dev reads. Times are whole ns of
 * virtual time, in any order. The file appears when it is closed, whole; `abort` leaves nothing.
 * What the disk refuses is told by `file.failure`, and thrown by `seal` and `close`.
 */
export interface TimelineWriter {
  readonly path: string;
  /** A group of tracks; groups are shown in the order in which they are added. */
  addProcess(name: string): TraceProcess;
  /** A row of its own in a group; rows are shown in the order in which they are added. */
  addTrack(process: TraceProcess, name: string): TraceTrack;
  /** Something that lasted. On one track such events must nest: for those that overlap there are spans. */
  complete(
    track: TraceTrack,
    name: string,
    startNs: number,
    durationNs: number,
    args?: TraceArguments,
    flows?: TraceFlows,
  ): void;
  /** Something that happened at an instant. */
  instant(track: TraceTrack, name: string, atNs: number, args?: TraceArguments, flows?: TraceFlows): void;
  /** Values that hold from `atNs` on, drawn as a graph. */
  counter(process: TraceProcess, name: string, atNs: number, values: Readonly<Record<string, number>>): void;
  /** Something with this `id` goes through its states: the one that it is in, if any, ends where this one begins. */
  enterState(track: TraceTrack, id: number, name: string, atNs: number, args?: TraceArguments): void;
  /** It is in no state any more. Nothing happens if it was in none. */
  leaveState(track: TraceTrack, id: number, atNs: number): void;
  /** Completes the file and puts it in its place. */
  close(): void;
  /** Completes the file, not yet in its place. @throws OutputFileError */
  seal(): void;
  /** The file that it writes, for those who write several that appear together. */
  readonly file: OutputFile;
  /** Gives the file up and leaves nothing. Does nothing after `close`. */
  abort(): void;
}

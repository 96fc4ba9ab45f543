import { AtomicFile } from './atomic-file.js';
import { PerfettoStream } from './perfetto-stream.js';
import type { TraceArguments } from './timeline-writer.js';

/** Writes a timeline in Perfetto's own format to a file on disk (see `PerfettoStream`). */
export class PerfettoWriter extends PerfettoStream {
  /** @param about facts of the whole run (seed, scenario), shown as an event at its start. */
  constructor(path: string, about: TraceArguments = {}) {
    super(new AtomicFile(path), about);
  }
}

import { PerfettoWriter } from './perfetto-writer.js';
import type { TimelineWriter, TraceArguments } from './timeline-writer.js';
import { TraceWriter } from './trace-writer.js';

/** The writer for a path: Trace Event JSON for names that end in `.json`, Perfetto's own format for all others. */
export function timelineWriter(path: string, about: TraceArguments): TimelineWriter {
  return path.toLowerCase().endsWith('.json')
    ? new TraceWriter(path, about)
    : new PerfettoWriter(path, about);
}

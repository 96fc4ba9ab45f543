import type { Machine } from '../machine/machine.js';
import { timelineWriter } from './timeline-format.js';
import type { TraceArguments } from './timeline-writer.js';
import { TraceRecorder } from './trace-recorder.js';

/** Writes the beginning of a run as a timeline on disk (see `TraceRecorder`). */
export class RunTrace extends TraceRecorder {
  /**
   * Starts to watch a machine that has not run yet.
   * @param path a name that ends in `.json` gives Trace Event JSON, any other Perfetto's own format.
   * @param endNs events after this moment are left out: a few milliseconds are megabytes.
   * @throws OutputFileError
   */
  constructor(path: string, machine: Machine, endNs: number, about: TraceArguments) {
    super(timelineWriter(path, { ...about, endNs }), machine, endNs);
  }
}

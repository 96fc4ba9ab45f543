import type { Machine } from '../machine/machine.js';
import { CaptureRecorder } from './capture-recorder.js';
import { PcapngWriter } from './pcapng-writer.js';

/** Writes what passes a card as a capture on disk (see `CaptureRecorder`). */
export class RunCapture extends CaptureRecorder {
  /**
   * Starts to watch a machine that has not run yet.
   * @param snapBytes bytes of each frame that are kept; all of them when undefined.
   * @param about stands in the header of the file: the seed, and the command that writes it
   * @throws OutputFileError
   */
  constructor(path: string, machine: Machine, snapBytes?: number, about?: string) {
    super(new PcapngWriter(path, about), machine, snapBytes);
  }
}

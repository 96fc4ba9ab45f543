import { AtomicFile } from './atomic-file.js';
import { PCAPNG_BUFFER_BYTES, PcapngStream } from './pcapng-stream.js';

export type { CapturedInterface, InterfaceStatistics, PacketNotes } from './pcapng-stream.js';

/**
 * Writes a capture that Wireshark reads to a file on disk (see `PcapngStream`). The file appears when it is closed,
 * whole; `abort` leaves nothing.
 * @throws OutputFileError from every method that writes
 */
export class PcapngWriter extends PcapngStream {
  /** @param about stands in the header of the file, for example the command that writes it */
  constructor(path: string, about?: string) {
    super(new AtomicFile(path, PCAPNG_BUFFER_BYTES), about);
  }
}

import * as z from 'zod';
import { UserError } from '../../../scheduler/errors.js';

/** What a session's log holds. Each entry is a byte of its kind, whole numbers of varying length, and bytes. */
export const LOG_ENTRIES = {
  /** Virtual time runs to a moment: the difference to the last one, ns. */
  run: 1,
  /** A virtual machine has connected: guest. */
  attach: 2,
  /** Bytes have come from it: guest, length, bytes. */
  receive: 3,
  /** It is gone: guest. */
  detach: 4,
  /** It does not read what it is sent: guest. */
  slow: 5,
  /** A frame has come from the uplink: length, bytes. */
  uplink: 6,
  /** A guest has another weight: guest, weight. */
  weight: 7,
  /** Bytes were read from a guest's RAM: guest, offset, length, bytes. */
  read: 8,
  /** The end: the difference of time, then the length and text of the fingerprint. */
  end: 9,
  /** File descriptors come with the bytes that are received next: guest, length, a byte for each, 1 for the RAM file. */
  descriptors: 10,
  /** A guest has another upper limit: guest, bits per second, 0 for none. */
  limit: 11,
  /** A guest has another priority: guest, priority. */
  priority: 12,
  /** Faults are answered otherwise: the number of the policy in FAULT_POLICIES. */
  policy: 13,
} as const;

/** The first line of a log is this and the edition of its format. */
export const LOG_MARK = 'cdna-nic session ';
export const LOG_EDITION = '1';

/** What stands at the beginning of a log, as a line of JSON behind the first. `directory`: where the scenario's relative paths start. */
export const sessionHeader = z.object({
  scenario: z.unknown(),
  directory: z.string(),
  protection: z.string(),
  discipline: z.string(),
  seed: z.int().min(0),
});
export type SessionHeader = Readonly<z.infer<typeof sessionHeader>>;

/** A log that cannot be used: names the file, what is there and what was expected. */
export class SessionLogError extends UserError {
  override readonly name = 'SessionLogError';
}

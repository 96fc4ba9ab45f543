import { LOG_ENTRIES } from './log-format.js';
import { SessionReader } from './session-reader.js';

/** How long a recorded session is, virtual ns. Looks through the whole log. @throws SessionLogError when it is no log. */
export function sessionDurationNs(path: string): number {
  const reader = new SessionReader(path);
  try {
    let durationNs = 0;
    for (let entry = reader.next(); entry !== undefined; entry = reader.next())
      if (entry.kind === LOG_ENTRIES.run) durationNs += entry.first;
    return durationNs;
  } finally {
    reader.close();
  }
}

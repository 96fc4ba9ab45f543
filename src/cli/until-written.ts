import type { OutputFolder } from '../report/output-folder.js';
import { Interruption } from './interruption.js';

/**
 * Work of a command from its beginning until its files are written, interruptible by signals. If it ends otherwise,
 * the folder that was made for it is removed again.
 */
export async function untilWritten<T>(
  folder: OutputFolder | undefined,
  work: (interruption: Interruption) => Promise<T>,
): Promise<T> {
  const interruption = new Interruption();
  interruption.listen();
  try {
    return await work(interruption);
  } catch (error) {
    folder?.remove();
    throw error;
  } finally {
    interruption.close();
  }
}

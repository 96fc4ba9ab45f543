import type { OutputFolder } from '../report/output-folder.js';
import { Interruption } from './interruption.js';

/**
 * Work of a command from its beginning until its files are there, with an ear for signals. Should it end in another
 * way, the folder that was made for it is taken away again.
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

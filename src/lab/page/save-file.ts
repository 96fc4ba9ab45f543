import { announcement, takenFile } from './store.js';

/** Gives the reader the file that came out of the machine, as a download. */
export function saveTaken(): void {
  const file = takenFile();
  if (file === undefined) return;
  const address = URL.createObjectURL(new Blob([new Uint8Array(file.bytes)]));
  const anchor = document.createElement('a');
  anchor.href = address;
  anchor.download = file.name;
  anchor.click();
  URL.revokeObjectURL(address);
  announcement.value = `${file.name} is saved.`;
}

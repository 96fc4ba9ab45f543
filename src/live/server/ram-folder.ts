import { mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LiveError } from '../live-error.js';

/** Where RAM files lie: in memory, where the host has such a place and room in it. */
const MEMORY_FOLDER = '/dev/shm';

/**
 * Makes a folder for the RAM files of guests. A file is empty until its guest writes; a place that has no room then would
 * end the guest's virtual machine with a bus error, so one with too little is refused now.
 * @throws LiveError
 */
export function makeRamFolder(bytes: number): string {
  const places = [MEMORY_FOLDER, tmpdir()].map((place) => ({ place, free: freeBytes(place) }));
  const found = places.find(({ free }) => free >= bytes);
  if (found !== undefined) return mkdtempSync(join(found.place, folderPrefix()));
  const megabytes = (value: number) => Math.floor(value / 2 ** 20).toLocaleString('en-US');
  throw new LiveError(
    `guests have ${megabytes(bytes)} MB of RAM together, expected no more than are free in ${places
      .map(({ place, free }) => `${place} (${megabytes(free)} MB)`)
      .join(' or ')}`,
  );
}

/** Folders of ours say whose they are: after a SIGKILL they stay. */
export function folderPrefix(): string {
  return `cdna-nic-${process.pid}-`;
}

/** 0 where there is no such place. */
function freeBytes(place: string): number {
  try {
    const { bavail, bsize } = statfsSync(place);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** The name under which a file grows: of the process that writes it, so that no two write into one. */
export function partialName(target: string, number: number): string {
  return `.${basename(target)}.${process.pid}-${number}.partial`;
}

/** Removes partial files of processes that have ended: killed, or by loss of power. */
export function clearStalePartials(target: string): void {
  clearPartials(target, (pid) => !isAlive(pid));
}

/** Removes what threads of this process, which were ended, have left of a file. */
export function clearOwnPartials(target: string): void {
  clearPartials(target, (pid) => pid === process.pid);
}

function clearPartials(target: string, isDebris: (pid: number) => boolean): void {
  const folder = dirname(resolve(target));
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return;
  }
  const start = `.${basename(target)}.`;
  for (const name of names) {
    const writer = /^(?<pid>\d+)-\d+\.partial$/u.exec(name.slice(start.length))?.groups?.pid;
    if (!name.startsWith(start) || writer === undefined || !isDebris(Number(writer))) continue;
    rmSync(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to another user.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

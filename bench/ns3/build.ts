import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Packages of pkg-config that the program is linked with. */
const PACKAGES = ['ns3-applications', 'ns3-internet', 'ns3-point-to-point', 'ns3-traffic-control'];
const LINK_BPS = 10e9;
const OVERHEAD_BYTES = 30;

/**
 * Builds the program of this folder. Undefined where there is no ns-3 or no compiler: on Debian, `apt-get install g++
 * libns3-dev libgsl-dev libxml2-dev libsqlite3-dev`.
 *
 * @param folder where the program is put
 */
export function buildNs3(folder: string): string | undefined {
  const source = fileURLToPath(new URL('./flows.cc', import.meta.url));
  const program = join(folder, 'flows');
  const quietly: ExecFileSyncOptionsWithStringEncoding = {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  };
  try {
    const flags = execFileSync('pkg-config', ['--cflags', '--libs', ...PACKAGES], quietly);
    execFileSync('g++', ['-O2', source, '-o', program, ...flags.trim().split(/\s+/)], quietly);
    return program;
  } catch {
    return undefined;
  }
}

/** Simulated time in which the link carries about so many packets, whole ms. */
export function millisecondsFor(packets: number, payloadBytes: number): number {
  return Math.ceil((packets * (payloadBytes + OVERHEAD_BYTES) * 8e3) / LINK_BPS);
}

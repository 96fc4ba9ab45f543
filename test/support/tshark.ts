import { spawnSync } from 'node:child_process';

/** Whether Wireshark's command-line reader is installed. Tests that ask it for its reading are skipped without it. */
export const tsharkInstalled = spawnSync('tshark', ['--version'], { encoding: 'utf8' }).status === 0;

if (!tsharkInstalled) {
  process.stderr.write('\n*** tshark is not installed: every comparison with its reading is SKIPPED ***\n\n');
}

/** Runs tshark; what it says on stderr comes back too, less its remark about being root. */
export function tshark(...args: string[]): { stdout: string; complaints: string; status: number | null } {
  const run = spawnSync('tshark', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const complaints = run.stderr
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('Running as user'))
    .join('\n');
  return { stdout: run.stdout, complaints, status: run.status };
}

/** The rows of `tshark -T fields`, one per frame, each with the fields in the order asked for. */
export function tsharkFields(path: string, fields: readonly string[], ...more: string[]): string[][] {
  const args = ['-r', path, '-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=a', ...more];
  const { stdout, complaints, status } = tshark(...args, ...fields.flatMap((field) => ['-e', field]));
  if (status !== 0 || complaints !== '') throw new Error(`tshark ${path}: ${status} ${complaints}`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

/** tshark's `frame.time_epoch` (seconds, nine decimals) as whole nanoseconds. */
export function epochToNs(text: string): bigint {
  const [seconds = '', fraction = ''] = text.split('.');
  return BigInt(seconds + fraction.padEnd(9, '0').slice(0, 9));
}

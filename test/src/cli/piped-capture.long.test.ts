import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';

const root = new URL('../../..', import.meta.url).pathname;
const MAGIC = [0x0a, 0x0d, 0x0d, 0x0a];

function run(...args: readonly string[]) {
  return spawnSync('npx', ['tsx', 'src/cli/main.ts', ...args], { cwd: root, maxBuffer: 1 << 26 });
}

test('--pcapng - puts the capture on standard output, whole and alone, and leaves nothing behind', () => {
  const { status, stdout, stderr } = run('run', '--window', '200us', '--pcapng', '-');
  expect(status).toBe(0);
  expect([...stdout.subarray(0, 4)]).toEqual(MAGIC);
  // The length of the last block stands at its end, and is the length that it has from its start.
  const last = stdout.readUInt32LE(stdout.length - 4);
  expect(stdout.readUInt32LE(stdout.length - last + 4)).toBe(last);
  expect(stderr.toString()).toContain('wrote captures (Wireshark): standard output');
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('cdna-nic-capture-'))).toEqual([]);
});

test.each([
  [['compare', '--pcapng', '-'], '--pcapng is "-", expected a file'],
  [['run', '--pcapng', '-', '--json'], '--pcapng is "-" beside --json'],
  [
    ['run', '--window', '1us', '--pcapng', '/dev/stdout'],
    '/dev/stdout: cannot be written: it is there and not a regular file',
  ],
])('%j is refused in one line', (args, message) => {
  const { status, stdout, stderr } = run(...args);
  expect(status).toBe(2);
  expect(stdout.length).toBe(0);
  expect(stderr.toString()).toContain(message);
});

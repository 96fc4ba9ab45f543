import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { parseCapture } from '../../guests/capture/index.js';
import { PROGRAM, type Started, start as startAlone } from '../src/cli/spawned.js';
import { frame, words } from './support/client.js';

// Sockets have short names: 108 bytes on Linux (unix(7)).
const folder = mkdtempSync(join(tmpdir(), 's-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const scenario = join(folder, 'two.json');
writeFileSync(
  scenario,
  JSON.stringify({
    guests: [
      ...['red', 'blue'].map((name) => ({ name, attached: true, memoryMegabytes: 4 })),
      { name: 'busy', traffic: { kind: 'constant', wireRateBps: 1e6 } },
    ],
  }),
);

const running: Started[] = [];
// A test that fails leaves no server behind; one at a terminal ends with the terminal.
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
});

function start(...args: Parameters<typeof startAlone>): Started {
  const started = startAlone(...args);
  running.push(started);
  return started;
}

/** Waits until the server has printed its command lines; where its socket and RAM of the guest red are. */
async function ready({ child, said }: Started): Promise<{ readonly socket: string; readonly ram: string }> {
  while (!/a way out.*\n.*\n/u.test(said.err) && child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return {
    socket: /"path":"([^"]+red\.sock)"/u.exec(said.err)?.[1] ?? '',
    ram: /mem-path=([^,]+red),/u.exec(said.err)?.[1] ?? '',
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let tenth = 0; tenth < 600 && !holds(); tenth += 1)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(holds()).toBe(true);
}

/** Replays a log; what was said, and the exit code. */
async function replayed(log: string): Promise<{ readonly code: number | null; readonly out: string }> {
  return start(['replay', log]).ended;
}

describe('serve as a shell starts it', () => {
  it.for(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s removes sockets and RAM files, and completes log and capture',
    { timeout: 120_000 },
    async (signal) => {
      const log = join(folder, `log-${signal}`);
      const capture = join(folder, `${signal}.pcapng`);
      const served = start(['serve', scenario, '--json', '--record', log, '--capture', capture]);
      const { socket, ram } = await ready(served);
      expect([statSync(socket).mode & 0o777, statSync(ram).mode & 0o777]).toEqual([0o600, 0o600]);
      const client = createConnection(socket);
      client.on('error', () => undefined);
      client.write(frame(1, 1, 0, words([2, 0], [2, 1])));
      await until(() => served.said.out.includes('"attached"'));
      served.child.kill(signal);
      const { code, err } = await served.ended;
      expect(code).toBe(0);
      expect(err).toContain(`wrote ${capture}`);
      for (const path of [dirname(socket), dirname(ram)]) expect(existsSync(path)).toBe(false);
      expect(parseCapture(capture, readFileSync(capture)).frames.length).toBeGreaterThan(10);
      expect(await replayed(log)).toMatchObject({
        code: 0,
        out: expect.stringContaining('replayed to the bit'),
      });
    },
  );

  it('a reader that has seen enough ends it', { timeout: 120_000 }, async () => {
    const served = start(['serve', scenario]);
    const { socket, ram } = await ready(served);
    served.child.stdout?.destroy();
    const { code, err } = await served.ended;
    expect([code, err]).toEqual([0, expect.not.stringContaining('EPIPE')]);
    for (const path of [dirname(socket), dirname(ram)]) expect(existsSync(path)).toBe(false);
  });

  it('SIGKILL leaves a log that is replayed up to there, and sockets that the next one replaces', {
    timeout: 120_000,
  }, async () => {
    const log = join(folder, 'log-killed');
    const sockets = join(folder, 'k');
    const args = ['serve', scenario, '--dir', sockets, '--record', log];
    const served = start(args);
    const { socket, ram } = await ready(served);
    const client = createConnection(socket);
    client.on('error', () => undefined);
    // The log is written a megabyte at a time: so much has to be said.
    const noise = Buffer.concat([
      frame(1, 1, 0, words([2, 0], [2, 1])),
      ...Array.from({ length: 60 }, (_, id) => frame(id, 3, 0, new Uint8Array(60_000))),
    ]);
    client.on('data', () => undefined);
    client.write(noise);
    await until(() => statSync(log).size > 2 ** 20);
    served.child.kill('SIGKILL');
    await served.ended;
    rmSync(dirname(ram), { recursive: true });
    const { code, out } = await replayed(log);
    expect(out).toContain('the log ends without a fingerprint (the server was killed)');
    expect(code).toBe(0);
    expect(readdirSync(sockets)).toContain('red.sock');
    const again = start([...args, '--duration', '100ms']);
    expect((await again.ended).code).toBe(0);
    expect(readdirSync(sockets)).toEqual([]);
    expect(await replayed(log)).toMatchObject({
      code: 0,
      out: expect.stringContaining('replayed to the bit'),
    });
  });
});

// util-linux's script(1) gives a program a terminal.
const hasTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;
if (!hasTerminal) process.stderr.write('\nSKIPPED: keys of serve: no script(1) that gives a terminal\n');

describe.skipIf(!hasTerminal)('serve at a terminal', () => {
  const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');

  it('keys choose a guest, change its weight, capture, and end it; the table is drawn in place', {
    timeout: 120_000,
  }, async () => {
    const capture = join(folder, 'keys.pcapng');
    const line = quoted([...PROGRAM, 'serve', scenario, '--capture', capture]);
    const served = start([], folder, ['script', '-qec', line, '/dev/null']);
    const said = () => served.said.out;
    const press = async (keys: string, then: () => boolean) => {
      served.child.stdin?.write(keys);
      await until(then);
    };
    await until(() => said().includes('hypervisor (modelled)'));
    // The capture that the option began is completed; the next one has a number.
    await press('c', () => said().includes(`wrote ${capture}`));
    await press('c', () => said().includes(`capturing to ${join(folder, 'keys.2.pcapng')}`));
    await press('2', () => said().includes('blue: + and - change its weight'));
    await press('++++-', () => /blue +waiting +4 /u.test(said()));
    const before = said().length;
    // There is no ninth guest, and a weight is 1 at least.
    await press('9x----', () => /blue +waiting +1 /u.test(said().slice(before)));
    // A table of five lines takes the place of the last.
    expect(said()).toContain('\u001b[5A\u001b[J');
    await press('q', () => served.child.exitCode !== null);
    expect((await served.ended).code).toBe(0);
    for (const name of ['keys.pcapng', 'keys.2.pcapng'])
      expect(parseCapture(name, readFileSync(join(folder, name))).frames.length).toBeGreaterThan(0);
  });

  it('a capture that cannot be written is told, and the session goes on; Ctrl-C as a key ends it', {
    timeout: 120_000,
  }, async () => {
    writeFileSync(join(folder, 'serve.pcapng'), 'dear reader');
    const served = start([], folder, [
      'script',
      '-qec',
      quoted([...PROGRAM, 'serve', scenario]),
      '/dev/null',
    ]);
    const said = () => served.said.out;
    await until(() => said().includes('hypervisor (modelled)'));
    served.child.stdin?.write('c');
    await until(() =>
      said().includes('serve.pcapng: cannot be written: it is there and is no file of cdna-nic'),
    );
    const lines = said().length;
    await until(() => said().slice(lines).includes('hypervisor (modelled)'));
    served.child.stdin?.write('\u0003');
    expect((await served.ended).code).toBe(0);
    expect(readFileSync(join(folder, 'serve.pcapng'), 'utf8')).toBe('dear reader');
  });
});

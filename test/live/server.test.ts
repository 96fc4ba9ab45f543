import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { present } from '../../scheduler/present.js';
import { MOST_UNSENT_BYTES } from '../../src/live/server/guest-socket.js';
import { LiveServer, type ServerOptions } from '../../src/live/server/live-server.js';
import { checkScenario } from '../../src/scenario/load.js';
import { invoke } from '../src/cli/invoke.js';
import { frame, words } from './support/client.js';

const folder = mkdtempSync(join(tmpdir(), 's-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const scenario = checkScenario({
  guests: ['red', 'blue'].map((name) => ({ name, attached: true, memoryMegabytes: 4 })),
});

const running: LiveServer[] = [];
afterEach(() => {
  for (const server of running.splice(0)) server.stop();
});

/** A server with sockets, RAM files and the host's clock, in this process. */
async function started(options: Partial<ServerOptions> = {}): Promise<{ server: LiveServer; log: string[] }> {
  const log: string[] = [];
  const server = new LiveServer({
    subject: {
      scenario,
      directory: '.',
      captures: new Map(),
      protection: 'cdna',
      discipline: 'drr',
      seed: 1,
    },
    directory: mkdtempSync(join(folder, 'd-')),
    record: undefined,
    capture: undefined,
    snapBytes: undefined,
    force: false,
    spinNs: 0,
    log: (line) => log.push(line),
    failed: (error) => log.push(`failed: ${String(error)}`),
    ...options,
  });
  running.push(server);
  await server.start();
  return { server, log };
}

/** Where a guest's RAM and socket are, as its command line says. */
function pathsOf(server: LiveServer, guest: string): { readonly ram: string; readonly socket: string } {
  const words =
    server
      .commands()
      .find(({ name }) => name === guest)
      ?.words.join(' ') ?? '';
  return {
    ram: /mem-path=([^,]+),/u.exec(words)?.[1] ?? '',
    socket: /"path":"([^"]+)"/u.exec(words)?.[1] ?? '',
  };
}

/** A client of the tests' own on a real socket. */
class SocketClient {
  readonly socket: Socket;
  received = 0;
  readonly closed: Promise<void>;

  constructor(path: string) {
    this.socket = createConnection(path);
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('data', (bytes) => {
      this.received += bytes.length;
    });
  }

  send(...messages: Uint8Array[]): void {
    for (const message of messages) this.socket.write(message);
  }

  async until(bytes: number): Promise<void> {
    while (this.received < bytes && !this.socket.destroyed) await soon();
  }
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 2));
const VERSION = frame(1, 1, 0, words([2, 0], [2, 1]));
const VERSION_REPLY_BYTES =
  16 + 4 + '{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":65536,"max_dma_maps":1024}}\0'.length;
/** A register read of so many bytes of BAR 1, the MSI-X table (region 1 of 4 KB). */
const readOf = (bytes: number) => frame(2, 9, 0, words([8, 0], [4, 7], [4, bytes]));

/** A message whose header says that it has no bytes: the stream cannot be followed past it. */
const IMPOSSIBLE = frame(3, 9, 0, new Uint8Array(0)).fill(0, 4, 8);

/** Connects and asks for more than a socket holds, reads nothing, and makes a mistake: answers wait when it is dropped. */
function unread(path: string): SocketClient {
  const client = new SocketClient(path);
  client.socket.pause();
  client.send(VERSION, Buffer.concat(Array.from({ length: 12_000 }, () => readOf(16))), IMPOSSIBLE);
  return client;
}

/** Ends of local sockets that this process has open, with those that listen. */
const localSockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'PipeWrap').length;

/** So many of them when those of earlier tests are gone. */
async function settled(): Promise<number> {
  let open = -1;
  while (open !== localSockets()) {
    open = localSockets();
    for (let turns = 0; turns < 20; turns += 1) await soon();
  }
  return open;
}

describe('a server on the host', () => {
  it('has sockets, RAM files and folders for their owner alone, and leaves none of them', async () => {
    const { server } = await started({ directory: undefined });
    const { ram, socket } = pathsOf(server, 'red');
    const uplink = join(dirname(socket), 'uplink.sock');
    for (const path of [ram, socket, uplink])
      expect([path, statSync(path).mode & 0o777]).toEqual([path, 0o600]);
    for (const path of [ram, socket]) expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(statSync(ram).size).toBe(4 * 2 ** 20);
    expect(readdirSync(dirname(socket)).sort()).toEqual(['blue.sock', 'red.sock', 'uplink.sock']);
    server.stop();
    for (const path of [ram, socket, uplink, dirname(ram), dirname(socket)])
      expect(existsSync(path)).toBe(false);
  });

  it('removes them as well when its log cannot be completed', async () => {
    const { server } = await started({ directory: undefined, record: '/dev/full', force: true });
    const { ram, socket } = pathsOf(server, 'red');
    expect(() => server.stop()).toThrow(/cannot be written \(ENOSPC/u);
    for (const path of [dirname(ram), dirname(socket)]) expect(existsSync(path)).toBe(false);
  });

  it('turns a second machine away from a socket that is taken; the first one goes on', async () => {
    const { server, log } = await started();
    const { socket } = pathsOf(server, 'red');
    const first = new SocketClient(socket);
    first.send(VERSION);
    await first.until(VERSION_REPLY_BYTES);
    const second = new SocketClient(socket);
    second.send(VERSION);
    await second.closed;
    expect(second.received).toBe(0);
    expect(log).toEqual(['red: attached', 'red: a second virtual machine was turned away']);
    first.send(readOf(4));
    await first.until(VERSION_REPLY_BYTES + 16 + 16 + 4);
    expect(first.received).toBe(VERSION_REPLY_BYTES + 36);
    first.socket.destroy();
    while (log.length < 3) await soon();
    const third = new SocketClient(socket);
    third.send(VERSION);
    await third.until(VERSION_REPLY_BYTES);
    expect(log.slice(2)).toEqual(['red: detached', 'red: attached']);
    third.socket.destroy();
  });

  it('drops a client that floods and does not read, with no more than 1 MB kept for it; the other one goes on', async () => {
    const { server, log } = await started();
    const flood = new SocketClient(pathsOf(server, 'red').socket);
    const other = new SocketClient(pathsOf(server, 'blue').socket);
    other.send(VERSION);
    await other.until(VERSION_REPLY_BYTES);
    flood.socket.pause();
    flood.send(VERSION);
    // 32 bytes ask for 256: one burst of 64 KB would be half a megabyte of answers.
    const burst = Buffer.concat(Array.from({ length: 2048 }, () => readOf(224)));
    let most = 0;
    for (
      let sent = 0;
      sent < 200 && !flood.socket.destroyed && log.at(-1)?.includes('slow') !== true;
      sent += 1
    ) {
      flood.send(burst);
      await soon();
      most = Math.max(most, server.unsentBytes);
    }
    expect(log).toContain('red: dropped: slow-reader');
    expect(most).toBeLessThanOrEqual(MOST_UNSENT_BYTES + 4096);
    expect(server.machine.guests.map(({ sessionFaults }) => sessionFaults)).toEqual([
      { 'slow-reader': 1 },
      {},
    ]);
    other.send(readOf(4));
    await other.until(VERSION_REPLY_BYTES + 36);
    expect(other.received).toBe(VERSION_REPLY_BYTES + 36);
    flood.socket.destroy();
    other.socket.destroy();
  });

  it('cuts a dropped client that leaves its answers unread after a second, and keeps four of them at most', async () => {
    const { server, log } = await started();
    const { socket } = pathsOf(server, 'red');
    const before = await settled();
    const clients: SocketClient[] = [];
    const dropped = () => log.filter((line) => line.startsWith('red: dropped: ')).length;
    while (clients.length < 8) {
      clients.push(unread(socket));
      while (dropped() < clients.length) await soon();
    }
    await soon();
    expect(localSockets() - before - clients.length).toBeLessThanOrEqual(4);
    while (localSockets() - before > clients.length) await soon();
    for (const client of clients) client.socket.destroy();
    await Promise.all(clients.map(({ closed }) => closed));
  });

  it('leaves no socket of a dropped client when it stops', async () => {
    const { server, log } = await started();
    const before = await settled();
    const client = unread(pathsOf(server, 'red').socket);
    while (!log.some((line) => line.startsWith('red: dropped: '))) await soon();
    expect(localSockets() - before).toBe(2);
    server.stop();
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    // The client's own end is left; three that listened are gone with the server.
    expect(localSockets() - before).toBe(1 - 3);
    client.socket.destroy();
  });

  it('says of a machine whose guest was killed that this is why it is turned away', async () => {
    const { server, log } = await started();
    const { socket } = pathsOf(server, 'red');
    server.machine.host.hypervisor.kill(present(server.machine.guests[0]).domain);
    const late = new SocketClient(socket);
    await late.closed;
    expect(log).toEqual(['red: a virtual machine was turned away: the guest was killed']);
  });

  it('numbers captures that are written: one that a foreign file stands in the way of is tried under its name again', async () => {
    const capture = join(folder, 'numbered.pcapng');
    const second = join(folder, 'numbered.2.pcapng');
    const { server } = await started({ capture });
    expect(server.toggleCapture()).toBeUndefined();
    writeFileSync(second, 'dear reader');
    expect(() => server.toggleCapture()).toThrow(/no file of cdna-nic/u);
    rmSync(second);
    expect(server.toggleCapture()).toBe(second);
  });

  it('drops a stream on the uplink that is none, and takes the next one; frames that no card carries are left out', async () => {
    const { server } = await started();
    const path = join(dirname(pathsOf(server, 'red').socket), 'uplink.sock');
    const noise = new SocketClient(path);
    noise.socket.write(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
    await noise.closed;
    const next = new SocketClient(path);
    next.socket.write(new Uint8Array([0, 0, 0, 3, 1, 2, 3]));
    const { nic } = server.machine.host;
    const received = () => server.machine.machine.partner.framesToNic;
    const good = new Uint8Array(4 + 60).fill(2);
    good.set([0, 0, 0, 60]);
    next.socket.write(good);
    while (received() === 0) {
      await soon();
      server.advance();
    }
    expect(received()).toBe(1);
    expect(nic.counters.total('framesReceived')).toBe(0);
    next.socket.destroy();
  });

  it('records what is replayed to the bit, with the host’s clock and real sockets', async () => {
    const record = join(folder, 'session');
    const { server, log } = await started({ record });
    const client = new SocketClient(pathsOf(server, 'red').socket);
    client.send(VERSION, readOf(64), frame(3, 13, 0, new Uint8Array(0)));
    client.send(frame(4, 77, 0, new Uint8Array(0)).subarray(0, 9));
    await client.until(VERSION_REPLY_BYTES + 96 + 16);
    server.setWeight(1, 5);
    client.socket.destroy();
    while (!log.includes('red: detached')) await soon();
    server.stop();
    const { code, out } = await invoke('replay', record);
    expect(out).toContain(`replayed to the bit: fingerprint ${server.machine.fingerprint}`);
    expect(code).toBe(0);
  });
});

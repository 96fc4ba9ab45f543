import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GUEST_DRIVEN } from '../../host/protection/iommu/guest-driven/name.js';
import { DescriptorReader } from '../../src/live/server/descriptor-reader.js';
import { GuestSocket } from '../../src/live/server/guest-socket.js';
import { ReceivedDescriptors } from '../../src/live/server/received-descriptors.js';
import { KOFFI_VERSION, SocketCalls } from '../../src/live/server/socket-calls.js';
import { DescriptorNumbers } from '../../src/live/vfio-user/interrupt-descriptors.js';
import { Served, until } from './support/served.js';

/** What the test itself calls of koffi: it sends what the server is to take. */
interface Koffi {
  load(library: string): { func(prototype: string): (...values: readonly unknown[]) => number | bigint };
  address(bytes: Uint8Array): bigint;
}

function koffi(): Koffi | undefined {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch {
    return undefined;
  }
}

const native = koffi();
if (native === undefined)
  process.stderr.write('\nSKIPPED: descriptors over sockets: koffi is not installed (npm ci does it)\n');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-fds-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** sendmsg with SCM_RIGHTS, by the layout of struct msghdr and struct cmsghdr on 64-bit Linux. */
function sendWith(socket: Socket, bytes: Uint8Array, descriptors: readonly number[]): void {
  if (native === undefined) throw new Error('no koffi');
  const { fd } = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const data = Buffer.from(bytes);
  const iovec = Buffer.alloc(16);
  iovec.writeBigUInt64LE(native.address(data), 0);
  iovec.writeBigUInt64LE(BigInt(data.length), 8);
  const length = 16 + 4 * descriptors.length;
  const control = Buffer.alloc((length + 7) & ~7);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(1, 8);
  control.writeInt32LE(1, 12);
  for (const [at, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, 16 + 4 * at);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(native.address(iovec), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(native.address(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  const sendmsg = native.load('libc.so.6').func('long sendmsg(int fd, void *message, int flags)');
  expect(Number(sendmsg(fd, native.address(header), 0))).toBe(data.length);
}

/** Descriptors of this process that are of a file. */
function openOf(path: string): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false;
    }
  }).length;
}

interface Arrived {
  readonly text: string;
  readonly descriptors: readonly number[];
}

it('without koffi iommu:guest is refused by name, with what to install in one line', () => {
  const load = () => {
    throw new Error('Cannot find module');
  };
  expect(() => new SocketCalls('protection is "iommu:guest"', load)).toThrow(
    /^protection is "iommu:guest", which needs koffi to take interrupts' file descriptors; expected it to be installed: npm install koffi@3\.3\.4$/u,
  );
});

it('the version that is named is the one of package.json', () => {
  const { peerDependencies, devDependencies } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as Record<string, Record<string, string>>;
  expect([peerDependencies?.koffi, devDependencies?.koffi]).toEqual([KOFFI_VERSION, KOFFI_VERSION]);
});

it('a guest whose bytes cannot be taken keeps no other from being read, then or later', () => {
  const event = openSync(join(folder, 'event'), 'w+');
  const seen: string[] = [];
  let ready: (sockets: readonly number[]) => void = () => {};
  let waits = 0;
  const calls: Pick<SocketCalls, 'makeEvent' | 'receive' | 'waitForAny'> = {
    makeEvent: () => event,
    receive: () => ({ kind: 'end' }),
    waitForAny: (_sockets, told) => {
      waits += 1;
      ready = told;
    },
  };
  const reader = new DescriptorReader(calls as SocketCalls);
  reader.watch(1000, () => {
    throw new Error('of the first');
  });
  for (const socket of [1001, 1002]) reader.watch(socket, () => void seen.push(`${socket}`));
  const before = waits;
  ready([event]);
  expect(() => ready([1000, 1001])).toThrow('of the first');
  expect([seen, waits]).toEqual([['1001'], before + 2]);
  ready([1002]);
  expect(seen).toEqual(['1001', '1002']);
  closeSync(event);
});

describe.skipIf(native === undefined)('file descriptors that come over a socket', () => {
  async function served(act: (client: Socket, arrived: Arrived[], events: string[]) => Promise<void>) {
    const reader = new DescriptorReader(new SocketCalls('a test'));
    const arrived: Arrived[] = [];
    const events: string[] = [];
    const socket = new GuestSocket(
      join(folder, 's.sock'),
      {
        attached: (connection) => {
          events.push('attached');
          connection.send(new TextEncoder().encode('hello'));
          return true;
        },
        received: (bytes, descriptors) => {
          arrived.push({ text: new TextDecoder().decode(bytes), descriptors });
          return false;
        },
        nextTurn: () => false,
        detached: () => void events.push('detached'),
        slow: () => void events.push('slow'),
      },
      reader,
    );
    await socket.listen();
    const client = connect(join(folder, 's.sock'));
    await new Promise((resolve) => client.once('data', resolve));
    try {
      await act(client, arrived, events);
    } finally {
      client.destroy();
      socket.close();
      reader.close();
    }
  }

  it('arrive with the bytes that they were sent with, and Node writes on the same socket', async () => {
    await served(async (client, arrived, events) => {
      const file = openSync(join(folder, 'file'), 'w+');
      client.write('one');
      await until(() => arrived.length === 1);
      sendWith(client, new TextEncoder().encode('two'), [file, file]);
      await until(() => arrived.length === 2);
      expect(arrived.map(({ text }) => text)).toEqual(['one', 'two']);
      expect(arrived.map(({ descriptors }) => descriptors.length)).toEqual([0, 2]);
      for (const descriptor of arrived[1]?.descriptors ?? []) {
        expect(descriptor).not.toBe(file);
        closeSync(descriptor);
      }
      closeSync(file);
      client.destroy();
      await until(() => events.includes('detached'));
      expect(events).toEqual(['attached', 'detached']);
    });
  });

  it('are known for the RAM file or not; an eventfd is counted up, what is no eventfd is never written to', async () => {
    await served(async (client, arrived) => {
      const calls = new SocketCalls('a test');
      writeFileSync(join(folder, 'ram'), new Uint8Array(4096));
      writeFileSync(join(folder, 'other'), '');
      const [ram, other] = ['ram', 'other'].map((name) => openSync(join(folder, name), 'r+')) as [
        number,
        number,
      ];
      const event = calls.makeEvent();
      sendWith(client, new Uint8Array(1), [ram, event, other]);
      await until(() => arrived.length === 1);
      const received = new ReceivedDescriptors(calls, 0, new DescriptorNumbers(), join(folder, 'ram'));
      const taken = received.take(arrived[0]?.descriptors ?? []);
      expect(taken).toEqual([
        { number: 0, ram: true },
        { number: 1, ram: false },
        { number: 2, ram: false },
      ]);
      for (const { number } of taken) received.signal(number);
      received.signal(1);
      const count = Buffer.alloc(8);
      readSync(event, count);
      expect(count.readBigUInt64LE()).toBe(2n);
      expect(readSync(other, count)).toBe(0);
      received.release(1);
      received.signal(1);
      received.releaseAll();
      for (const descriptor of [ram, other, event]) closeSync(descriptor);
    });
  });

  it.each(['with descriptors', 'without'])(
    'nothing is read of a client whose turn has ended before it has had another one (a socket %s)',
    async (kind) => {
      const reader = kind === 'without' ? undefined : new DescriptorReader(new SocketCalls('a test'));
      const events: string[] = [];
      const socket = new GuestSocket(
        join(folder, 's.sock'),
        {
          attached: () => true,
          received: (bytes) => {
            events.push(new TextDecoder().decode(bytes));
            if (events.length === 1) client.write('two');
            return events.length === 1;
          },
          nextTurn: () => events.push('turn') < 20,
          detached: () => {},
          slow: () => {},
        },
        reader,
      );
      await socket.listen();
      const client = connect(join(folder, 's.sock'));
      client.write('one');
      await until(() => events.includes('two'));
      expect(events).toEqual(['one', ...new Array<string>(19).fill('turn'), 'two']);
      client.destroy();
      socket.close();
      reader?.close();
    },
  );

  it('are closed when they come for a session whose time has just run out', async () => {
    const served = await Served.start({ protection: GUEST_DRIVEN });
    const path = /"path":"(?<path>[^"]+)"/u.exec(served.server.commands()[0]?.words.join(' ') ?? '');
    const client = connect(path?.groups?.path ?? '');
    const [guest] = served.server.machine.guests;
    try {
      await until(() => guest?.session !== undefined);
      const file = openSync(join(folder, 'file'), 'w+');
      const { kernel } = served.server.machine;
      const ends = kernel.register('test.session-ends', () => guest?.session?.fail('half-a-message'));
      sendWith(client, new Uint8Array(1), [file]);
      // Due when the bytes are taken, and nothing looks before.
      kernel.post(0, ends);
      await until(() => guest?.session === undefined);
      await until(() => openOf(join(folder, 'file')) === 1);
      closeSync(file);
      expect(served.failures).toEqual([]);
    } finally {
      client.destroy();
      served.stop();
    }
  });

  it('a counter that is full holds nobody up', async () => {
    await served(async (client, arrived) => {
      const calls = new SocketCalls('a test');
      writeFileSync(join(folder, 'ram'), '');
      const event = calls.makeEvent();
      const { writeSync } = await import('node:fs');
      writeSync(event, new Uint8Array([0xfe, 255, 255, 255, 255, 255, 255, 255]));
      sendWith(client, new Uint8Array(1), [event]);
      await until(() => arrived.length === 1);
      const received = new ReceivedDescriptors(calls, 0, new DescriptorNumbers(), join(folder, 'ram'));
      received.take(arrived[0]?.descriptors ?? []);
      received.signal(0);
      if (calls.neverWaits) {
        // As when its owner fills it, and takes O_NONBLOCK off, behind our look at it.
        calls.isWritable = () => true;
        const fcntl = native?.load('libc.so.6').func('int fcntl(int fd, int command, int value)');
        expect(fcntl?.(event, 4, 0)).toBe(0);
        received.signal(0);
      } else
        process.stderr.write('\nSKIPPED: an eventfd whose owner makes it wait: no asynchronous reads here\n');
      received.releaseAll();
      calls.close();
      closeSync(event);
    });
  });
});

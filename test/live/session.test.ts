import { describe, expect, it } from 'vitest';
import { Client, frame, words } from './support/client.js';
import { ethernet, RECEIVE, TRANSMIT } from './support/driver.js';
import { GUEST_BYTES, Lab, MAC } from './support/lab.js';

/** A card whose rings and status block take more than 64 KB. */
const CARD = {
  name: 'guest0',
  attached: true,
  card: 'cdna',
  memoryMegabytes: 4,
  transmitSlots: 4096,
} as const;

describe('a vfio-user session', () => {
  it('answers VERSION, and nothing before it', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    expect(client.read(0, 20, 1)).toBe(-1);
    expect(client.closedFor).toBe('version-first');
    const next = lab.plugIn(0).client;
    next.connect();
    const answer = next.version();
    expect(answer?.error).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(answer?.payload.subarray(4, -1)))).toHaveProperty(
      'capabilities',
    );
  });

  it('says the limits that it has, and nothing of what it has not (vfio-user, VERSION)', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    const said: unknown = JSON.parse(new TextDecoder().decode(client.version()?.payload.subarray(4, -1)));
    // Left out, max_dma_maps is 65,535; `migration` would be an offer.
    expect(said).toEqual({
      capabilities: { max_msg_fds: 8, max_data_xfer_size: 65_536, max_dma_maps: 1024 },
    });
  });

  it('reads and writes as many bytes of a region at once as max_data_xfer_size says, and no more', () => {
    const lab = new Lab({ weights: [1], scenario: { guests: [CARD] } });
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    const info = client.command(5, words([4, 32], [4, 0], [4, 2], [4, 0], [8, 0], [8, 0]));
    const regionBytes = new DataView(info?.payload.slice().buffer ?? new ArrayBuffer(32)).getUint32(16, true);
    expect(regionBytes).toBeGreaterThan(65_536);
    const read = (count: number) => client.command(9, words([8, 0], [4, 2], [4, count]));
    expect([read(65_536)?.error, read(65_536)?.payload.length]).toEqual([0, 16 + 65_536]);
    expect([read(65_537)?.error, read(65_537)?.payload.length]).toEqual([22, 0]);
    const write = client.command(10, words([8, 0], [4, 2], [4, 65_536], [65_536, 0]));
    expect([write?.error, write?.payload.length]).toEqual([0, 16]);
    expect(client.closedFor).toBeUndefined();
  });

  it('reads all of a BAR at once as it reads its structures one by one', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    const part = (offset: number, count: number) =>
      Array.from(client.command(9, words([8, offset], [4, 0], [4, count]))?.payload.subarray(16) ?? []);
    const whole = part(0, 0x4000);
    expect(whole.slice(0, 0x38)).toEqual(part(0, 0x38));
    expect(whole.slice(0x2000, 0x200c)).toEqual(part(0x2000, 12));
    expect(part(0x1ffe, 8)).toEqual([0, 0, ...part(0x2000, 6)]);
    expect(part(0x2000, 12)).not.toEqual(new Array(12).fill(0));
  });

  it('sends no longer answer than the client has space for: argsz (vfio-user, Message sizes)', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    client.map(0x10000, 0x10000, 0);
    const asked: [code: number, least: number, payload: (argsz: number) => Uint8Array][] = [
      [3, 24, (argsz) => words([4, argsz], [4, 0], [8, 0x10000], [8, 0x10000])],
      [4, 16, (argsz) => words([4, argsz], [4, 0], [4, 0], [4, 0])],
      [5, 32, (argsz) => words([4, argsz], [4, 0], [4, 0], [4, 0], [8, 0], [8, 0])],
      [7, 16, (argsz) => words([4, argsz], [4, 0], [4, 2], [4, 0])],
    ];
    for (const [code, least, payload] of asked) {
      const short = client.command(code, payload(least - 1));
      expect([code, short?.error, short?.payload.length]).toEqual([code, 22, 0]);
    }
    // An unmap that was refused has unmapped nothing.
    expect(lab.live.guests[0]?.session?.ranges.count).toBe(1);
    for (const [code, least, payload] of asked) {
      const answer = client.command(code, payload(least));
      expect([code, answer?.error, answer?.payload.length]).toEqual([code, 0, least]);
    }
  });

  it('refuses another major version', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    expect(client.version(7)?.error).toBe(22);
    expect(client.closedFor).toBe('version');
  });

  it('describes a PCI function: 9 regions, 5 kinds of interrupt, 3 MSI-X vectors', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    const info = new DataView(
      client.command(4, words([4, 16], [4, 0], [4, 0], [4, 0]))?.payload.slice().buffer ??
        new ArrayBuffer(16),
    );
    expect([4, 8, 12].map((at) => info.getUint32(at, true))).toEqual([3, 9, 5]);
    const msix = client.command(7, words([4, 16], [4, 0], [4, 2], [4, 0]));
    expect(msix?.payload[12]).toBe(3);
    const bar = client.command(5, words([4, 32], [4, 0], [4, 0], [4, 0], [8, 0], [8, 0]));
    expect(new DataView(bar?.payload.slice().buffer ?? new ArrayBuffer(32)).getUint32(16, true)).toBe(0x4000);
    expect(client.read(7, 0, 4)).toBe(0x10411af4);
  });

  it('takes messages in pieces of any size', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    const bytes = frame(9, 1, 0, words([2, 0], [2, 1]));
    for (const byte of bytes) client.raw(new Uint8Array([byte]));
    client.raw(frame(10, 9, 0, words([8, 0], [4, 7], [4, 4])));
    expect(client.messages).toHaveLength(2);
  });

  it('drops a client that leaves half a message for 5 s, and one that never says its version', () => {
    const lab = new Lab();
    const half = lab.driver(0).client;
    half.connect();
    half.version();
    half.raw(frame(1, 13, 0, new Uint8Array(0)).subarray(0, 7));
    const silent = lab.driver(1).client;
    silent.connect();
    lab.run(4_900_000_000);
    expect([half.closedFor, silent.closedFor]).toEqual([undefined, undefined]);
    // One byte more is no message.
    half.raw(new Uint8Array(1));
    lab.run(200_000_000);
    expect([half.closedFor, silent.closedFor]).toEqual(['half-a-message', 'no-version']);
    lab.boot(0);
    lab.live.checkInvariants();
  });

  it('drops a stream that cannot be followed', () => {
    for (const size of [0, 15, 2 ** 31]) {
      const lab = new Lab();
      const { client } = lab.driver(0);
      client.connect();
      client.version();
      client.raw(words([2, 1], [2, 13], [4, size], [4, 0], [4, 0]));
      expect(client.closedFor).toBe('message-size');
    }
  });

  it('turns a second virtual machine away, and the first does not notice', () => {
    const lab = new Lab();
    const first = lab.boot(0);
    const second = new Client({
      connect: (connection) => lab.live.attach(0, connection),
      send: () => {},
      close: () => {},
    });
    expect(second.connect()).toBe(false);
    expect(second.closedFor).toBe('busy');
    first.send(0, 0x200000, ethernet(MAC + 1, MAC, 'first'));
    lab.run();
    expect(first.takeUsed(TRANSMIT)).toHaveLength(1);
  });

  it('drops a client that does not read, frees its context, and takes the next one', () => {
    const lab = new Lab();
    const slow = lab.boot(0);
    expect(lab.live.host.nic.contexts.filter(({ state }) => state === 'open')).toHaveLength(1);
    lab.live.slowReader(0);
    expect(slow.client.closedFor).toBe('slow-reader');
    expect(lab.live.host.nic.contexts.filter(({ state }) => state === 'open')).toHaveLength(0);
    const next = lab.plugIn(0);
    lab.boot(0);
    next.send(0, 0x200000, ethernet(MAC + 1, MAC, 'next'));
    lab.run();
    expect(next.takeUsed(TRANSMIT)).toHaveLength(1);
    lab.live.checkInvariants();
  });
});

describe('memory that is unmapped', () => {
  it('an unmap of the whole 64-bit space is legal', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    client.map(0, GUEST_BYTES, 0);
    client.map(2 ** 32, 4096, 0);
    const all = words([4, 24], [4, 0], [8, 0], [4, 0xffffffff], [4, 0xffffffff]);
    expect(client.command(3, all)?.error).toBe(0);
    expect(lab.live.guests[0]?.session?.ranges.count).toBe(0);
  });

  it('overlapping maps, ranges of no bytes, and unmaps across a border are refused', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    expect(client.map(0x10000, 0x10000, 0)?.error).toBe(0);
    expect(client.map(0x18000, 0x10000, 0)?.error).toBe(17);
    expect(client.map(0x30000, 0, 0)?.error).toBe(22);
    expect(client.unmap(0x18000, 0x1000)?.error).toBe(22);
    expect(client.unmap(0x10000, 0x10000)?.error).toBe(0);
  });

  it('keeps no more than 1,024 ranges of a client', () => {
    const lab = new Lab();
    const { client } = lab.driver(0);
    client.connect();
    client.version();
    const errors = Array.from({ length: 1030 }, (_, page) => client.map(page * 8192, 4096, 0)?.error);
    expect(errors.filter((error) => error === 0)).toHaveLength(1024);
    expect(errors.at(-1)).toBe(28);
  });

  it.each(['none', 'cdna', 'iommu:single-use', 'iommu:deferred', 'driver-domain'])(
    'nothing of the guest lands in it once the unmap is answered (%s)',
    (protection) => {
      const lab = new Lab({ protection });
      const owner = lab.boot(0);
      const sender = lab.boot(1);
      lab.ram(0).fill(0x2e, 0x300000, 0x301000);
      owner.post(RECEIVE, 0, [{ at: 0x300000, bytes: 1536 }]);
      lab.run();
      expect(owner.client.unmap(0, GUEST_BYTES)?.error).toBe(0);
      sender.send(0, 0x200000, ethernet(MAC, MAC + 1, 'LANDED', 94));
      lab.run(200_000_000);
      expect(
        lab
          .ram(0)
          .subarray(0x300000, 0x301000)
          .every((byte) => byte === 0x2e),
      ).toBe(true);
      expect(lab.live.guests[0]?.sessionFaults).toMatchObject({ 'memory-taken-away': 1 });
      expect(owner.status & 64).toBe(64);
      lab.live.checkInvariants();
    },
  );
});

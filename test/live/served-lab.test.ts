import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectTo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pageNumber } from '../../nic/addresses.js';
import { ServedLab } from '../../src/cli/served-lab.js';
import { PROTOCOL_VERSION, type Report, type Request } from '../../src/lab/protocol.js';
import { reportOf } from '../../src/lab/report-text.js';
import { ethernet, TRANSMIT } from './support/driver.js';
import { GUEST_BYTES, MAC } from './support/lab.js';
import { replayed } from './support/replayed.js';
import { Served, type ServedOptions, until } from './support/served.js';
import { clientFrame, WebSocketClient } from './support/web-socket-client.js';

const STRANGER = 0x0200000000ff;

/** A page without a browser: what it is told, and what it asks for. */
class Watcher {
  readonly reports: Report[] = [];
  readonly socket: WebSocketClient;

  constructor(socket: WebSocketClient) {
    this.socket = socket;
  }

  ask(request: Request): void {
    this.socket.send(JSON.stringify(request));
  }

  /** Takes what has come, and says of each state that it has been drawn. */
  read(): void {
    for (const text of this.socket.messages.splice(0)) {
      const report = reportOf(text);
      this.reports.push(report);
      if (report.kind === 'state') this.ask({ kind: 'shown' });
    }
  }

  /** The next report of a kind that will do. */
  async next<K extends Report['kind']>(
    kind: K,
    isMeant: (report: Extract<Report, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<Report, { kind: K }>> {
    let found: Extract<Report, { kind: K }> | undefined;
    await until(() => {
      const from = this.reports.length;
      this.read();
      found = this.reports
        .slice(from)
        .find(
          (report): report is Extract<Report, { kind: K }> =>
            report.kind === kind && isMeant(report as Extract<Report, { kind: K }>),
        );
      return found !== undefined;
    }, `a report of kind ${kind}`);
    if (found === undefined) throw new Error('no report');
    return found;
  }
}

let folder = '';
let served: Served | undefined;
let lab: ServedLab | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-served-'));
});
afterEach(async () => {
  await lab?.close();
  served?.stop();
  expect(served?.failures ?? []).toEqual([]);
  lab = undefined;
  served = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** A session with its page. */
async function serve(options: ServedOptions = {}) {
  served = await Served.start(options);
  lab = new ServedLab(served.server, {
    port: 0,
    folder,
    failed: (error) => served?.failures.push(error),
  });
  const address = new URL(await lab.listen());
  const token = address.hash.slice('#serve='.length);
  const port = Number(address.port);
  const open = (
    headers: Record<string, string> = { origin: address.origin },
    path = `/session?token=${token}`,
  ) => WebSocketClient.open({ port, path, headers });
  const connect = async () => {
    const socket = await open();
    if (typeof socket === 'number') throw new Error(`refused with ${socket}`);
    return socket;
  };
  const watch = async () => {
    const watcher = new Watcher(await connect());
    watcher.ask({ kind: 'open', version: PROTOCOL_VERSION, plans: [] });
    const opened = await watcher.next('opened');
    return { watcher, opened };
  };
  return { session: served, lab, token, port, origin: address.origin, open, connect, watch };
}

describe('serve --lab', () => {
  it('tells a page of the machine, of the guests that come, and of what they send', async () => {
    const { session, watch } = await serve();
    const { watcher, opened } = await watch();
    expect(opened).toMatchObject({ version: PROTOCOL_VERSION, clock: 'wall' });
    expect(opened.plans[0]).toMatchObject({ approach: 'cdna', discipline: 'drr' });
    const before = await watcher.next('state');
    expect(before.served?.guests.map(({ state }) => state)).toEqual(['waiting', 'waiting']);
    const red = await session.boot(0);
    for (let slot = 0; slot < 8; slot += 1)
      red.send(slot, 0x200000 + slot * 2048, ethernet(STRANGER, MAC, `frame ${slot}`, 1000));
    const sent = await watcher.next(
      'state',
      ({ machines }) => machines[0]?.snapshot.guests[0]?.framesTransmitted === 8,
    );
    expect(sent.served?.guests.map(({ state }) => state)).toEqual(['running', 'waiting']);
    const snapshot = sent.machines[0]?.snapshot;
    expect(snapshot?.guests[0]).toMatchObject({ column: 1, bytesTransmitted: 8000 });
    expect(snapshot?.guests[0]?.latencies?.p50).toBeGreaterThan(0);
    expect(snapshot?.contexts).toHaveLength(1);
    expect(sent.machines[0]?.owners).toBeInstanceOf(Int16Array);
    expect(sent.position.atNs).toBeGreaterThan(before.position.atNs);
  });

  it('shows registers, rings and the virtual machine behind a domain', async () => {
    const { session, watch } = await serve({ protection: 'iommu:single-use' });
    const { watcher } = await watch();
    const red = await session.boot(0);
    red.send(0, 0x200000, ethernet(STRANGER, MAC, 'one', 100));
    const context = session.server.machine.guests[0]?.device.port?.context ?? 0;
    watcher.ask({ kind: 'inspect', machine: 0, subject: { kind: 'context', id: context } });
    const registers = await watcher.next('state', ({ details }) => details?.title === `Context ${context}`);
    expect(registers.details?.sections.flatMap(({ rows }) => rows.map(([name]) => name))).toContain(
      'TX_PRODUCER',
    );
    watcher.ask({ kind: 'inspect', machine: 0, subject: { kind: 'domain', id: 1 } });
    const domain = await watcher.next('state', ({ details }) => details?.title === 'red');
    expect(domain.details?.sections.find(({ title }) => title === 'Virtual machine')?.rows).toContainEqual([
      'state',
      'running',
    ]);
  });

  it("has its page under iommu:guest too, which is no approach of the lab's", async () => {
    const guests = ['red', 'blue'].map((name) => ({
      name,
      attached: true,
      card: 'cdna' as const,
      memoryMegabytes: 4,
    }));
    const { watch } = await serve({ protection: 'iommu:guest', scenario: { guests } });
    const { watcher, opened } = await watch();
    expect(opened.plans[0]).toMatchObject({ approach: 'iommu:guest' });
    const subjects = ['access-gate', 'set-up-gate', 'card'] as const;
    for (const kind of subjects) {
      watcher.ask({ kind: 'inspect', machine: 0, subject: { kind } });
      const { details } = await watcher.next('state', (state) => state.details !== undefined);
      expect(details?.sections.length).toBeGreaterThan(0);
      watcher.ask({ kind: 'inspect', machine: 0 });
      await watcher.next('state', (state) => state.details === undefined);
    }
  });

  it('counts a fault of a real guest, says what it was, and answers the next by the policy of the page', async () => {
    const { session, watch } = await serve();
    const { watcher } = await watch();
    const red = await session.boot(0);
    const quiet = await watcher.next('state');
    expect(quiet.counts.fault).toBe(0);
    watcher.ask({ kind: 'policy', policy: 'kill' });
    await watcher.next('state', (state) => state.served?.policy === 'kill');
    // A buffer of the neighbour's: the set-up gate refuses it.
    red.post(TRANSMIT, 0, [{ at: GUEST_BYTES + 0x10000, bytes: 112 }]);
    const faulted = await watcher.next('state', ({ counts }) => counts.fault > 0);
    expect(faulted.machines[0]?.snapshot.faults).toBe(faulted.counts.fault);
    expect(faulted.machines[0]?.snapshot.setUp.refused).toBe(1);
    expect(faulted.served?.guests[0]?.state).toBe('killed');
    const lines = watcher.reports.flatMap((report) =>
      report.kind === 'state' ? (report.machines[0]?.entries ?? []) : [],
    );
    expect(lines.map(({ text }) => text).join('\n')).toMatch(
      /^set-up gate: not-owner: buffer of \d+ bytes /mu,
    );
  });

  it('gives a guest three times the wire from the page, as the record has it, and the replay is the same to the bit', async () => {
    const record = join(folder, 'session');
    const { session, watch } = await serve({
      record,
      scenario: { nic: { rateBps: 10_000_000 } },
    });
    const { watcher } = await watch();
    const drivers = [await session.boot(0), await session.boot(1)];
    watcher.ask({ kind: 'change', change: { guest: 'red', weight: 3 } });
    const changed = await watcher.next('changed');
    expect(changed.plans[0]?.scenario.changes).toContainEqual({ atNs: 0, guest: 'red', weight: 3 });
    const context = session.server.machine.guests[0]?.device.port?.context ?? 0;
    await until(() => session.server.machine.host.nic.contexts[context]?.share.weight === 3);
    for (const [guest, driver] of drivers.entries()) {
      const at = 0x200000;
      driver.ram.write(at, new Uint8Array(12));
      driver.ram.write(at + 12, ethernet(STRANGER, MAC + guest, 'load', 1514));
      for (let slot = 0; slot < 250; slot += 1) driver.post(TRANSMIT, slot, [{ at, bytes: 1526 }], true);
    }
    // Counted frame by frame in virtual time. Blue has frames waiting when red begins, however late this host is.
    const sent = [0, 0];
    const sentAt = new Map<number, number>();
    session.server.machine.host.nic.streams.lentFrames$.subscribe((frame) => {
      if (frame.direction !== 'transmit') return;
      const guest = frame.context === context ? 0 : 1;
      sent[guest] = (sent[guest] ?? 0) + 1;
      if (guest === 0) sentAt.set(sent[0] ?? 0, sent[1] ?? 0);
    });
    for (const driver of drivers.reverse()) driver.notify(TRANSMIT);
    await watcher.next('state', ({ machines }) =>
      [0, 1].every((guest) => machines[0]?.snapshot.guests[guest]?.framesTransmitted === 250),
    );
    const ratio = 199 / ((sentAt.get(200) ?? 0) - (sentAt.get(1) ?? 0));
    expect(ratio).toBeGreaterThan(2.7);
    expect(ratio).toBeLessThan(3.3);
    // A look into guests' memory is no input either.
    watcher.ask({ kind: 'inspect', machine: 0, subject: { kind: 'page', id: pinnedPageOf(session) } });
    await watcher.next('state', ({ details }) => details?.title.startsWith('Page') === true);
    watcher.ask({ kind: 'policy', policy: 'revoke' });
    await watcher.next('state', (state) => state.served?.policy === 'revoke');
    session.stop();
    const { replay, machine } = replayed(record);
    const end = replay.end(machine);
    expect(end.recorded).toBe(session.server.machine.fingerprint.toString());
    expect(end.fingerprint).toBe(end.recorded);
    expect(machine.guests[0]?.device.share.now.weight).toBe(3);
    expect(machine.host.hypervisor.faultPolicy).toBe('revoke');
  });

  it('limits a guest, lifts the limit, and refuses what the discipline does not read, in one line', async () => {
    const record = join(folder, 'session');
    const { session, watch } = await serve({ record, discipline: 'limited:drr' });
    const { watcher } = await watch();
    await session.boot(0);
    const share = () => session.server.machine.guests[0]?.device.share.now;
    watcher.ask({ kind: 'change', change: { guest: 'red', limitBps: 2_000_000 } });
    await until(() => share()?.limitBps === 2_000_000);
    watcher.ask({ kind: 'change', change: { guest: 'red', limitBps: null } });
    await until(() => share()?.limitBps === undefined);
    for (const [change, message] of [
      [
        { guest: 'red', priority: 1 },
        /^changes\[0\]\.priority is 1, expected none: limited:drr reads weight, /u,
      ],
      [{ guest: 'red', weight: 0 }, /weight/u],
      [{ weight: 2 }, /changes\[0\]\.guest is missing, expected the name of a guest$/u],
      [
        { rateBps: 1_000_000_000 },
        /^rateBps is no knob of a session with real guests, expected an entry of `changes` in its scenario$/u,
      ],
      [{ guest: 'green', weight: 2 }, /^guest is "green", expected a real guest: red, blue$/u],
      [{ guest: 'red', balloon: 4 }, /^red is a real guest: expected one of: weight, limitBps, priority$/u],
    ] as const) {
      watcher.ask({ kind: 'change', change } as Request);
      const refused = await watcher.next('refused');
      expect(refused.message).toMatch(message);
      expect(refused.message).not.toContain('\n');
    }
    session.stop();
    const { replay, machine } = replayed(record);
    expect(replay.end(machine).fingerprint).toBe(session.server.machine.fingerprint.toString());
  });

  it('starts and completes a capture from the page', async () => {
    const { session, watch } = await serve();
    const { watcher } = await watch();
    const name = process.cwd();
    process.chdir(folder);
    try {
      watcher.ask({ kind: 'capture', on: true });
      const capturing = await watcher.next('state', (state) => state.served?.capture !== undefined);
      expect(capturing.served?.capture).toBe('serve.pcapng');
      watcher.ask({ kind: 'capture', on: false });
      await watcher.next('state', (state) => state.served?.capture === undefined);
    } finally {
      process.chdir(name);
    }
    expect(readFileSync(join(folder, 'serve.pcapng')).readUInt32LE(0)).toBe(0x0a0d0d0a);
    expect(session.server.capturing).toBeUndefined();
  });

  it('turns away a page of another origin or without the token, another path, and a fifth page', async () => {
    const { open, origin, token, port, connect, lab: page } = await serve();
    const other = new URL(origin);
    expect(await open({ origin: 'http://example.org' })).toBe(403);
    expect(await open({ origin: `http://localhost:${other.port}` })).toBe(403);
    expect(await open({ origin: 'null' })).toBe(403);
    expect(await open({})).toBe(403);
    // A name of its own that leads here (DNS rebinding): origin and host agree, and are not ours.
    expect(await open({ origin: 'http://example.org:80', host: 'example.org:80' })).toBe(403);
    expect(await open({ origin }, `/session?token=${'x'.repeat(token.length)}`)).toBe(403);
    expect(await open({ origin }, '/session')).toBe(403);
    expect(await open({ origin }, `/else?token=${token}`)).toBe(404);
    expect(
      await WebSocketClient.open({
        port,
        path: `/session?token=${token}`,
        headers: { origin, 'sec-websocket-version': '12' },
      }),
    ).toBe(400);
    for (let pages = 0; pages < 4; pages += 1) await connect();
    expect(await open()).toBe(503);
    expect(page.pages).toBe(4);
  });

  it('refuses a page of another version, and requests that are none, in one line each', async () => {
    const { connect } = await serve();
    const watcher = new Watcher(await connect());
    const refusalOf = async (text: string) => {
      watcher.socket.send(text);
      return (await watcher.next('refused')).message;
    };
    expect(await refusalOf(JSON.stringify({ kind: 'open', version: 1, plans: [] }))).toBe(
      `version is 1, expected ${PROTOCOL_VERSION}: the page and \`serve\` are of different releases, load it again`,
    );
    expect(await refusalOf('{')).toBe('a message is no JSON, expected a request of the lab');
    expect(await refusalOf('null')).toMatch(/^kind is undefined, expected one /u);
    expect(await refusalOf(JSON.stringify({ kind: 'step', unit: 'event' }))).toMatch(
      /^kind is "step", expected one that a session with real guests takes: open, change, policy, capture, /u,
    );
    expect(await refusalOf(JSON.stringify({ kind: 'policy', policy: 'forgive' }))).toMatch(
      /^policy: policy: /u,
    );
  });

  it('leaves out states for a page that does not draw, and goes on when pages vanish', async () => {
    const { session, watch, lab: page } = await serve();
    const { watcher } = await watch();
    const slow = await watch();
    // The slow one is told one state, and never says that it has drawn it.
    slow.watcher.read();
    await until(() => slow.watcher.socket.messages.length > 0);
    const { nowNs } = session.server.machine.kernel;
    await watcher.next('state', ({ position }) => position.atNs > nowNs + 300_000_000);
    expect(slow.watcher.socket.messages.filter((text) => text.startsWith('{"kind":"state"'))).toHaveLength(1);
    slow.watcher.socket.destroy();
    await until(() => page.pages === 1);
    await watcher.next('state');
    watcher.socket.destroy();
    await until(() => page.pages === 0);
    await session.boot(0);
  });
});

/** A request for a WebSocket as bytes, with what comes behind it in the same write. */
function rawUpgrade(port: number, path: string, behind: Uint8Array = new Uint8Array(0)): Socket {
  const socket = connectTo({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Origin: http://127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${Buffer.alloc(16, 7).toString('base64')}`,
  ];
  socket.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), behind]));
  return socket;
}

/** What comes on a socket until its other side ends it. */
async function read(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await new Promise((resolve) => socket.once('end', resolve));
  return Buffer.concat(pieces).toString('latin1');
}

/** Nothing, when a connection is cut. */
function gone(socket: Socket): Promise<string> {
  return new Promise((resolve) => socket.once('close', () => resolve('')));
}

describe('the end of serve --lab', () => {
  it('does not wait for one who is refused and keeps its half of the connection open', async () => {
    const { lab: page, port } = await serve();
    const refused = rawUpgrade(port, '/session?token=none');
    expect(await read(refused)).toMatch(/^HTTP\/1\.1 403 /u);
    await page.close();
    refused.destroy();
  });

  it('does not wait for a page that neither answers nor ends, and tells it why (RFC 6455, 7.4.1: 1001)', async () => {
    const { lab: page, port, token } = await serve();
    const deaf = rawUpgrade(port, `/session?token=${token}`);
    await until(() => page.pages === 1);
    const told = read(deaf);
    await page.close();
    expect(Buffer.from(await told, 'latin1').subarray(-4)).toEqual(Buffer.of(0x88, 2, 0x03, 0xe9));
    deaf.destroy();
  });

  it('keeps no connection of clients who are refused, send a byte more, and go', async () => {
    const { port } = await serve();
    const open = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const before = open();
    const refused = Array.from({ length: 50 }, () => rawUpgrade(port, '/session', Buffer.of(1)));
    await Promise.all(refused.map((socket) => read(socket)));
    for (const socket of refused) socket.end(Buffer.of(2));
    await until(() => open() <= before);
  });

  it('takes 64 who are refused and stay, and a page again when their time is over', async () => {
    const { port, open } = await serve();
    const refused = Array.from({ length: 80 }, () => rawUpgrade(port, '/session'));
    const answers = await Promise.all(refused.map((socket) => Promise.race([read(socket), gone(socket)])));
    expect(answers.filter((answer) => answer.startsWith('HTTP/1.1 403 '))).toHaveLength(64);
    let page: WebSocketClient | number | undefined;
    while (!(page instanceof WebSocketClient)) page = await open().catch(() => undefined);
    for (const socket of refused) socket.destroy();
  });
});

describe('the WebSocket of serve --lab', () => {
  it('takes a message that comes in one write with the request', async () => {
    const { lab: page, port, token } = await serve();
    const socket = rawUpgrade(port, `/session?token=${token}`, clientFrame(0x81, Buffer.from('{}')));
    let told = '';
    socket.on('data', (piece: Buffer) => {
      told += piece.toString('latin1');
    });
    await until(() => told.includes('kind is undefined, expected one '));
    expect(told).toMatch(/^HTTP\/1\.1 101 /u);
    socket.destroy();
    await until(() => page.pages === 0);
  });

  it('ends at a frame without a mask that comes in one write with the request', async () => {
    const { lab: page, port, token } = await serve();
    const socket = rawUpgrade(port, `/session?token=${token}`, Buffer.of(0x81, 0x01, 0x41));
    expect(Buffer.from(await read(socket), 'latin1').subarray(-4)).toEqual(Buffer.of(0x88, 2, 0x03, 0xea));
    expect(page.pages).toBe(0);
    socket.destroy();
  });

  const opening = Buffer.from(JSON.stringify({ kind: 'open', version: 1, plans: [] }));

  it('puts a message in fragments together, also around a ping, which it answers (RFC 6455, 5.4)', async () => {
    const { connect } = await serve();
    const client = await connect();
    client.raw(clientFrame(0x01, opening.subarray(0, 10)));
    client.raw(clientFrame(0x89, Buffer.from('there?')));
    const last = clientFrame(0x80, opening.subarray(10));
    client.raw(last.subarray(0, 3));
    await until(() => client.pongs.length === 1);
    client.raw(last.subarray(3));
    await until(() => client.messages.length === 1);
    expect(client.pongs[0]?.toString()).toBe('there?');
    expect(client.messages[0]).toContain('version is 1');
  });

  it.each([
    ['a frame without a mask', Buffer.from([0x81, 0x02, 0x7b, 0x7d]), 1002],
    ['a reserved bit', clientFrame(0xc1, opening), 1002],
    ['a kind that is reserved', clientFrame(0x83, opening), 1002],
    ['a ping in fragments', clientFrame(0x09, opening), 1002],
    ['a long ping', clientFrame(0x89, Buffer.alloc(126)), 1002],
    ['a continuation of nothing', clientFrame(0x80, opening), 1002],
    ['a binary message', clientFrame(0x82, opening), 1003],
    ['what is not UTF-8', clientFrame(0x81, Buffer.from([0xc3, 0x28])), 1007],
    ['a message of 65,537 bytes', clientFrame(0x81, Buffer.alloc(65_537, 0x20)), 1009],
    ['an end, which is answered with its code', clientFrame(0x88, Buffer.from([0x03, 0xe8])), 1000],
  ])('ends the connection at %s', async (_what, bytes, code) => {
    const { connect, lab: page } = await serve();
    const client = await connect();
    client.raw(bytes);
    await until(() => client.isGone);
    expect(client.closedWith).toBe(code);
    await until(() => page.pages === 0);
  });

  it('ends fragments that together are too long', async () => {
    const { connect } = await serve();
    const client = await connect();
    client.raw(clientFrame(0x01, Buffer.alloc(40_000, 0x20)));
    client.raw(clientFrame(0x80, Buffer.alloc(40_000, 0x20)));
    await until(() => client.isGone);
    expect(client.closedWith).toBe(1009);
  });
});

/** A page of a guest's RAM that is pinned now, or the first page. */
function pinnedPageOf({ server }: Served): number {
  const { pages, hypervisor } = server.machine.host;
  const domain = server.machine.guests[0]?.domain;
  for (let page = 0; page < pages.pageCount; page += 1)
    if (hypervisor.domains[pages.owner(pageNumber(page))] === domain && pages.count(pageNumber(page)) > 0)
      return page;
  return 0;
}

import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LiveMachine } from '../src/live/live-machine.js';
import { subjectPlan } from '../src/live/live-plan.js';
import { FileRam } from '../src/live/ram/file-ram.js';
import { checkScenario } from '../src/scenario/load.js';
import { Client } from '../test/live/support/client.js';
import {
  Driver,
  EVENT_IDX,
  ethernet,
  MRG_RXBUF,
  RECEIVE,
  TRANSMIT,
  VERSION_1,
} from '../test/live/support/driver.js';

// What a frame of a real guest costs this host in CPU time, 1,514 bytes long, under each approach: to the wire, from it,
// and from guest to guest over it. The guests' RAM lies in files, as in `serve`. The work of the drivers that act as guests
// is measured and subtracted; sockets are not part of it.

const APPROACHES = ['none', 'cdna', 'iommu:single-use', 'iommu:deferred', 'driver-domain', 'cdna+iommu'];
const GUEST_BYTES = 4 * 2 ** 20;
const MAC = 0x020000000001;
const STRANGER = 0x020000ffffff;
const BATCH = 64;
const FRAMES = 20_000;
const FRAME_BYTES = 1514;

interface Guest {
  readonly driver: Driver;
  readonly ram: FileRam;
  readonly fd: number;
}

function measure(protection: string, flow: 'out' | 'in' | 'guest to guest', folder: string): string[] {
  const scenario = checkScenario({
    nic: { rateBps: 100_000_000_000 },
    guests: [0, 1].map((index) => ({
      name: `guest${index}`,
      attached: true,
      memoryMegabytes: 4,
      coalesceFrames: 32,
      coalesceNs: 50_000,
    })),
    link: { queueBytes: 2 ** 24 },
  });
  const rams: FileRam[] = [];
  const machine = new LiveMachine({
    ...subjectPlan({ scenario, directory: '.', captures: new Map(), protection, discipline: 'drr', seed: 1 }),
    makeRam: (index) => {
      const ram = new FileRam(
        join(folder, `${protection.replace(/\W/gu, '-')}-${flow.replace(/\W/gu, '-')}-${index}`),
        GUEST_BYTES,
      );
      rams.push(ram);
      return ram;
    },
  });
  const run = (ns: number) => machine.run(machine.kernel.nowNs + ns);
  const guests: Guest[] = rams.map((ram, index) => {
    const fd = openSync(ram.path, 'r+');
    const client = new Client({
      connect: (outlet) => machine.attach(index, outlet),
      send: (bytes) => machine.receive(index, bytes),
      close: () => machine.detach(index),
    });
    const driver = new Driver(client, {
      read: (at, length) => {
        const bytes = new Uint8Array(length);
        readSync(fd, bytes, 0, length, at);
        return bytes;
      },
      write: (at, bytes) => {
        writeSync(fd, bytes, 0, bytes.length, at);
      },
    });
    client.connect();
    client.version();
    client.map(0, GUEST_BYTES, 0);
    driver.start(MRG_RXBUF | VERSION_1 | EVENT_IDX);
    run(2_000_000);
    return { driver, ram, fd };
  });
  const [sender, receiver] = guests;
  if (sender === undefined || receiver === undefined) throw new Error('no guests');
  const target = flow === 'out' ? STRANGER : MAC + 1;
  sender.driver.ram.write(0x200000, new Uint8Array(12));
  sender.driver.ram.write(0x20000c, ethernet(target, MAC, 'x', FRAME_BYTES));
  const incoming = ethernet(MAC + 1, STRANGER, 'x', FRAME_BYTES);
  const post = (slot: number, at: number) => {
    if (flow !== 'out')
      receiver.driver.post(
        RECEIVE,
        slot % 256,
        [{ at: 0x100000 + 2048 * (slot % 256), bytes: 1536 }],
        at < BATCH - 1,
      );
    if (flow !== 'in')
      sender.driver.post(TRANSMIT, slot % 256, [{ at: 0x200000, bytes: 12 + FRAME_BYTES }], at < BATCH - 1);
  };
  const round = (first: number) => {
    for (let at = 0; at < BATCH; at += 1) post(first + at, at);
    if (flow === 'in') for (let at = 0; at < BATCH; at += 1) machine.uplinkFrame(incoming);
    run(1_000_000);
  };
  for (let frame = 0; frame < 2000; frame += BATCH) round(frame);
  const callsBefore = calls(rams);
  const sentBefore = sender.driver.used(TRANSMIT);
  const cpuBefore = process.cpuUsage();
  let driverUs = 0;
  let frames = 0;
  for (let first = 2048; frames < FRAMES; first += BATCH, frames += BATCH) {
    const before = process.cpuUsage();
    for (let at = 0; at < BATCH - 1; at += 1) post(first + at, at);
    const own = process.cpuUsage(before);
    driverUs += own.user + own.system;
    post(first + BATCH - 1, BATCH - 1);
    if (flow === 'in') for (let at = 0; at < BATCH; at += 1) machine.uplinkFrame(incoming);
    run(1_000_000);
  }
  const cpu = process.cpuUsage(cpuBefore);
  // The driver's own work, which a real guest does in its own process.
  const cpuUs = cpu.user + cpu.system - driverUs;
  const after = calls(rams);
  const received = machine.tallies[1]?.counts(machine.kernel.nowNs).framesReceived ?? 0;
  if (flow !== 'in' && ((sender.driver.used(TRANSMIT) - sentBefore) & 0xffff) !== (frames & 0xffff))
    throw new Error(`${protection}: frames were lost`);
  if (flow !== 'out' && received < frames)
    throw new Error(`${protection}: ${received} of ${frames} frames arrived`);
  machine.checkInvariants();
  for (const { ram, fd } of guests) {
    closeSync(fd);
    ram.remove();
  }
  return [
    protection,
    flow,
    Math.round((frames * 1e6) / cpuUs).toLocaleString('en-US'),
    (cpuUs / frames).toFixed(1),
    ((after.reads - callsBefore.reads) / frames).toFixed(2),
    ((after.writes - callsBefore.writes) / frames).toFixed(2),
  ];
}

function calls(rams: readonly FileRam[]): { reads: number; writes: number } {
  return {
    reads: rams.reduce((sum, ram) => sum + ram.calls.reads, 0),
    writes: rams.reduce((sum, ram) => sum + ram.calls.writes, 0),
  };
}

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'cdna-bench-'));
try {
  const head = ['approach', 'flow', 'frames/s of a core', 'CPU us/frame', 'reads/frame', 'writes/frame'];
  // The first to be measured would pay for what is compiled once for all.
  measure('cdna', 'guest to guest', folder);
  const rows = APPROACHES.flatMap((protection) =>
    (['out', 'in', 'guest to guest'] as const).map((flow) => measure(protection, flow, folder)),
  );
  const widths = head.map((text, at) => Math.max(text.length, ...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of [head, ...rows])
    process.stdout.write(
      `${row.map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ')}\n`,
    );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

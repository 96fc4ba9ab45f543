import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findTestbed, Served, withDriver } from './machines.js';

const found = findTestbed();
const skip = (reason: string) => process.stderr.write(`\nSKIPPED: no driver in guests: ${reason}\n`);
const testbed = found.ok ? withDriver(found, skip) : undefined;
if (!found.ok) skip(found.reason);

const folder = mkdtempSync(join(tmpdir(), 'cdna-card-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MEGABYTES = 128;
const FRAME_BYTES = 64;

function scenario(): string {
  const path = join(folder, 'scenario.json');
  const guests = ['red', 'blue'].map((name) => ({
    name,
    attached: true,
    card: 'cdna',
    memoryMegabytes: MEGABYTES,
  }));
  writeFileSync(path, JSON.stringify({ guests }));
  return path;
}

/** Bytes of a guest's RAM, as they are now. */
function ramAt(path: string, offset: number, bytes: number): Buffer {
  const target = Buffer.alloc(bytes);
  const file = openSync(path, 'r');
  readSync(file, target, 0, bytes, offset);
  closeSync(file);
  return target;
}

/** A place in a guest's RAM whose bytes are nothing that comes twice, and that its kernel does not change. */
async function secretOf(path: string): Promise<{ readonly offset: number; readonly bytes: Buffer }> {
  for (let offset = 16 * 2 ** 20; offset < (MEGABYTES - 8) * 2 ** 20; offset += 2 ** 16) {
    const bytes = ramAt(path, offset, FRAME_BYTES);
    if (new Set(bytes).size < 24) continue;
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (ramAt(path, offset, FRAME_BYTES).equals(bytes)) return { offset, bytes };
  }
  throw new Error(`${path}: no place that is worth being stolen`);
}

/** What the guest does: pings, sends 4 MB (many times around the rings), shows its counters, attacks, and starts its device anew. */
function evil(address: string): string {
  return [
    'until ping -c1 -W1 10.77.0.2 >/dev/null; do :; done',
    'ping -c 3 10.77.0.2',
    'until iperf3 -c 10.77.0.2 -n 4M; do sleep 1; done; echo GUEST transfer done',
    'ethtool -i eth0; ethtool -S eth0; ethtool -c eth0',
    'echo GUEST attacks',
    `if echo "${address} ${FRAME_BYTES}" > /sys/class/net/eth0/attack; then echo GUEST attack sent; else echo GUEST attack refused; fi`,
    'sleep 2; dmesg | grep -i cdna',
    'ip link set eth0 down; ip link set eth0 up',
    'until ping -c1 -W1 10.77.0.2 >/dev/null; do :; done',
    'ethtool -S eth0 | grep frames_',
    'echo GUEST pings again; sleep 600',
  ].join('\n');
}

/** Plain DMA sends what it is told to; the approaches refuse at set-up, or stop the card at the access. */
const APPROACHES = [
  {
    protection: 'none',
    handOver: 'we write descriptors',
    outcome: 'GUEST attack sent',
    complaint: undefined,
    kernelWords: '',
  },
  {
    protection: 'cdna',
    handOver: 'the hypervisor writes descriptors',
    outcome: 'GUEST attack refused',
    complaint: 'refusal not-owner',
    kernelWords: '',
  },
  {
    protection: 'iommu:single-use',
    handOver: 'the hypervisor maps, we write descriptors',
    outcome: 'GUEST attack sent',
    complaint: 'the context was stopped: payload-abort',
    kernelWords: '',
  },
  {
    // The guests' own IOMMUs drive ours; MSI needs no file descriptors, so this runs without koffi.
    protection: 'iommu:guest',
    handOver: 'we write descriptors',
    outcome: 'GUEST attack sent',
    complaint: 'the context was stopped: payload-abort',
    kernelWords: 'intel_iommu=on iommu.strict=1',
  },
] as const;

describe.skipIf(testbed === undefined || testbed.systems.length === 0)(
  'the driver of guests/linux in QEMU',
  () => {
    it.each(APPROACHES)(
      'under $protection guests ping, ethtool shows the counters, and the neighbour is attacked',
      { timeout: 900_000 },
      async ({ protection, handOver, outcome, complaint, kernelWords }) => {
        const [first, second = first] = testbed?.systems ?? [];
        if (testbed === undefined || first === undefined || second === undefined) return;
        const capture = join(folder, 'wire.pcapng');
        const log = join(folder, 'session');
        rmSync(capture, { force: true });
        const options = ['--protection', protection, '--record', log, '--capture', capture];
        const served = new Served(testbed, scenario(), options);
        let exitCode = -1;
        try {
          await served.until('serve is ready', () => served.errors.includes('way out'));
          served.boot('blue', '10.77.0.2', 'iperf3 -s >/dev/null & sleep 900', kernelWords, second.suite);
          await served.until('blue is up', () => served.console('blue').includes('GUEST ready'), 300);
          const { offset, bytes } = await secretOf(served.ramPath('blue'));
          // Blue's RAM begins in the machine where red's ends.
          served.boot(
            'red',
            '10.77.0.1',
            evil(`0x${(MEGABYTES * 2 ** 20 + offset).toString(16)}`),
            kernelWords,
            first.suite,
          );
          const red = () => served.console('red');
          await served.until('red attacks', () => red().includes('GUEST attack '), 500);
          await served.until('red pings again', () => red().includes('GUEST pings again'), 200);
          expect(red()).toContain('3 packets received');
          expect(red()).toContain(handOver);
          expect(red()).toMatch(/driver: cdna_nic/u);
          expect(red()).toContain('GUEST transfer done');
          const [, sent = '0'] = /frames_transmitted: (\d+)/u.exec(red()) ?? [];
          const [, received = '0'] = /frames_received: (\d+)/u.exec(red()) ?? [];
          expect(Number(sent)).toBeGreaterThan(2500);
          expect(Number(received)).toBeGreaterThan(100);
          expect(red()).toMatch(/drop_no_receive_buffer: \d/u);
          expect(red()).toMatch(/rx-frames:\s+8/u);
          expect(red()).toContain(outcome);
          if (complaint !== undefined) expect(red()).toContain(complaint);
          expect(ramAt(served.ramPath('blue'), offset, FRAME_BYTES).equals(bytes)).toBe(true);
          expect(served.samples.at(-1)?.guests.find(({ name }) => name === 'blue')?.faults).toBe(0);
          exitCode = await served.end();
          expect(readFileSync(capture).includes(bytes)).toBe(protection === 'none');
        } finally {
          if (exitCode < 0) await served.end();
        }
        expect(exitCode).toBe(0);
        const replayed = spawnSync(
          process.execPath,
          ['--import', 'tsx', 'src/cli/main.ts', 'replay', log, '--json'],
          { encoding: 'utf8' },
        );
        expect(replayed.stderr).toContain('replayed to the bit');
        expect(JSON.parse(replayed.stdout)).toMatchObject({ session: { identical: true } });
      },
    );
  },
);

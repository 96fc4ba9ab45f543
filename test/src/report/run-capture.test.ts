import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readCapture } from '../../../guests/capture/index.js';
import { type Machine, type ScenarioInput, simulate } from '../../../src/index.js';
import type { RunResult } from '../../../src/machine/run.js';
import { RunCapture } from '../../../src/report/run-capture.js';
import { epochToNs, tshark, tsharkFields, tsharkInstalled } from '../../support/tshark.js';
import { some } from '../../support/whole.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();
const FOUR_GUESTS = new URL('../../../scenarios/four-guests.json', import.meta.url).pathname;

/** Runs a scenario, by default the bundled one, with a capture beside it. */
async function captured(
  name: string,
  protection: string,
  snapBytes?: number,
  scenario: string | ScenarioInput = FOUR_GUESTS,
): Promise<[string, RunResult]> {
  const path = scratch.path(name);
  let capture: RunCapture | undefined;
  const result = await simulate(scenario, {
    protection,
    warmUpNs: 0,
    durationNs: 4_000_000,
    prepare: (machine: Machine) => {
      capture = new RunCapture(path, machine, snapBytes);
    },
  });
  capture?.finish();
  capture?.close();
  return [path, result];
}

test.runIf(tsharkInstalled).for(some(['none', 'cdna', 'iommu:single-use', 'driver-domain']))(
  '%s: tshark gives back what the JSON says: frames, bytes and times, an interface per context',
  async (protection) => {
    const [path, result] = await captured('run.pcapng', protection);
    const fields = ['frame.interface_name', 'frame.packet_flags_direction', 'frame.len', 'frame.time_epoch'];
    const rows = tsharkFields(path, fields).map(([name = '', direction = '', bytes, time = '']) => ({
      name,
      out: Number(direction) === 2,
      bytes: Number(bytes),
      timeNs: Number(epochToNs(time)),
    }));
    const sum = (list: typeof rows) => list.reduce((total, { bytes }) => total + bytes, 0);
    const sent = rows.filter(({ out }) => out);
    const received = rows.filter(({ out }) => !out);
    expect([sent.length, sum(sent)]).toEqual([result.framesTransmitted, result.bytesTransmitted]);
    expect([received.length, sum(received)]).toEqual([result.framesReceived, result.bytesReceived]);
    expect(sent.length).toBeGreaterThan(200);
    expect(rows.every(({ timeNs }, index) => timeNs >= (rows[index - 1]?.timeNs ?? 0))).toBe(true);
    for (const guest of result.guests) {
      const out = sent.filter(({ name }) => name === guest.name);
      const into = received.filter(({ name }) => name === guest.name);
      expect([out.length, sum(out)]).toEqual([guest.framesTransmitted, guest.bytesTransmitted]);
      if (protection === 'driver-domain') {
        // Its own interface has what is for its own address; a frame for all passes the card once, and is copied behind it.
        expect(into.length).toBeLessThanOrEqual(guest.framesReceived);
        continue;
      }
      expect([into.length, sum(into)]).toEqual([guest.framesReceived, guest.bytesReceived]);
      expect([out[0]?.timeNs, out.at(-1)?.timeNs]).toEqual([
        guest.firstTransmittedNs,
        guest.lastTransmittedNs,
      ]);
      expect([into[0]?.timeNs, into.at(-1)?.timeNs]).toEqual([guest.firstReceivedNs, guest.lastReceivedNs]);
    }
  },
);

test.runIf(tsharkInstalled)(
  'nothing in it makes tshark complain; each frame says what granted it',
  async () => {
    const [path] = await captured('comments.pcapng', 'cdna');
    const { complaints, status } = tshark('-r', path, '-V');
    expect([complaints, status]).toEqual(['', 0]);
    expect(tshark('-r', path, '-Y', '_ws.malformed').stdout).toBe('');
    const rows = tsharkFields(path, ['frame.comment', 'frame.time_epoch', 'frame.packet_flags_direction']);
    for (const [comment = '', time = '', direction] of rows) {
      const granted = /^granted by drr at (\d+) ns/u.exec(comment);
      expect(granted, comment).not.toBeNull();
      expect(Number(granted?.[1])).toBeLessThanOrEqual(Number(epochToNs(time)));
      if (Number(direction) === 1) expect(comment).toMatch(/; came from the wire at \d+ ns$/u);
    }
  },
);

test.runIf(tsharkInstalled)('a frame that stays inside the card came from no wire', async () => {
  const [path] = await captured('switched.pcapng', 'cdna', undefined, {
    guests: [{ name: 'a', traffic: { kind: 'constant', wireRateBps: 50_000_000, to: 'b' } }, { name: 'b' }],
    nic: { switching: true },
  });
  const comments = tsharkFields(path, ['frame.comment']).map(([comment = '']) => comment);
  expect(comments.length).toBeGreaterThan(10);
  for (const comment of comments) {
    expect(comment).toContain('stayed inside the card');
    expect(comment).not.toContain('from the wire');
  }
});

test('cut frames keep their length, and the cut is the only difference', async () => {
  const [whole, result] = await captured('whole.pcapng', 'cdna');
  const [cut, again] = await captured('cut.pcapng', 'cdna', 64);
  expect(again.fingerprint).toBe(result.fingerprint);
  const wholeFrames = readCapture(whole).frames;
  const cutFrames = readCapture(cut).frames;
  expect(cutFrames).toHaveLength(wholeFrames.length);
  for (const [index, frame] of wholeFrames.entries()) {
    const short = cutFrames[index];
    expect(short?.originalLength).toBe(frame.originalLength);
    expect(short?.timeNs).toBe(frame.timeNs);
    expect(Buffer.compare(short?.bytes ?? Buffer.of(), frame.bytes.subarray(0, 64))).toBe(0);
  }
  expect(readFileSync(cut).length).toBeLessThan(readFileSync(whole).length / 3);
});

test('what the card dropped stands in the statistics of its interface', async () => {
  // A core at 2 MHz refills the receive ring more slowly than frames arrive.
  const path = scratch.path('drops.pcapng');
  let capture: RunCapture | undefined;
  const result = await simulate(
    {
      guests: [{ name: 'slow', receive: { kind: 'greedy', frameBytes: 60 }, receiveSlots: 16 }],
      host: { hertz: 2e6 },
    },
    {
      protection: 'none',
      warmUpNs: 0,
      durationNs: 2_000_000,
      prepare: (machine) => {
        capture = new RunCapture(path, machine);
      },
    },
  );
  capture?.finish();
  capture?.close();
  const drops = result.drops['no-receive-buffer'] ?? 0;
  expect(drops).toBeGreaterThan(100);
  // The first statistics block: type 5, interface 0, with isb_ifdrop (option 5, 8 bytes).
  const file = readFileSync(path);
  const counts: number[] = [];
  for (let at = 0; at < file.length; at += file.readUInt32LE(at + 4)) {
    if (file.readUInt32LE(at) !== 5) continue;
    const end = at + file.readUInt32LE(at + 4) - 4;
    for (let option = at + 20; option < end; ) {
      const length = file.readUInt16LE(option + 2);
      if (file.readUInt16LE(option) === 5) counts.push(Number(file.readBigUInt64LE(option + 4)));
      option += 4 + Math.ceil(length / 4) * 4;
    }
  }
  expect(counts).toEqual([drops, 0]);
});

test.runIf(tsharkInstalled)(
  'frames of flow control are in it, and Wireshark reads the class and the pause that they name',
  async () => {
    const scenario: ScenarioInput = {
      nic: { pfcClasses: 8, pfcXoffBytes: 20_000, pfcXonBytes: 10_000, pfcQuanta: 4_000 },
      link: { pauses: [{ atNs: 1_000_000, trafficClass: 3, quanta: 321 }] },
      guests: [
        { trafficClass: 3, traffic: { kind: 'greedy' }, receive: { kind: 'greedy' }, receiveSlots: 4 },
        { traffic: { kind: 'greedy' } },
      ],
    };
    const [path, result] = await captured('flow-control.pcapng', 'cdna', undefined, scenario);
    const fields = [
      'frame.interface_name',
      'frame.packet_flags_direction',
      'eth.dst',
      'macc.opcode',
      'macc.cbfc.enbv.c3',
      'macc.cbfc.enbv.c0',
      'macc.cbfc.pause_time.c3',
    ];
    const rows = tsharkFields(path, fields, '-Y', 'macc');
    const [counted] = result.flowControl ?? [];
    const received = rows.filter(([, direction]) => Number(direction) === 1);
    const sent = rows.filter(([, direction]) => Number(direction) === 2);
    expect(received.map((row) => row.slice(2))).toEqual([['01:80:c2:00:00:01', '0x0101', '1', '0', '321']]);
    expect(sent.length).toBe(counted?.framesSent);
    const pauses = new Set(sent.map((row) => row.at(-1)));
    expect(pauses).toEqual(new Set(['4000', '0']));
    expect(rows.every(([name]) => name === 'no context')).toBe(true);
  },
);

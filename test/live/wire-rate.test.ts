import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { invoke } from '../src/cli/invoke.js';
import { ethernet, TRANSMIT } from './support/driver.js';
import { MAC } from './support/lab.js';
import { RecordedSession } from './support/recorded-session.js';
import { replayed } from './support/replayed.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-rate-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const FRAMES = 240;
const WIRE_BYTES = 1514 + 24;
const CHANGED_AT_NS = 8_000_000;

/** Two real guests with frames for the wire, which gets a hundredth of its rate while they wait. */
function session(path: string, changes: ScenarioInput['changes']): RecordedSession {
  const made = new RecordedSession(path, {
    nic: { rateBps: 1_000_000_000 },
    guests: [
      { name: 'a', attached: true, memoryMegabytes: 4 },
      { name: 'b', attached: true, memoryMegabytes: 4 },
    ],
    changes,
  });
  const drivers = [made.boot(0), made.boot(1)];
  const nowNs = () => made.machine.kernel.nowNs;
  made.run(CHANGED_AT_NS - 1_000_000 - nowNs());
  for (const [index, driver] of drivers.entries()) {
    driver.ram.write(0x200000, new Uint8Array(12));
    driver.ram.write(0x20000c, ethernet(0x020000ffffff, MAC + index, 'x', 1514));
    for (let slot = 0; slot < FRAMES; slot += 1)
      driver.post(TRANSMIT, slot, [{ at: 0x200000, bytes: 12 + 1514 }], slot < FRAMES - 1);
  }
  return made;
}

const sent = ({ machine }: RecordedSession) => machine.host.nic.counters.total('framesTransmitted');

it('a change of the rate of the wire holds for real guests too, is in the replay, and each has its due', async () => {
  const path = join(folder, 'session');
  const made = session(path, [{ atNs: CHANGED_AT_NS, rateBps: 10_000_000 }]);
  made.run(1_000_000);
  // About 80 frames of 12,304 ns in the millisecond before the change.
  const before = sent(made);
  expect(before).toBeGreaterThan(60);
  expect(before).toBeLessThan(82);
  // One is under way, and ten more take 1,230,400 ns each.
  made.run(12_304 + 10 * WIRE_BYTES * 800);
  expect(sent(made)).toBe(before + 1 + 10);
  made.run(100_000_000);
  const rest = Math.floor((100_000_000 + 12_304) / (WIRE_BYTES * 800));
  expect(Math.abs(sent(made) - before - 11 - rest)).toBeLessThanOrEqual(1);
  made.machine.checkInvariants();
  const machine = made.end();
  expect(replayed(path).machine.fingerprint.toString()).toBe(machine.fingerprint.toString());
  const { out } = await invoke('replay', path, '--json');
  const { runs, session: about } = JSON.parse(out) as {
    readonly runs: readonly {
      readonly guests: readonly { readonly fairShareGot: number; readonly wireBytesDue: number }[];
      readonly laws: readonly { readonly law: string; readonly held: boolean }[];
    }[];
    readonly session: { readonly identical: boolean };
  };
  expect(about.identical).toBe(true);
  expect(runs[0]?.laws.filter(({ held }) => !held)).toEqual([]);
  for (const { fairShareGot } of runs[0]?.guests ?? []) {
    expect(fairShareGot).toBeGreaterThan(0.97);
    expect(fairShareGot).toBeLessThan(1.03);
  }
});

it('an emulated guest beside them is due what the wire can carry at each rate', async () => {
  const path = join(folder, 'session');
  const made = new RecordedSession(path, {
    nic: { rateBps: 1_000_000_000 },
    guests: [
      { name: 'a', attached: true, memoryMegabytes: 4 },
      { name: 'model', traffic: { kind: 'greedy', startNs: 0 }, memoryMegabytes: 4 },
    ],
    changes: [
      { atNs: 4_000_000, rateBps: 10_000_000 },
      { atNs: 8_000_000, guest: 'model', traffic: { kind: 'greedy', frameBytes: 590 } },
      { atNs: 12_000_000, rateBps: 100_000_000 },
    ],
  });
  made.boot(0);
  made.run(20_000_000 - made.machine.kernel.nowNs);
  made.end();
  const { out } = await invoke('replay', path, '--json');
  const { runs } = JSON.parse(out) as {
    readonly runs: readonly {
      readonly guests: readonly { readonly name: string; readonly wireBytesDue: number }[];
    }[];
  };
  const due = runs[0]?.guests.find(({ name }) => name === 'model')?.wireBytesDue ?? 0;
  // 4 ms of 1 Gb/s, 8 of 10 Mb/s and 8 of 100 Mb/s; each rate begins behind the frame on the wire: 12.3 us, and 1.2 ms.
  const bits = 4_000_000 + 8 * 10_000 + 8 * 100_000;
  expect(due * 8).toBeLessThan(bits + 12_304);
  expect(due * 8).toBeGreaterThan(bits - 12_304 - 1_230_400 / 10);
});

it('without it all frames leave in the time of 1 Gb/s', () => {
  const made = session(join(folder, 'session'), []);
  made.run(1_000_000 + 2 * FRAMES * 12_304);
  expect(sent(made)).toBe(2 * FRAMES);
  made.end();
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { present } from '../../scheduler/present.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';
import { invoke } from '../src/cli/invoke.js';
import { ethernet, TRANSMIT } from './support/driver.js';
import { MAC } from './support/lab.js';
import { RecordedSession } from './support/recorded-session.js';
import { replayed } from './support/replayed.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-flow-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const FRAMES = 240;
/** 65,535 quanta of 512 bit times at 1 Gb/s (IEEE 802.3, 31D.3), ns. */
const PAUSE_NS = 65_535 * 512;
const PAUSED_AT_NS = 6_000_000;

const scenario = (pfcClasses: number): ScenarioInput => ({
  nic: { rateBps: 1_000_000_000, pfcClasses, pfcXoffBytes: 20_000, pfcXonBytes: 10_000, pfcQuanta: 20_000 },
  link: pfcClasses === 0 ? {} : { pauses: [{ atNs: PAUSED_AT_NS, trafficClass: 3, quanta: 65_535 }] },
  guests: [
    { name: 'storage', attached: true, memoryMegabytes: 4, trafficClass: 3 },
    { name: 'lan', attached: true, memoryMegabytes: 4 },
  ],
});

/**
 * Two guests with frames for the wire, of which the first one's class is paused; and frames for the first one, which posts
 * no buffers, so that the card pauses the far end.
 */
function session(path: string, pfcClasses: number, uplinkFrames = 40): RecordedSession {
  const made = new RecordedSession(path, scenario(pfcClasses));
  for (const [index, driver] of [made.boot(0), made.boot(1)].entries()) {
    driver.ram.write(0x200000, new Uint8Array(12));
    driver.ram.write(0x20000c, ethernet(0x020000ffffff, MAC + index, 'x', 1514));
    for (let slot = 0; slot < FRAMES; slot += 1)
      driver.post(TRANSMIT, slot, [{ at: 0x200000, bytes: 12 + 1514 }], slot < FRAMES - 1);
  }
  for (let sent = 0; sent < uplinkFrames; sent += 1)
    made.uplink(ethernet(MAC, 0x020000001234, 'from the uplink', 1500));
  for (let step = 0; step < 60; step += 1) made.run(1_000_000);
  return made;
}

describe('priority flow control in a session of real guests', () => {
  it('a paused guest has no claim on the wire meanwhile, and has it afterwards', () => {
    const { machine } = session(join(folder, 'session'), 8);
    const counts = machine.tallies.map((tally) => tally.counts(machine.kernel.nowNs));
    expect(counts.map(({ framesSent }) => framesSent)).toEqual([FRAMES, FRAMES]);
    // 240 frames of 12.3 us beside another guest's: less than 6 ms each, and none of the 33.5 ms of the pause.
    for (const { backloggedNs } of counts) expect(backloggedNs).toBeLessThan(7_000_000);
    machine.checkInvariants();
  });

  it('is in the result of its replay as in that of a run, and breaks no law', async () => {
    const path = join(folder, 'session');
    session(path, 8).end();
    const { out } = await invoke('replay', path, '--json');
    const document = JSON.parse(out) as {
      readonly runs: readonly {
        readonly flowControl?: readonly { readonly framesSent: number; readonly farEndPausedNs: number }[];
        readonly laws: readonly { readonly law: string; readonly held: boolean }[];
      }[];
      readonly session: { readonly identical: boolean };
    };
    const [run] = document.runs;
    expect(document.session.identical).toBe(true);
    expect(run?.laws.filter(({ held }) => !held)).toEqual([]);
    expect(run?.flowControl).toHaveLength(1);
    expect(run?.flowControl?.[0]).toMatchObject({ trafficClass: 3, framesReceived: 1, pausedNs: PAUSE_NS });
    expect(run?.flowControl?.[0]?.framesSent).toBeGreaterThan(0);
    expect(run?.flowControl?.[0]?.farEndPausedNs).toBeGreaterThan(0);
  });

  it('has the frames of the card in its fingerprint', () => {
    const path = join(folder, 'session');
    const machine = session(path, 8).end();
    expect(replayed(path).machine.fingerprint.toString()).toBe(machine.fingerprint.toString());
    const [few, many] = [2, 40].map((uplinkFrames) => {
      const { host, fingerprint } = session(join(folder, `of-${uplinkFrames}`), 8, uplinkFrames).machine;
      return { controls: present(host.nic.flowControl).sent(3), events: fingerprint.events };
    });
    expect(few?.controls).toBe(0);
    expect(many?.controls).toBeGreaterThan(0);
    // A guest without buffers is told nothing of frames for it: what is more is what the card asked the far end for.
    expect(present(many).events - present(few).events).toBe(many?.controls);
  });

  it('is not there where no class has it', async () => {
    const path = join(folder, 'session');
    session(path, 0).end();
    const { out } = await invoke('replay', path, '--json');
    const [run] = (JSON.parse(out) as { runs: readonly object[] }).runs;
    expect(run).not.toHaveProperty('flowControl');
  });
});

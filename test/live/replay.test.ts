import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SessionReader } from '../../src/live/log/session-reader.js';
import { invoke } from '../src/cli/invoke.js';
import { type Document, expectDescribed } from '../support/described.js';
import { record } from './support/recorded-session.js';
import { replayed } from './support/replayed.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-replay-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a recorded session', () => {
  it.each(['none', 'cdna', 'driver-domain', 'iommu:single-use', 'iommu:deferred', 'cdna+iommu'])(
    'is the same to the bit when it is replayed (%s)',
    (protection) => {
      const path = join(folder, 'session');
      const live = record(path, protection);
      const { replay, machine } = replayed(path);
      const end = replay.end(machine);
      expect(end.recorded).toBe(live.fingerprint.toString());
      expect(end.fingerprint).toBe(end.recorded);
      expect(machine.fingerprint.events).toBeGreaterThan(150);
      expect(machine.kernel.executed).toBe(live.kernel.executed);
      expect(machine.tallies.map((tally) => tally.counts(machine.kernel.nowNs))).toEqual(
        live.tallies.map((tally) => tally.counts(live.kernel.nowNs)),
      );
      machine.checkInvariants();
    },
  );

  it('is summed up by replay --json as its schema says, whether the log has an end or not', async () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    const document = JSON.parse((await invoke('replay', path, '--json')).out) as Document;
    expect(document).toMatchObject({
      command: 'replay',
      runs: [{ protection: 'cdna' }],
      session: { identical: true },
    });
    expectDescribed('scenarios/replay-document.schema.json', document, { session: {} });
    truncateSync(path, readFileSync(path).length - 30);
    const cut = JSON.parse((await invoke('replay', path, '--json')).out) as Document;
    expect(cut).toMatchObject({ session: { identical: null } });
    expectDescribed('scenarios/replay-document.schema.json', cut, { runs: [{}] });
  });

  it('is only for its owner to read, and holds what was posted, not whole rings', () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    // 40 frames of 600 bytes on average, and the messages; a table of 256 descriptors per frame would be 160 KB more.
    expect(statSync(path).size).toBeLessThan(60_000);
  });

  it('that was cut off is replayed up to there', () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    const whole = readFileSync(path).length;
    truncateSync(path, whole - 30);
    const { replay, machine } = replayed(path);
    expect(replay.end(machine).recorded).toBeUndefined();
  });

  it('in which one bit of a descriptor is another departs, and it is said where', () => {
    const path = join(folder, 'session');
    record(path, 'cdna');
    const bytes = readFileSync(path);
    // The address of the first receive buffer, as the descriptor has it.
    const at = bytes.indexOf(Buffer.from([0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06]));
    expect(at).toBeGreaterThan(0);
    bytes[at + 8] = 0;
    bytes[at + 9] = 0;
    writeFileSync(path, bytes);
    expect(() => replayed(path)).toThrow(/departs from the session at \d+ ns/u);
  });

  it('that is no log is refused in one line', () => {
    const path = join(folder, 'session');
    writeFileSync(path, 'hello\n');
    expect(() => new SessionReader(path)).toThrow(`${path}: is not the log of a session`);
    expect(() => new SessionReader(join(folder, 'missing'))).toThrow('no such file');
  });
});

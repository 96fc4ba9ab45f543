import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseCapture } from '../../guests/capture/index.js';
import { tallyIn } from '../../scheduler/tally.js';
import { runCli } from '../../src/cli/program.js';
import type { RunResult } from '../../src/machine/run-result.js';
import { invoke } from '../src/cli/invoke.js';
import { scratchFolder } from '../src/report/scratch-folder.js';
import { ethernet, TRANSMIT } from './support/driver.js';
import { MAC } from './support/lab.js';
import { RecordedSession, record } from './support/recorded-session.js';

const scratch = scratchFolder();

/** What `replay --json` or `compare --json` prints, as far as these tests look at it. */
interface Printed {
  readonly runs: readonly RunResult[];
  readonly session: { readonly guests: readonly { readonly name: string; readonly backloggedNs: number }[] };
}

async function printed(...args: string[]): Promise<Printed> {
  const { out, err, code } = await invoke(...args, '--json');
  expect([code, err]).toEqual([0, expect.stringContaining('again:')]);
  return JSON.parse(out) as Printed;
}

function framesOf(path: string): number {
  return parseCapture(path, readFileSync(path)).frames.length;
}

describe.each(['none', 'cdna', 'iommu:single-use', 'driver-domain'])(
  'the replay of a session (%s)',
  (protection) => {
    it('has the result of a run: the fingerprint of the session, what each guest got, every invariant', async () => {
      const path = scratch.path(`session-${protection}`);
      const live = record(path, protection);
      const { runs } = await printed('replay', path);
      const [run] = runs;
      expect(run?.fingerprint).toBe(live.fingerprint.toString());
      expect(run?.durationNs).toBe(live.kernel.nowNs);
      expect(run?.events).toBe(live.kernel.executed);
      expect(run?.laws.filter(({ held }) => !held)).toEqual([]);
      expect(run?.laws.length).toBe(8);
      for (const [index, guest] of (run?.guests ?? []).entries()) {
        const counts = live.tallies[index]?.counts(live.kernel.nowNs);
        expect(guest).toMatchObject({
          name: live.guests[index]?.name,
          framesTransmitted: counts?.framesSent,
          bytesTransmitted: counts?.bytesSent,
          framesReceived: counts?.framesReceived,
          bytesReceived: counts?.bytesReceived,
          drops: counts?.drops,
          wireBytesSent: counts?.wireBytesSent,
        });
        const overTime = guest.bytesTransmittedOverTime.reduce((sum, bytes) => sum + bytes, 0);
        expect(overTime).toBe(counts?.bytesSent);
        expect(guest.latencyNs?.count ?? 0).toBe(counts?.framesSent);
        expect(guest.latencyPartsNs.card?.count ?? 0).toBe(counts?.framesSent);
      }
    });
  },
);

describe('the files of a replay', () => {
  it('are those of a run: document, page, capture and timeline, and a capture for a pipe', async () => {
    const path = scratch.path('filed');
    const live = record(path, 'cdna');
    const out = scratch.path('out');
    const trace = scratch.path('trace.json');
    const { code, out: text } = await invoke(
      'replay',
      path,
      '--out',
      out,
      '--trace',
      trace,
      '--trace-duration',
      '20ms',
    );
    expect(code).toBe(0);
    expect(text).toContain('invariants   8 of 8 held');
    expect(text).toContain(`replayed to the bit: fingerprint ${live.fingerprint}`);
    expect(text).toMatch(/^again: .*replay .*--out/mu);
    const document = JSON.parse(readFileSync(`${out}/replay.json`, 'utf8')) as Printed;
    expect(document).toEqual(await printed('replay', path));
    expect(readFileSync(`${out}/replay.html`, 'utf8')).toContain('A session of real guests under cdna');
    const { counters } = live.host.nic;
    const passed = counters.total('framesTransmitted') + counters.total('framesReceived');
    expect(framesOf(`${out}/cdna.pcapng`)).toBe(passed);
    expect(readFileSync(`${out}/cdna.pftrace`).length).toBeGreaterThan(100);
    expect(readFileSync(trace, 'utf8')).toContain('wire, out');
    const chunks: Uint8Array[] = [];
    const io = { errIsTerminal: false, columns: 100, program: 'cdna-nic', out: () => {}, err: () => {} };
    expect(
      await runCli(['replay', path, '--pcapng', '-'], { ...io, bytes: (chunk) => chunks.push(chunk) }),
    ).toBe(0);
    expect(parseCapture('piped', Buffer.concat(chunks)).frames).toHaveLength(passed);
  });

  it('are not put in the place of what another program wrote, and then none appears', async () => {
    const path = scratch.path('kept');
    record(path, 'cdna');
    const capture = scratch.path('letter.pcapng');
    writeFileSync(capture, 'dear reader');
    const frames = scratch.path('frames-not-made');
    const { code, err } = await invoke('replay', path, '--pcapng', capture, '--frames', frames);
    expect([code, err]).toEqual([
      2,
      `${capture}: cannot be written: it is there and is no file of cdna-nic; --force writes over it\n`,
    ]);
    expect(readFileSync(capture, 'utf8')).toBe('dear reader');
    expect(scratch.list()).not.toContain('frames-not-made');
    expect((await invoke('replay', path, '--pcapng', capture, '--frames', frames, '--force')).code).toBe(0);
    expect(scratch.list()).toContain('frames-not-made');
  });

  it('--frames is the load of the session for other approaches: every frame that left leaves again', async () => {
    const path = scratch.path('loaded');
    const live = record(path, 'none');
    const load = scratch.path('load');
    expect((await invoke('replay', path, '--frames', load)).code).toBe(0);
    const approaches = ['none', 'cdna', 'iommu:single-use', 'iommu:deferred', 'driver-domain'];
    const { runs } = await printed(
      ...['compare', `${load}/scenario.json`, '--protection', approaches.join(','), '--no-attacks'],
    );
    expect(runs.map(({ protection }) => protection)).toEqual(approaches);
    const { counters } = live.host.nic;
    for (const run of runs) {
      expect(run.laws.filter(({ held }) => !held)).toEqual([]);
      expect(run.guests.map(({ name }) => name)).toEqual(['a', 'b']);
      expect(run.framesTransmitted).toBe(counters.total('framesTransmitted'));
      expect(run.framesReceived).toBe(counters.total('framesReceived'));
    }
    const cpu = (approach: string) =>
      1 - (runs.find((run) => run.protection === approach)?.cpu.idleFraction ?? 1);
    expect(cpu('iommu:single-use')).toBeGreaterThan(cpu('none'));
  });
});

it('guests that have frames all the time get what they are due by their weights, also after a change of them', async () => {
  const path = scratch.path('flooded');
  const session = new RecordedSession(
    path,
    {
      guests: [
        { name: 'a', attached: true, weight: 3, memoryMegabytes: 4 },
        { name: 'b', attached: true, memoryMegabytes: 4 },
      ],
      nic: { rateBps: 20e6 },
    },
    'cdna',
    'wf2q+',
  );
  const drivers = [session.boot(0), session.boot(1)];
  const sent = [0, 0];
  const flood = (ms: number) => {
    for (let step = 0; step < ms; step += 1) {
      for (const [index, driver] of drivers.entries()) {
        while ((sent[index] ?? 0) - driver.used(TRANSMIT) < 100) {
          const slot = (sent[index] ?? 0) % 200;
          driver.send(slot, 0x200000 + 2048 * slot, ethernet(0x020000ffffff, MAC + index, 'flood', 1400));
          tallyIn(sent, index);
        }
      }
      session.run(1_000_000);
    }
  };
  flood(300);
  session.setWeight(1, 3);
  flood(300);
  session.end();
  const { runs, session: replayed } = await printed('replay', path);
  const [run] = runs;
  const [a, b] = run?.guests ?? [];
  expect((a?.wireBytesSent ?? 0) / (b?.wireBytesSent ?? 1)).toBeCloseTo((0.75 + 0.5) / (0.25 + 0.5), 1);
  expect(a?.fairShareGot).toBeCloseTo(1, 1);
  expect(b?.fairShareGot).toBeCloseTo(1, 1);
  expect(run?.fairness).toMatchObject({ pair: [0, 1], broken: 0 });
  for (const { backloggedNs } of replayed.guests)
    expect(backloggedNs / (run?.durationNs ?? 1)).toBeGreaterThan(0.98);
});

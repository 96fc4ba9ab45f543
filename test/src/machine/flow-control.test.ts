import { describe, expect, test } from 'vitest';
import type { RunResult } from '../../../src/machine/run-result.js';
import { checkScenario, loadScenario } from '../../../src/scenario/load.js';
import { simulate } from '../../../src/simulate.js';

const brief = { warmUpNs: 1_000_000, durationNs: 2_000_000 };
/** 65,535 quanta of 512 bit times (IEEE 802.3, 31D.3) at 10 Gb/s. */
const LONGEST_PAUSE_NS = Math.ceil(65_535 * 51.2);

async function lossless(changes: { pfcClasses?: number; pauses?: boolean } = {}) {
  const { scenario } = await loadScenario('scenarios/lossless.json');
  const { pauses, ...link } = scenario.link ?? {};
  return {
    ...scenario,
    nic: { ...scenario.nic, pfcClasses: changes.pfcClasses ?? 8 },
    link:
      changes.pauses === false
        ? link
        : { ...link, pauses: pauses?.map((one) => ({ ...one, atNs: 2_000_000 })) },
  };
}

const dropsOf = ({ guests }: RunResult, name: string) =>
  guests.filter((guest) => guest.name.startsWith(name)).map(({ drops }) => drops);

describe('scenarios/lossless.json', () => {
  test('the class with flow control loses nothing and is paused for as long as the far end says', async () => {
    const result = await simulate(await lossless(), brief);
    expect(dropsOf(result, 'storage')).toEqual([{}, {}]);
    expect(result.laws.filter(({ held }) => !held)).toEqual([]);
    const [counted, ...others] = result.flowControl ?? [];
    expect(others).toEqual([]);
    expect(counted?.trafficClass).toBe(3);
    expect(counted?.framesReceived).toBe(1);
    // The pause begins at 2 ms, one cable and one frame later, and lasts beyond the end at 3 ms.
    expect(LONGEST_PAUSE_NS).toBeGreaterThan(1_000_000);
    expect(counted?.pausedNs).toBeGreaterThan(995_000);
    expect(counted?.pausedNs).toBeLessThan(1_000_000);
    expect(counted?.framesSent).toBeGreaterThan(2);
    expect(counted?.farEndPausedNs).toBeGreaterThan(0);
    expect(counted?.mostReceiveBytes).toBeGreaterThanOrEqual(131_072);
    expect(counted?.mostReceiveBytes).toBeLessThan(262_144);
  });

  test('without flow control the same guests lose frames, and results say nothing of it', async () => {
    const result = await simulate(await lossless({ pfcClasses: 0, pauses: false }), brief);
    for (const drops of dropsOf(result, 'storage'))
      expect((drops['no-receive-buffer'] ?? 0) + (drops['receive-share-full'] ?? 0)).toBeGreaterThan(50);
    expect(result).not.toHaveProperty('flowControl');
  });

  test('the guests of the other class go on while it is paused, and all laws hold under every kind of approach', async () => {
    for (const protection of ['iommu:single-use', 'driver-domain']) {
      const result = await simulate(await lossless(), { ...brief, protection });
      expect(result.laws.filter(({ held }) => !held)).toEqual([]);
      const [, , ...lan] = result.guests;
      for (const { bytesTransmittedOverTime } of lan)
        expect(bytesTransmittedOverTime.slice(-20).reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(0);
    }
  });
});

describe('what guests are due while classes are paused', () => {
  const guests = (trafficClass: number) =>
    [3, trafficClass].map((one, index) => ({
      name: `guest${index}`,
      trafficClass: one,
      traffic: { kind: 'greedy' as const, startNs: 0 },
    }));
  const pauses = [1, 2, 3].map((number) => ({ atNs: number * 4_000_000, trafficClass: 3, quanta: 39_063 }));
  const nic = { rateBps: 10_000_000_000, pfcClasses: 8 };
  // Cores that keep a wire of 10 Gb/s busy.
  const host = { cores: 2, hertz: 1e11 };
  const at = { warmUpNs: 1_000_000, durationNs: 13_000_000 };

  // A pause of 39,063 quanta lasts 2 ms at 10 Gb/s: three of them are 6 of the 13 ms.
  test.each(['none', 'cdna'])(
    'under %s a paused guest is due nothing, the other the whole wire',
    async (protection) => {
      const { fairness, guests: got } = await simulate(
        { guests: guests(0), nic, host, link: { pauses } },
        { ...at, protection },
      );
      const byteNs = 10 / 8;
      expect(got[0]?.wireBytesDue).toBeCloseTo((7e6 / 2) * byteNs, -4);
      expect(got[1]?.wireBytesDue).toBeCloseTo((6e6 + 7e6 / 2) * byteNs, -4);
      // What was granted before a pause still goes: three times a FIFO of 16 KB.
      for (const { fairShareGot } of got) expect(Math.abs(fairShareGot - 1)).toBeLessThan(0.02);
      expect(fairness.jainIndex).toBeGreaterThan(0.9998);
    },
  );

  test('with tenants and limits too, and when all are paused', async () => {
    const shaped = guests(0).map((guest, index) => ({
      ...guest,
      ...(index === 0 ? { share: { limitBps: 4_000_000_000 } } : {}),
    }));
    const limited = await simulate(
      { guests: shaped, nic, host, link: { pauses }, discipline: 'limited:drr' },
      { ...at, protection: 'none' },
    );
    for (const { fairShareGot } of limited.guests) expect(Math.abs(fairShareGot - 1)).toBeLessThan(0.02);
    const both = await simulate(
      { guests: guests(3), nic, host, link: { pauses } },
      { ...at, protection: 'none' },
    );
    for (const { fairShareGot, wireBytesDue } of both.guests) {
      expect(wireBytesDue).toBeCloseTo((7e6 / 2) * (10 / 8), -4);
      expect(Math.abs(fairShareGot - 1)).toBeLessThan(0.02);
    }
  });

  test('a driver domain, whose one context is of class 0, sends on: its guests are off what they are due', async () => {
    const { guests: got } = await simulate(
      { guests: guests(0), nic, host, link: { pauses } },
      { ...at, protection: 'driver-domain' },
    );
    expect(got[0]?.wireBytesDue).toBeCloseTo((7e6 / 2) * (10 / 8), -4);
  });
});

test('the class of a guest is a name as long as no class has flow control: nothing that happens depends on it', async () => {
  const guests = [1, 2].map(() => ({ traffic: { kind: 'greedy' as const } }));
  const plain = await simulate({ guests }, { durationNs: 2_000_000 });
  const named = await simulate(
    { guests: guests.map((guest) => ({ ...guest, trafficClass: 0 })) },
    { durationNs: 2_000_000 },
  );
  expect(named.fingerprint).toBe(plain.fingerprint);
});

test('pauses that the far end asks for are refused by name where the class has no flow control', async () => {
  const pauses = [{ atNs: 0, trafficClass: 2, quanta: 5 }];
  const refused = (pfcClasses?: number) =>
    simulate({ guests: [{}], link: { pauses }, nic: { pfcClasses } }, { durationNs: 1000 });
  await expect(refused()).rejects.toThrow(
    'link.pauses[0].trafficClass is 2, expected a class with flow control (nic.pfcClasses): none: there are none',
  );
  await expect(refused(0x48)).rejects.toThrow(
    'link.pauses[0].trafficClass is 2, expected a class with flow control (nic.pfcClasses): 3, 6',
  );
});

test('marks that are in no order are refused', async () => {
  const refused = (nic: { pfcXoffBytes?: number; pfcXonBytes?: number; pfcReceiveBytes?: number }) =>
    simulate({ guests: [{}], nic }, { durationNs: 1000 });
  await expect(refused({ pfcXonBytes: 131_072 })).rejects.toThrow(
    'nic.pfcXonBytes is 131072, expected a whole number from 0 to 131071',
  );
  await expect(refused({ pfcXoffBytes: 262_145 })).rejects.toThrow(
    'nic.pfcXoffBytes is 262145, expected a whole number from 9018 to 262144',
  );
  expect(() => checkScenario({ guests: [{ trafficClass: 8 }] }, 'test')).toThrow('trafficClass');
});

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

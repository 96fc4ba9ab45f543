import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GUEST_METRICS } from '../../../src/report/metrics/guest-metrics.js';
import {
  dataDictionary,
  type Metric,
  metricFigureTable,
  metricHead,
  metricText,
  metricTextTable,
} from '../../../src/report/metrics/metric.js';
import { RUN_METRICS } from '../../../src/report/metrics/run-metrics.js';
import { simulate } from '../../../src/simulate.js';

const latency: Metric<{ readonly ns: number }> = {
  id: 'latencyNs',
  title: 'Latency',
  unit: 'ns',
  sentence: 'How long it took.',
  of: ({ ns }) => ns,
};

test('values are shown in the unit of the table, and undefined as a dash', () => {
  expect(metricHead(latency)).toBe('Latency, us');
  expect([1, 9_994, 12_600, 7_025_000].map((ns) => metricText(latency, { ns }))).toEqual([
    '0.00',
    '9.99',
    '13',
    '7,025',
  ]);
  expect(metricText({ ...latency, of: () => undefined }, { ns: 1 })).toBe('-');
  expect(metricText({ ...latency, of: () => Number.NaN }, { ns: 1 })).toBe('-');
});

test('a spread is shown with the least and the most, and alone where they are the same', () => {
  const rate = (least: number, most: number): Metric<undefined> => ({
    ...latency,
    isOfFew: undefined,
    unit: 'bit/s',
    of: () => ({ mean: 5e6, least, most }),
  });
  expect(metricText(rate(4e6, 6.25e6), undefined)).toBe('5.0 (4.0-6.3)');
  expect(metricText(rate(5e6, 5e6), undefined)).toBe('5.0');
});

test('whole numbers have commas, decimals have none', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (value) => {
      const text = metricText({ ...latency, unit: 'count', of: () => value }, { ns: 0 });
      expect(Number(text.replaceAll(',', ''))).toBe(value);
      expect(text).toBe(value.toLocaleString('en'));
    }),
  );
});

test('text, report table and dictionary follow from one table', () => {
  const rows = [{ names: ['a'], subject: { ns: 20_000 } }];
  expect(metricTextTable(['what'], [latency], rows)).toBe('what  Latency, us\na              20');
  expect(metricFigureTable(['what'], [latency], rows)).toEqual({
    heads: ['what', 'Latency, us'],
    textHeads: ['what', 'Latency, us'],
    rows: [['a', '20']],
  });
  expect(dataDictionary([latency])).toEqual([
    { id: 'latencyNs', title: 'Latency', unit: 'ns', sentence: 'How long it took.', source: '' },
  ]);
});

test('every metric of a run and of a guest has a name of its own, a sentence, a source that is there, and a value or none', async () => {
  const run = await simulate(
    {
      guests: [{ traffic: { kind: 'greedy' } }, { traffic: { kind: 'request' } }],
      balloon: { pages: 10, everyNs: 10_000 },
      nic: { pfcClasses: 8 },
    },
    { protection: 'iommu:single-use', durationNs: 1_000_000 },
  );
  for (const metrics of [RUN_METRICS, GUEST_METRICS]) {
    expect(new Set(metrics.map(({ id }) => id)).size).toBe(metrics.length);
    for (const { id, sentence, source = '' } of metrics) {
      expect(sentence, id).toMatch(/^[A-Z].*\.$/u);
      const [first = ''] = /[a-z]\w*/iu.exec(source) ?? [];
      expect(Object.keys(run), id).toContain(first);
    }
  }
  const [guest] = run.guests;
  if (guest === undefined) throw new Error('no guest');
  for (const metric of RUN_METRICS) expect(metricText(metric, run), metric.id).not.toMatch(/NaN|undefined/u);
  for (const metric of GUEST_METRICS)
    expect(metricText(metric, guest), metric.id).not.toMatch(/NaN|undefined/u);
});

test('counters of priority flow control are metrics: sums over classes, the largest buffer, and none without a class', async () => {
  const guests = [3, 5].map((trafficClass) => ({
    trafficClass,
    traffic: { kind: 'greedy' as const },
    receive: { kind: 'greedy' as const },
    receiveSlots: 16,
  }));
  const pauses = [3, 5].map((trafficClass) => ({ atNs: 500_000, trafficClass, quanta: 5_000 }));
  const nic = { rateBps: 10_000_000_000, pfcClasses: 0x28 };
  const run = await simulate({ guests, nic, link: { pauses } }, { durationNs: 3_000_000, warmUpNs: 0 });
  const { flowControl = [] } = run;
  expect(flowControl).toHaveLength(2);
  const metricOf = (id: string) => RUN_METRICS.find((metric) => metric.id === id)?.of(run);
  const sum = (of: (one: (typeof flowControl)[number]) => number) =>
    flowControl.reduce((all, one) => all + of(one), 0);
  expect(metricOf('pfcFramesReceived')).toBe(2);
  // 5,000 quanta of 512 bit times at 10 Gb/s, for two classes.
  expect(metricOf('pfcPausedNs')).toBe(2 * 256_000);
  expect(metricOf('pfcFramesSent')).toBe(sum(({ framesSent }) => framesSent));
  expect(metricOf('pfcFarEndPausedNs')).toBe(sum(({ farEndPausedNs }) => farEndPausedNs));
  expect(metricOf('pfcFarEndPausedNs')).toBeGreaterThan(0);
  expect(metricOf('pfcMostReceiveBytes')).toBe(Math.max(...flowControl.map((one) => one.mostReceiveBytes)));
  const without = await simulate({ guests: [{}] }, { durationNs: 10_000 });
  for (const metric of RUN_METRICS)
    if (metric.id.startsWith('pfc')) expect(metric.of(without), metric.id).toBeUndefined();
});

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TraceWriter } from '../../../src/report/trace-writer.js';
import { either, runs } from '../../support/whole.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();
const load = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

test('tracks, events, counters and spans come out as the Trace Event Format has them', () => {
  const path = scratch.path('all.json');
  const writer = new TraceWriter(path, { seed: 7, scenario: 'default' });
  const nic = writer.addProcess('NIC');
  const dma = writer.addTrack(nic, 'DMA "read"');
  const wire = writer.addTrack(nic, 'wire');
  writer.complete(wire, 'frame 1', 1_234_567, 12_304, { bytes: 1514, context: 'c0' });
  writer.instant(dma, 'interrupt', 5);
  writer.counter(nic, 'backlog', 2_000, { c0: 3, c1: 0 });
  writer.spanBegin(dma, 42, 'posted', 10);
  writer.spanBegin(dma, 42, 'fetched', 20);
  expect(writer.openSpans).toBe(2);
  writer.spanEnd(dma, 42, 'fetched', 30, { ok: true });
  writer.spanEnd(dma, 42, 'posted', 1_000_000_000_000_001);
  expect(writer.openSpans).toBe(0);
  writer.close();
  const cat = 'cdna';
  const span = { cat, pid: 1, tid: 1, id: '0:42' };
  expect(load(path)).toEqual({
    displayTimeUnit: 'ns',
    otherData: { seed: 7, scenario: 'default' },
    traceEvents: [
      { name: 'process_name', ph: 'M', pid: 1, args: { name: 'NIC' } },
      { name: 'process_sort_index', ph: 'M', pid: 1, args: { sort_index: 1 } },
      { name: 'thread_name', ph: 'M', pid: 1, tid: 1, args: { name: 'DMA "read"' } },
      { name: 'thread_sort_index', ph: 'M', pid: 1, tid: 1, args: { sort_index: 1 } },
      { name: 'thread_name', ph: 'M', pid: 1, tid: 2, args: { name: 'wire' } },
      { name: 'thread_sort_index', ph: 'M', pid: 1, tid: 2, args: { sort_index: 2 } },
      {
        name: 'frame 1',
        cat,
        ph: 'X',
        ts: 1234.567,
        pid: 1,
        tid: 2,
        dur: 12.304,
        args: { bytes: 1514, context: 'c0' },
      },
      { name: 'interrupt', cat, ph: 'i', ts: 0.005, pid: 1, tid: 1, s: 't' },
      { name: 'backlog', ph: 'C', ts: 2, pid: 1, args: { c0: 3, c1: 0 } },
      { name: 'posted', ph: 'b', ts: 0.01, ...span },
      { name: 'fetched', ph: 'b', ts: 0.02, ...span },
      { name: 'fetched', ph: 'e', ts: 0.03, ...span, args: { ok: true } },
      { name: 'posted', ph: 'e', ts: 1_000_000_000_000.001, ...span },
    ],
  });
});

test('no nanosecond is lost: the text of a time is the number itself, with the point moved', () => {
  const path = scratch.path('times.json');
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(5000), fc.maxSafeNat()), { minLength: 1, maxLength: 20 }),
      (times) => {
        const writer = new TraceWriter(path);
        const track = writer.addTrack(writer.addProcess('p'), 't');
        for (const ns of times) writer.complete(track, 'x', ns, ns);
        writer.close();
        const text = readFileSync(path, 'utf8');
        const toNs = (micros: string) => {
          const [whole = '', fraction = ''] = micros.split('.');
          return Number(BigInt(whole) * 1000n + BigInt(fraction.padEnd(3, '0')));
        };
        for (const field of ['ts', 'dur']) {
          const written = [...text.matchAll(new RegExp(`"${field}":([0-9.]+)`, 'g'))].map(([, micros = '']) =>
            toNs(micros),
          );
          expect(written).toEqual(times);
        }
      },
    ),
    { numRuns: runs(100) },
  );
});

test('names and arguments of any content leave the JSON whole', () => {
  const path = scratch.path('names.json');
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer())),
      (name, args) => {
        const writer = new TraceWriter(path);
        writer.instant(writer.addTrack(writer.addProcess(name), name), name, 0, args);
        writer.close();
        const event = load(path).traceEvents.at(-1);
        expect(event.name).toBe(name);
        expect(Object.entries(event.args)).toEqual(Object.entries(JSON.parse(JSON.stringify(args))));
      },
    ),
    // Each writes a file and syncs it.
    { numRuns: either(200, 15) },
  );
});

test('a trace of nothing, and one much larger than the buffer, are whole', () => {
  const empty = new TraceWriter(scratch.path('empty.json'));
  empty.close();
  expect(load(scratch.path('empty.json'))).toEqual({ displayTimeUnit: 'ns', otherData: {}, traceEvents: [] });
  const path = scratch.path('large.json');
  const writer = new TraceWriter(path);
  const track = writer.addTrack(writer.addProcess('p'), 't');
  for (let index = 0; index < 30_000; index += 1)
    writer.complete(track, `event ${index}`, index * 10, 9, { index });
  writer.close();
  const events = load(path).traceEvents;
  expect(events).toHaveLength(4 + 30_000);
  expect(events.at(-1)).toMatchObject({
    name: 'event 29999',
    ts: 299.99,
    dur: 0.009,
    args: { index: 29_999 },
  });
});

test('mistakes are refused, and an aborted trace leaves nothing', () => {
  const writer = new TraceWriter(scratch.path('bad.json'));
  const process = writer.addProcess('p');
  const track = writer.addTrack(process, 't');
  expect(() => writer.addTrack(2, 'x')).toThrow(/process 2 was not added/);
  expect(() => writer.instant(1, 'x', 0)).toThrow(/track 1 was not added/);
  expect(() => writer.counter(2, 'x', 0, {})).toThrow(/process 2 was not added/);
  expect(() => writer.complete(track, 'x', 1.5, 0)).toThrow(/time is 1\.5 ns/);
  expect(() => writer.complete(track, 'x', 1, -1)).toThrow(/time is -1 ns/);
  expect(() => writer.counter(process, 'x', 0, { a: Number.NaN })).toThrow(/trace argument a is NaN/);
  expect(() => writer.spanEnd(track, 1, 'x', 0)).toThrow(/span 1 of track 0 ends but never began/);
  writer.abort();
  expect(scratch.list().filter((name) => name.includes('bad'))).toEqual([]);
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { FrameEvent, InterruptEvent } from '../../../nic/index.js';
import { simulate } from '../../../src/index.js';
import { RunTrace } from '../../../src/report/run-trace.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();
const END_NS = 1_000_000;

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly pid: number;
  readonly tid?: number;
  readonly id?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

const frames: FrameEvent[] = [];
const interrupts: InterruptEvent[] = [];
const path = scratch.path('run.trace.json');
let trace: RunTrace | undefined;
await simulate(
  {
    guests: [
      { name: 'talker', traffic: { kind: 'request', outstanding: 4 } },
      { name: 'sender', traffic: { kind: 'greedy', frameBytes: 1514 } },
    ],
  },
  {
    durationNs: 2 * END_NS,
    prepare: (machine) => {
      trace = new RunTrace(path, machine, END_NS, { seed: 1 });
      machine.host.nic.streams.frames$.subscribe((frame) => frames.push(frame));
      machine.host.nic.streams.interrupts$.subscribe((interrupt) => interrupts.push(interrupt));
    },
  },
);
trace?.finish();
trace?.close();
const { traceEvents } = JSON.parse(readFileSync(path, 'utf8')) as { traceEvents: TraceEvent[] };
const nameOf = (kind: string, { pid, tid }: TraceEvent) =>
  traceEvents.find(
    (other) => other.name === kind && other.pid === pid && (tid === undefined || other.tid === tid),
  )?.args?.name;
const onTrack = (track: string) =>
  traceEvents.filter((event) => !'MCstf'.includes(event.ph) && nameOf('thread_name', event) === track);

test('the card and each context are groups of tracks of their own', () => {
  const groups = traceEvents.filter(({ name }) => name === 'process_name').map(({ args }) => args?.name);
  expect(groups).toEqual([
    'CPU',
    'hypervisor',
    'memory and translation',
    'card',
    'context 0: talker',
    'context 1: sender',
  ]);
});

test('the wire shows every frame that left in time, from its first bit to its last', () => {
  const sent = frames.filter(({ direction, endNs }) => direction === 'transmit' && endNs <= END_NS);
  expect(sent.length).toBeGreaterThan(50);
  expect(onTrack('wire, out').map(({ name, ts, dur }) => [name, ts, dur])).toEqual(
    sent.map(({ context, startNs, endNs }) => [
      context === 0 ? 'talker' : 'sender',
      startNs / 1000,
      (endNs - startNs) / 1000,
    ]),
  );
});

test('the wire shows what came in at the rate at which it was sent, also where that changes', async () => {
  const file = scratch.path('rate.trace.json');
  let recorded: RunTrace | undefined;
  await simulate(
    {
      guests: [
        { name: 'taker', receive: { kind: 'greedy', frameBytes: 1514, startNs: 0 }, receiveSlots: 512 },
      ],
      changes: [
        { atNs: 200_000, rateBps: 100_000_000 },
        { atNs: 800_000, rateBps: 1_000_000_000 },
      ],
    },
    {
      durationNs: END_NS,
      warmUpNs: 0,
      protection: 'none',
      prepare: (machine) => {
        recorded = new RunTrace(file, machine, END_NS, { seed: 1 });
      },
    },
  );
  recorded?.finish();
  recorded?.close();
  const events = (JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: TraceEvent[] }).traceEvents;
  const track = events.find(({ name, args }) => name === 'thread_name' && args?.name === 'wire, in');
  const spans = events.filter(({ ph, pid, tid }) => ph === 'X' && pid === track?.pid && tid === track?.tid);
  const lasted = spans.map(({ dur = 0 }) => dur);
  // 1,538 bytes at 1 Gb/s, at 100 Mb/s, and at 1 Gb/s again; the far end hears of a rate 500 ns later.
  expect([...new Set(lasted)].sort((one, other) => one - other)).toEqual([12.304, 123.04]);
  const slow = lasted.flatMap((dur, index) => (dur > 100 ? [index] : []));
  expect(slow).toHaveLength(Math.round((800_000 - 200_000) / 123_040));
  // One behind the other, without a gap.
  for (const [index, { ts = 0, dur = 0 }] of spans.entries()) {
    const next = spans[index + 1];
    if (next !== undefined) expect(next.ts).toBeCloseTo(ts + dur, 6);
  }
});

test('interrupts are there, and nothing after the end', () => {
  const raised = interrupts.filter(({ atNs }) => atNs <= END_NS);
  expect(onTrack('interrupts').map(({ ts }) => ts)).toEqual(raised.map(({ atNs }) => atNs / 1000));
  expect(Math.max(...traceEvents.map(({ ts }) => ts ?? 0))).toBeLessThanOrEqual(END_NS / 1000);
});

test('a descriptor goes through its states one after the other: none overlap, none is left out', () => {
  const order = ['posted', 'fetched', 'granted', 'transferring', 'buffered'];
  const lives = new Map<string, string[]>();
  const open = new Map<string, string>();
  for (const event of onTrack('transmit descriptors')) {
    const id = event.id ?? '';
    if (event.ph === 'b') {
      expect(open.has(id), `${id} is ${open.get(id)} when ${event.name} begins`).toBe(false);
      open.set(id, event.name);
      lives.set(id, [...(lives.get(id) ?? []), event.name]);
    }
    if (event.ph === 'e') {
      expect(open.get(id)).toBe(event.name);
      open.delete(id);
    }
  }
  const completed = onTrack('transmit descriptors').filter(({ name }) => name === 'completed').length;
  expect(completed).toBeGreaterThan(50);
  const whole = [...lives.values()].filter((states) => states.length >= order.length);
  expect(whole.length).toBeGreaterThan(50);
  for (const states of whole) expect(states.slice(0, order.length)).toEqual(order);
});

test('grants, doorbells and the credit that grants leave are on it', () => {
  expect(onTrack('grants').length).toBeGreaterThan(50);
  expect(onTrack('doorbells').length).toBeGreaterThan(5);
  expect(traceEvents.filter(({ ph }) => ph === 'C').length).toBeGreaterThan(50);
});

test('cores work for one domain at a time, and for as long as the accounts say', () => {
  const cores = [0, 1].map((core) => onTrack(`cpu${core}`).filter(({ ph }) => ph === 'X'));
  for (const spans of cores) {
    expect(spans.length).toBeGreaterThan(20);
    for (const [index, { ts = 0 }] of spans.entries()) {
      const before = spans[index - 1];
      expect(ts).toBeGreaterThanOrEqual((before?.ts ?? 0) + (before?.dur ?? 0) - 1e-6);
    }
  }
  const names = new Set(cores.flat().map(({ name }) => name));
  expect(names).toEqual(new Set(['hypervisor', 'talker', 'sender']));
});

test('hypercalls, validated buffers and pinned pages are there', () => {
  expect(onTrack('hypercalls').length).toBeGreaterThan(5);
  const buffers = onTrack('buffers accepted at the set-up gate').map(({ args }) => Number(args?.buffers));
  expect(buffers.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(50);
  const pinned = traceEvents.filter(({ ph, name }) => ph === 'C' && name === 'pinned pages');
  expect(pinned.length).toBeGreaterThan(3);
});

test('an arrow follows a frame from its doorbell over grant and wire to its completion', () => {
  const flows = new Map<string, [phase: string, track: string][]>();
  for (const event of traceEvents.filter(({ ph }) => 'stf'.includes(ph))) {
    const id = String(event.id);
    flows.set(id, [...(flows.get(id) ?? []), [event.ph, String(nameOf('thread_name', event))]]);
  }
  const whole = [...flows.values()].filter((steps) => steps.at(-1)?.[0] === 'f');
  expect(whole.length).toBeGreaterThan(30);
  for (const steps of whole)
    expect(steps).toEqual([
      ['s', 'doorbells'],
      ['t', 'transmit descriptors'],
      ['t', 'wire, out'],
      ['f', 'transmit descriptors'],
    ]);
  // Each of the others is under way at the end of the timeline: it has begun and not ended.
  const open = [...flows.values()].filter((steps) => steps.at(-1)?.[0] !== 'f');
  for (const steps of open) expect(steps[0]?.[0]).toBe('s');
});

test('an IOMMU shows its misses, and each walk as a span on the row of its walker', async () => {
  const file = scratch.path('iommu.trace.json');
  const run = await simulate(
    { guests: [{ name: 'sender', traffic: { kind: 'greedy', frameBytes: 1514 } }] },
    {
      protection: 'iommu:single-use',
      warmUpNs: 0,
      durationNs: 500_000,
      prepare: (machine) => {
        trace = new RunTrace(file, machine, END_NS, {});
      },
    },
  );
  trace?.finish();
  trace?.close();
  const { traceEvents: events } = JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: TraceEvent[] };
  for (const counter of ['IOTLB misses so far', 'page walks so far']) {
    const values = events.filter(({ ph, name }) => ph === 'C' && name === counter);
    const numbers = values.map(({ args }) => Number(args?.value));
    expect(numbers.at(-1)).toBeGreaterThan(20);
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
  }
  const walkers = events.filter(
    ({ name, args }) => name === 'thread_name' && String(args?.name).startsWith('page walker '),
  );
  expect(walkers.length).toBeGreaterThan(0);
  const spans = walkers.map(({ pid, tid }) =>
    events.filter((event) => event.ph === 'X' && event.pid === pid && event.tid === tid),
  );
  expect(spans.flat()).toHaveLength(run.protectionDetails.walks ?? 0);
  for (const walks of spans) {
    for (const [index, { ts = 0, dur = 0, name, args }] of walks.entries()) {
      const before = walks[index - 1];
      expect(ts).toBeGreaterThanOrEqual((before?.ts ?? 0) + (before?.dur ?? 0) - 1e-6);
      expect(dur).toBeGreaterThan(0);
      const reads = Number(args?.contextReads) + Number(args?.tableReads);
      expect(name).toMatch(new RegExp(`^walk, (?:${reads} reads?|fault)$`, 'u'));
    }
  }
});

import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import { expect, test } from 'vitest';
import { simulate } from '../../../src/index.js';
import { PerfettoWriter } from '../../../src/report/perfetto-writer.js';
import { RunTrace } from '../../../src/report/run-trace.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();

// As published in perfetto/protos/perfetto/trace, those fields that a timeline of ours uses.
const { root } = protobuf.parse(`
  syntax = "proto2";
  message Trace { repeated TracePacket packet = 1; }
  message TracePacket {
    optional uint64 timestamp = 8;
    optional uint32 trusted_packet_sequence_id = 10;
    optional TrackEvent track_event = 11;
    optional InternedData interned_data = 12;
    optional uint32 sequence_flags = 13;
    optional TrackDescriptor track_descriptor = 60;
  }
  message TrackDescriptor {
    optional uint64 uuid = 1; optional string name = 2; optional uint64 parent_uuid = 5;
    optional CounterDescriptor counter = 8; optional int32 child_ordering = 11; optional int32 sibling_order_rank = 12;
  }
  message CounterDescriptor { optional string unit_name = 6; }
  message InternedData { repeated EventName event_names = 2; repeated DebugAnnotationName debug_annotation_names = 3; }
  message EventName { optional uint64 iid = 1; optional string name = 2; }
  message DebugAnnotationName { optional uint64 iid = 1; optional string name = 2; }
  message DebugAnnotation {
    optional uint64 name_iid = 1; optional bool bool_value = 2; optional int64 int_value = 4;
    optional double double_value = 5; optional string string_value = 6;
  }
  message TrackEvent {
    repeated DebugAnnotation debug_annotations = 4; optional int32 type = 9; optional uint64 name_iid = 10;
    optional uint64 track_uuid = 11; optional int64 counter_value = 30;
    repeated fixed64 flow_ids = 47; repeated fixed64 terminating_flow_ids = 48;
  }
`);

interface Packet {
  readonly timestamp?: number;
  readonly trustedPacketSequenceId?: number;
  readonly sequenceFlags?: number;
  readonly trackEvent?: {
    readonly type: number;
    readonly nameIid?: number;
    readonly trackUuid: number;
    readonly counterValue?: number;
    readonly flowIds?: readonly number[];
    readonly terminatingFlowIds?: readonly number[];
    readonly debugAnnotations?: readonly Record<string, string | number | boolean>[];
  };
  readonly trackDescriptor?: { readonly uuid: number; readonly name: string; readonly parentUuid?: number };
  readonly internedData?: { readonly eventNames: readonly { readonly iid: number; readonly name: string }[] };
}

/** A line per event: kind, track, time, name, and what it says. */
function readTrace(path: string): string[] {
  const type = root.lookupType('Trace');
  const { packet } = type.toObject(type.decode(readFileSync(path)), { longs: Number }) as {
    packet: readonly Packet[];
  };
  const names = new Map<number, string>();
  const tracks = new Map<number, { name: string; parent: number }>();
  const trackName = (uuid: number): string => {
    const track = tracks.get(uuid);
    if (track === undefined) throw new Error(`track ${uuid} has no descriptor before its first event`);
    // Lanes have the name of the track that they belong to.
    const parent = track.parent === 0 ? undefined : tracks.get(track.parent);
    return parent?.name === track.name || parent === undefined
      ? parent === undefined
        ? track.name
        : trackName(track.parent)
      : `${trackName(track.parent)}/${track.name}`;
  };
  const events: string[] = [];
  for (const { trackDescriptor, internedData, trackEvent, timestamp, trustedPacketSequenceId } of packet) {
    expect(trustedPacketSequenceId).toBe(1);
    for (const { iid, name } of internedData?.eventNames ?? []) names.set(iid, name);
    if (trackDescriptor !== undefined) {
      const { uuid, name, parentUuid = 0 } = trackDescriptor;
      expect(tracks.has(uuid)).toBe(false);
      tracks.set(uuid, { name, parent: parentUuid });
    }
    if (trackEvent === undefined) continue;
    const { type: kind, nameIid = 0, trackUuid, counterValue, debugAnnotations = [] } = trackEvent;
    const { flowIds = [], terminatingFlowIds = [] } = trackEvent;
    const arrows = [...flowIds.map((id) => ` >${id}`), ...terminatingFlowIds.map((id) => ` |${id}`)].join('');
    const said = debugAnnotations.map(({ nameIid: key, ...value }) => [
      names.get(Number(key)),
      Object.values(value)[0],
    ]);
    const letter = ['', 'B', 'E', 'I', 'C'][kind];
    const name = names.get(nameIid) ?? '';
    const more = counterValue === undefined ? JSON.stringify(Object.fromEntries(said)) : counterValue;
    events.push(`${letter} ${trackName(trackUuid)} ${timestamp} ${name} ${more}${arrows}`);
  }
  return events;
}

test('what was written is read back with the published field numbers', () => {
  const path = scratch.path('small.pftrace');
  const writer = new PerfettoWriter(path, { seed: 7, scenario: 'default' });
  const card = writer.addProcess('card');
  const wire = writer.addTrack(card, 'wire');
  const rings = writer.addTrack(card, 'ring');
  writer.complete(wire, 'guest0', 1_000, 672, { bytes: 60, share: 0.5, last: true });
  writer.enterState(rings, 4_294_967_295, 'posted', 10, { descriptor: 4_294_967_295 });
  writer.enterState(rings, 1, 'posted', 11);
  writer.enterState(rings, 4_294_967_295, 'fetched', 20);
  writer.leaveState(rings, 4_294_967_295, 30);
  writer.leaveState(rings, 77, 31);
  writer.instant(wire, 'drop', 2 ** 40 + 1);
  writer.counter(card, 'credit', 5, { bytes: 16_384 });
  writer.instant(wire, 'doorbell', 6, undefined, { ids: [2 ** 33 + 1, 2 ** 33 + 2] });
  writer.instant(wire, 'completed', 7, undefined, { ids: [2 ** 33 + 1], end: true });
  writer.close();
  expect(readTrace(path)).toEqual([
    'I run 0 run {"seed":7,"scenario":"default"}',
    'B card/wire 1000 guest0 {"bytes":60,"share":0.5,"last":true}',
    'E card/wire 1672  {}',
    'B card/ring 10 posted {"descriptor":4294967295}',
    'B card/ring 11 posted {}',
    'E card/ring 20  {}',
    'B card/ring 20 fetched {}',
    'E card/ring 30  {}',
    'I card/wire 1099511627777 drop {}',
    'C card/credit 5  16384',
    'I card/wire 6 doorbell {} >8589934593 >8589934594',
    'I card/wire 7 completed {} |8589934593',
  ]);
});

test('a run is the same timeline in both formats', async () => {
  const pftrace = scratch.path('run.pftrace');
  const json = scratch.path('run.trace.json');
  const traces: RunTrace[] = [];
  await simulate(
    { guests: [{ name: 'sender', traffic: { kind: 'greedy', frameBytes: 1514 } }] },
    {
      durationNs: 1_000_000,
      prepare: (machine) => {
        for (const path of [pftrace, json]) traces.push(new RunTrace(path, machine, 1_000_000, {}));
      },
    },
  );
  for (const trace of traces) {
    trace.finish();
    trace.close();
  }
  const { traceEvents } = JSON.parse(readFileSync(json, 'utf8')) as {
    traceEvents: readonly { readonly ph: string; readonly ts?: number }[];
  };
  const ofKind = (kinds: string) =>
    traceEvents
      .filter(({ ph }) => kinds.includes(ph))
      .map(({ ts }) => Math.round((ts ?? 0) * 1000))
      .sort((a, b) => a - b);
  const read = readTrace(pftrace).filter((line) => !line.startsWith('I run '));
  const timesOf = (letter: string) =>
    read
      .filter((line) => line.startsWith(letter))
      .map((line) => Number(/ (\d+) /u.exec(line)?.[1]))
      .sort((a, b) => a - b);
  expect(timesOf('B').length).toBeGreaterThan(200);
  expect(timesOf('B')).toEqual(ofKind('Xb'));
  expect(timesOf('I')).toEqual(ofKind('i'));
  expect(timesOf('C')).toEqual(ofKind('C'));
});

test('times and numbers that no timeline can have are refused, and tracks that were not added', () => {
  const writer = new PerfettoWriter(scratch.path('bad.pftrace'));
  const track = writer.addTrack(writer.addProcess('card'), 'wire');
  expect(() => writer.instant(track, 'x', -1)).toThrow('time is -1 ns');
  expect(() => writer.instant(track, 'x', 0.5)).toThrow('time is 0.5 ns');
  expect(() => writer.instant(track, 'x', 1, { bad: Number.NaN })).toThrow('trace argument bad is NaN');
  expect(() => writer.instant(99, 'x', 1)).toThrow('track 99 was not added');
  expect(() => writer.addTrack(99, 'x')).toThrow('process 99 was not added');
  for (const number of [0, 1]) {
    expect(() => writer.addTrack(number, 'x')).toThrow(`process ${number} was not added`);
    expect(() => writer.instant(number, 'x', 1)).toThrow(`track ${number} was not added`);
    expect(() => writer.enterState(number, 1, 'x', 1)).toThrow(`track ${number} was not added`);
    expect(() => writer.counter(number, 'x', 1, { bytes: 1 })).toThrow(`process ${number} was not added`);
  }
  for (const value of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
    expect(() => writer.counter(2, 'credit', 1, { bytes: value })).toThrow(
      `counter credit has bytes ${value}, expected a whole number`,
    );
  writer.abort();
});

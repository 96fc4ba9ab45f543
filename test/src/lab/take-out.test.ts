import { describe, expect, it } from 'vitest';
import { parseCapture } from '../../../guests/capture/index.js';
import type { Output } from '../../../src/lab/protocol.js';
import { LabClient } from './lab-client.js';
import { defaultPlan, straight } from './straight.js';

/** A file that is taken out after 400 us. */
function taken(output: Output): Uint8Array {
  const client = new LabClient();
  client.open(defaultPlan);
  client.ask({ kind: 'go', to: { atNs: 400_000, events: 0 } });
  client.settle();
  client.ask({ kind: 'take-out', machine: 0, output });
  const report = client.reports.findLast(({ kind }) => kind === 'took-out');
  if (report?.kind !== 'took-out') throw new Error('nothing came out');
  return report.bytes;
}

const text = (output: Output) => new TextDecoder().decode(taken(output));

describe('files that are taken out', () => {
  it('JSON is the document of `run` at that time', () => {
    const document = JSON.parse(text('json')) as {
      command: string;
      runs: { fingerprint: string; durationNs: number; laws: { held: boolean }[] }[];
    };
    expect(document.command).toBe('run');
    expect(document.runs[0]?.durationNs).toBe(400_000);
    expect(document.runs[0]?.fingerprint).toBe(straight(defaultPlan, 400_000));
    expect(document.runs[0]?.laws.every(({ held }) => held)).toBe(true);
  });

  it('pcapng holds every frame that passed the card, at its time', () => {
    const { frames } = parseCapture('lab.pcapng', taken('pcapng'));
    const client = new LabClient();
    client.open(defaultPlan);
    client.ask({ kind: 'go', to: { atNs: 400_000, events: 0 } });
    const [state] = client.settle().machines;
    const passed = state?.snapshot.guests.reduce(
      (sum, guest) => sum + guest.framesTransmitted + guest.framesReceived,
      0,
    );
    expect(frames.length).toBe(passed);
    expect(frames.length).toBeGreaterThan(10);
  });

  it('Perfetto begins with a trace packet (trace.proto, field 1) and names the contexts', () => {
    const bytes = taken('perfetto');
    expect(bytes[0]).toBe(0x0a);
    expect(new TextDecoder().decode(bytes)).toContain('context 0: web');
  });

  it('a scenario names approach, discipline and seed, so that `run` needs nothing else', () => {
    const scenario = JSON.parse(text('scenario')) as Record<string, unknown>;
    expect(scenario).toMatchObject({ protection: 'cdna', discipline: 'drr', seed: 1 });
  });
});

import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { timedNotes } from '../../../src/report/timed-notes.js';
import { checkScenario, loadScenario } from '../../../src/scenario/load.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { defaultWarmUpNs, RUN_DEFAULTS } from '../../../src/simulate.js';
import { invoke } from '../cli/invoke.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();
const WINDOW = { warmUpNs: 1_000_000, durationNs: 4_000_000 };
const notesOf = (scenario: Omit<ScenarioInput, 'guests'>, window = WINDOW) =>
  timedNotes(checkScenario({ guests: [{ name: 'a' }], nic: { pfcClasses: 8 }, ...scenario }), window);
const rateAt = (atNs: number) => ({ atNs, rateBps: 100_000_000 });
const weightAt = (atNs: number) => ({ atNs, guest: 'a', weight: 2 });
const pauseAt = (atNs: number, quanta = 100) => ({ atNs, trafficClass: 3, quanta });
/** 51.2 us at 1 Gb/s: 100 quanta of 512 bits (IEEE 802.3, 31B.3.7). */
const PAUSE_NS = 51_200;

describe('what a scenario does at times that figures do not show', () => {
  test('a change or pause after the end of the run is named, with both times', () => {
    expect(notesOf({ changes: [weightAt(99_000_000)] })).toEqual([
      'changes[0] is at 99 ms, after the end of the run at 5 ms: it is not made',
    ]);
    expect(notesOf({ changes: [weightAt(1), rateAt(5_000_001)] })).toEqual([
      'changes[1] is at 5.000001 ms, after the end of the run at 5 ms: it is not made',
    ]);
    expect(notesOf({ link: { pauses: [pauseAt(2_000_000), pauseAt(6_000_000)] } })).toEqual([
      'link.pauses[1] is at 6 ms, after the end of the run at 5 ms: it is not made',
    ]);
  });

  test('many of them are one sentence', () => {
    const changes = Array.from({ length: 100 }, (_, index) => weightAt(6_000_000 + index));
    const [note = '', ...others] = notesOf({ changes });
    expect(others).toEqual([]);
    expect(note).toMatch(
      /^changes\[0\], changes\[1\], .* and \d+ more are after the end of the run at 5 ms: they are not made$/u,
    );
  });

  test('one at the last instant is made, and no figure shows it', () => {
    expect(notesOf({ changes: [weightAt(5_000_000)] })).toEqual([
      'changes[0] is at 5 ms, just at the end of the run at 5 ms: no figure shows it',
    ]);
  });

  test('a pause that is over when the window begins is named; one that reaches into it is not', () => {
    const before = WINDOW.warmUpNs - PAUSE_NS;
    expect(notesOf({ link: { pauses: [pauseAt(before)] } })).toEqual([
      'link.pauses[0] is at 0.9488 ms, over before the window begins at 1 ms: figures are of the window alone',
    ]);
    expect(notesOf({ link: { pauses: [pauseAt(before + 1)] } })).toEqual([]);
    // At another rate it lasts longer, and how long is not said.
    expect(notesOf({ link: { pauses: [pauseAt(before)] }, changes: [rateAt(1)] })).toEqual([]);
  });

  test('a rate that changes in the window says what is judged of the whole alone; one of before does not', () => {
    const judged = (atNs: number) => notesOf({ changes: [rateAt(atNs)] }).join();
    expect(judged(2_000_000)).toMatch(/^the wire's rate changes in the window: .*CPU-limited, ring-limited/u);
    expect(judged(1_000_000)).toBe('');
    expect(notesOf({ changes: [weightAt(2_000_000)] })).toEqual([]);
  });

  test('text and document of a run have them', async () => {
    const path = scratch.path('late.json');
    writeFileSync(path, JSON.stringify({ guests: [{ name: 'a' }], changes: [weightAt(99_000_000)] }));
    const call = ['run', path, '--warm-up', '0', '--duration', '1ms'];
    const note = 'changes[0] is at 99 ms, after the end of the run at 1 ms: it is not made';
    expect((await invoke(...call)).out).toContain(`note: ${note}\n`);
    const document = JSON.parse((await invoke(...call, '--json')).out) as { notes: string[] };
    expect(document.notes).toContain(note);
  });

  test('scenarios/lossless.json shows the pause that it is about', async () => {
    const { scenario } = await loadScenario('scenarios/lossless.json');
    const durationNs = scenario.durationNs ?? RUN_DEFAULTS.durationNs;
    const warmUpNs = scenario.warmUpNs ?? defaultWarmUpNs(durationNs, scenario);
    expect(scenario.link?.pauses).toHaveLength(1);
    expect(timedNotes(scenario, { warmUpNs, durationNs })).toEqual([]);
    expect(scenario.link?.pauses?.[0]?.atNs).toBeGreaterThan(warmUpNs);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Observation } from '../../../src/attack/observation.js';
import { judge } from '../../../src/attack/verdict.js';

const QUIET = { sent: 100, received: 200, longestSilenceNs: 1000 };

const NOTHING: Observation = {
  changed: [],
  leaked: [],
  damagedFrames: 0,
  impostorFrames: 0,
  strayMessages: 0,
  setUpRefusals: {},
  pageFaults: 0,
  withheldPages: 0,
  deniedAccesses: 0,
  cardFaults: {},
  drops: {},
  service: QUIET,
  notes: [],
};

/** What may have stopped something, in any combination. */
const obstacles = fc.record({
  setUpRefusals: fc.constantFrom({}, { 'not-owner': 1 }),
  pageFaults: fc.nat(3),
  withheldPages: fc.nat(1),
  deniedAccesses: fc.nat(3),
  cardFaults: fc.constantFrom({}, { 'sequence-break': 1 }, { 'chain-too-long': 1 }),
  drops: fc.constantFrom({}, { 'source-mac-spoofed': 4 }),
});

const harms = fc.constantFrom<Partial<Observation>>(
  { changed: [{ what: 'page', bytes: 1 }] },
  { leaked: [{ what: 'page', to: 'wire', frames: 1 }] },
  { leaked: [{ what: 'page', to: 'card', frames: 1 }] },
  { damagedFrames: 1 },
  { impostorFrames: 1 },
  { strayMessages: 1 },
  { service: { ...QUIET, sent: 89 } },
  { service: { ...QUIET, received: 179 } },
);

describe('a verdict', () => {
  it('is "succeeded" whenever harm was done, whatever else was stopped, and never otherwise', () => {
    fc.assert(
      fc.property(obstacles, fc.option(harms), (stopped, harm) => {
        const { verdict } = judge({ ...NOTHING, ...stopped, ...harm }, QUIET);
        expect(verdict === 'succeeded').toBe(harm !== null);
      }),
      { numRuns: 300 },
    );
  });

  it('goes to the last gate that stopped something', () => {
    fc.assert(
      fc.property(obstacles, (stopped) => {
        const { verdict } = judge({ ...NOTHING, ...stopped }, QUIET);
        const atSetUp =
          Object.keys(stopped.setUpRefusals).length + stopped.pageFaults + stopped.withheldPages > 0 ||
          'sequence-break' in stopped.cardFaults;
        const expected =
          stopped.deniedAccesses > 0 ? 'blocked-at-access' : atSetUp ? 'blocked-at-set-up' : 'contained';
        expect(verdict).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('lets a victim have a tenth less than it has in peace', () => {
    expect(judge({ ...NOTHING, service: { ...QUIET, sent: 90 } }, QUIET).verdict).toBe('contained');
  });

  it.each([
    [0, 200],
    [100, 0],
    [0, 0],
  ])('is not given where peace serves the victim nothing (%d sent, %d received)', (sent, received) => {
    const quiet = { ...QUIET, sent, received };
    expect(() => judge({ ...NOTHING, service: quiet }, quiet)).toThrow(
      `sent ${sent} and received ${received} frames`,
    );
  });

  it('says in one sentence what it rests on', () => {
    const { evidence } = judge(
      { ...NOTHING, changed: [{ what: 'page of the victim', bytes: 1500 }], damagedFrames: 2 },
      QUIET,
    );
    expect(evidence.sentence).toBe(
      '1,500 bytes changed: page of the victim; 2 frames of the victim damaged.',
    );
  });
});

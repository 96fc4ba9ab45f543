import { describe, expect, it } from 'vitest';
import { DISCIPLINES, makeDiscipline } from '../../../scheduler/disciplines/index.js';

describe('disciplines by name', () => {
  it('are made as they are listed', () => {
    for (const { name } of DISCIPLINES) expect(makeDiscipline(name, { linkBps: 1e9 }).name).toBe(name);
  });

  it('compose with a slash and with prefixes', () => {
    expect(makeDiscipline('drr/sfq').name).toBe('drr/sfq');
    expect(makeDiscipline('limited:minimum:wf2q+/prr').name).toBe('limited:minimum:wf2q+/prr');
  });

  it('an unknown name is refused with the list of known ones', () => {
    expect(() => makeDiscipline('drrr')).toThrow(
      'discipline is "drrr", expected one of: fifo, prr, wrr, drr,',
    );
    expect(() => makeDiscipline('drr/wfqq')).toThrow(
      'discipline is "wfqq" (in "drr/wfqq"), expected one of: fifo,',
    );
    expect(() => makeDiscipline('limited:')).toThrow('discipline is "", expected one of');
  });

  it('a missing option is named', () => {
    expect(() => makeDiscipline('wfq')).toThrow('wfq: linkBps is missing');
  });

  it('state complexity, bounds and source for each', () => {
    for (const entry of DISCIPLINES) {
      for (const text of [entry.meaning, entry.paper, entry.complexity, entry.fairness, entry.delay]) {
        expect(text.length).toBeGreaterThan(0);
      }
    }
  });

  it('promise a finite gap exactly where the list says that shares follow weights', () => {
    const account = { weight: 3, maxFrameBytes: 1514 };
    for (const { name, weighted } of DISCIPLINES) {
      const bound = makeDiscipline(name, { linkBps: 1e9 }).relativeFairnessBoundBytes(account, account);
      expect([name, Number.isFinite(bound)]).toEqual([name, weighted]);
    }
  });
});

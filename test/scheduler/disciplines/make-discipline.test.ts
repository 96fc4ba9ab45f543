import { describe, expect, it } from 'vitest';
import { contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import {
  DISCIPLINES,
  fieldsOfLevels,
  makeDiscipline,
  parseComposition,
} from '../../../scheduler/disciplines/index.js';

describe('disciplines by name', () => {
  it('are made as they are listed', () => {
    for (const { name } of DISCIPLINES) expect(makeDiscipline(name, { linkBps: 1e9 }).name).toBe(name);
  });

  it('compose with a slash and with prefixes', () => {
    expect(makeDiscipline('drr/sfq').name).toBe('drr/sfq');
    expect(makeDiscipline('limited:minimum:wf2q+/prr').name).toBe('limited:minimum:wf2q+/prr');
  });

  it('compose to any depth, and a prefix reaches to the end of its parentheses', () => {
    const named = {
      'a prefix before a hierarchy': ['limited:(drr/sfq)', 'limited:drr/sfq'],
      'a prefix before the lower level': ['drr/limited:sfq', 'drr/(limited:sfq)'],
      'a prefix before the upper level': ['(limited:drr)/sfq', '(limited:drr)/sfq'],
      'slashes group to the right': ['(priority/drr)/sfq', 'priority/drr/sfq'],
      'needless parentheses': ['((priority))/((drr/(sfq)))', 'priority/drr/sfq'],
      'four levels': [
        'priority/(limited:wf2q+)/drr/(minimum:sfq)',
        'priority/(limited:wf2q+)/drr/(minimum:sfq)',
      ],
    } as const;
    for (const [what, [name, canonical]] of Object.entries(named)) {
      expect([what, makeDiscipline(name).name]).toEqual([what, canonical]);
      // The name of a discipline gives the same one again.
      expect(makeDiscipline(canonical).name).toBe(canonical);
    }
  });

  it('a name that is no composition is refused with the place', () => {
    const refused = {
      'drr/': 'discipline is "" (in "drr/"), expected one of',
      '(drr': 'discipline is "(drr", expected a ")" for the "(" at character 1',
      'drr)': 'discipline is ")" (in "drr)"), expected one of',
      'drr(sfq)': 'discipline is "(sfq)" (in "drr(sfq)"), expected one of',
      'limit:drr': 'discipline is "limit:" (in "limit:drr"), expected one of',
      'limited:./mine.ts': 'discipline is "./mine.ts" (in "limited:./mine.ts"), expected one of',
      'drr/../of/mine.ts': 'discipline is "../of/mine.ts" (in "drr/../of/mine.ts"), expected one of',
      './mine.ts': 'discipline is "./mine.ts", expected one of',
      '(limited:(drr/sfq))/prr':
        'discipline is "(limited:(drr/sfq))/prr", expected one level on the left of a "/"',
    };
    for (const [name, message] of Object.entries(refused))
      expect(() => makeDiscipline(name)).toThrow(message);
    expect(() => makeDiscipline('('.repeat(100_000))).toThrow('nested too deep');
  });

  it('read the fields of a share level by level', () => {
    const read = (name: string) => fieldsOfLevels(parseComposition(name)).map((fields) => [...fields]);
    expect(read('drr')).toEqual([[]]);
    expect(read('priority/edf/qfq')).toEqual([['priority'], ['deadlineNs'], ['maxFrameBytes']]);
    expect(read('limited:priority/drr')).toEqual([['priority'], ['limitBps', 'burstBytes']]);
    expect(read('(minimum:priority)/(limited:drr)')).toEqual([
      ['priority', 'minimumBps'],
      ['limitBps', 'burstBytes'],
    ]);
  });

  it('reads exactly the fields that it is listed with', () => {
    const fields = [
      'priority',
      'deadlineNs',
      'limitBps',
      'burstBytes',
      'minimumBps',
      'maxFrameBytes',
    ] as const;
    for (const { name, reads } of DISCIPLINES) {
      const read = new Set<string>();
      const share = new Proxy({ weight: 1 } as Share, {
        get: (target, field) => {
          read.add(String(field));
          return Reflect.get(target, field);
        },
      });
      makeDiscipline(name, { linkBps: 1e9 }).join(contextId(0), share);
      expect([name, fields.filter((field) => read.has(field))]).toEqual([name, reads]);
    }
  });

  it('an unknown name is refused with the list of known ones', () => {
    expect(() => makeDiscipline('drrr')).toThrow(
      'discipline is "drrr", expected one of: fifo, prr, wrr, drr,',
    );
    expect(() => makeDiscipline('drr/wfqq')).toThrow(
      'discipline is "wfqq" (in "drr/wfqq"), expected one of: fifo,',
    );
    expect(() => makeDiscipline('limited:')).toThrow('discipline is "" (in "limited:"), expected one of');
  });

  it.each(['constructor', 'toString', 'hasOwnProperty', '__proto__'])(
    '%s, which every object has, is no name',
    (name) => {
      for (const text of [name, `${name}:drr`, `drr/${name}`, `limited:${name}:drr`])
        expect(() => makeDiscipline(text)).toThrow(/^discipline is ".*expected one of: fifo, prr/u);
    },
  );

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

import { describe, expect, it } from 'vitest';
import { LawBroken, requireScript, type Script, scriptFromJson } from '../../../scheduler/laws/index.js';
import { seedOfScript } from '../../../scheduler/laws/script-seed.js';

const whole: Script = {
  startNs: 7,
  steps: [
    { step: 'join', context: 3, share: { weight: 2, priority: 1 } },
    { step: 'arrive', context: 3, bytes: 60, count: 2 },
    { step: 'serve', frames: 1 },
    { step: 'comeAndGo', context: 3, bytes: 60, times: 2 },
    { step: 'serveWhileArriving', context: 3, bytes: 60 },
    { step: 'pass', ns: 0 },
    { step: 'ringAgain', context: 3 },
    { step: 'withdraw', context: 3 },
    { step: 'leave', context: 3 },
  ],
};
const FIELDS: Record<string, readonly string[]> = {
  join: ['context'],
  leave: ['context'],
  arrive: ['context', 'bytes', 'count'],
  serve: ['frames'],
  comeAndGo: ['context', 'bytes', 'times'],
  serveWhileArriving: ['context', 'bytes'],
  pass: ['ns'],
  ringAgain: ['context'],
  withdraw: ['context'],
};

describe('a script', () => {
  it('is read as it was written, with a long run or without', () => {
    const long = { ...whole, longRunFrames: 100 };
    for (const script of [whole, long]) {
      expect(requireScript(script)).toEqual(script);
      expect(scriptFromJson(JSON.stringify(script))).toEqual(script);
      // What a violation is written as carries one.
      const broken = new LawBroken('a law', 'it broke', { script, seed: 3, path: 'script 1' });
      expect(scriptFromJson(JSON.stringify(broken))).toEqual(script);
      expect(JSON.parse(JSON.stringify(broken))).toEqual({ law: 'a law', script, seed: 3, path: 'script 1' });
    }
    expect('longRunFrames' in requireScript(whole)).toBe(false);
  });

  it.each(Object.entries(FIELDS))(
    'names each field of a step "%s" that is missing or no whole number >= 0',
    (kind, fields) => {
      const index = whole.steps.findIndex(({ step }) => step === kind);
      for (const field of fields) {
        for (const wrong of [undefined, -1, 0.5, '1', null, 2 ** 53]) {
          const steps = whole.steps.map((step, at) => (at === index ? { ...step, [field]: wrong } : step));
          expect(() => requireScript({ ...whole, steps })).toThrow(
            `replay.steps[${index}].${field} is ${JSON.stringify(wrong)}, expected a whole number >= 0`,
          );
        }
      }
      // 0 is one.
      const zeros = Object.fromEntries(fields.map((field) => [field, 0]));
      requireScript({ startNs: 0, steps: [{ ...whole.steps[index], ...zeros }], longRunFrames: 0 });
    },
  );

  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    [[1], '[1]'],
    [{}, '{}'],
    [{ weight: 1.5 }, '{"weight":1.5}'],
  ])('refuses a share of %j', (share, printed) => {
    expect(() => requireScript({ startNs: 0, steps: [{ step: 'join', context: 0, share }] })).toThrow(
      `replay.steps[0].share is ${printed}, expected an object with a weight`,
    );
  });

  it.each<[unknown, string]>([
    [null, 'undefined'],
    [[], 'undefined'],
    ['serve', 'undefined'],
    [{}, 'undefined'],
    [{ step: 3 }, '3'],
    [{ step: 'toString' }, '"toString"'],
  ])('refuses a step that is %j', (step, printed) => {
    expect(() => requireScript({ startNs: 0, steps: [step] })).toThrow(
      `replay.steps[0].step is ${printed}, expected one of join, leave,`,
    );
  });

  it.each([null, 3, 'script', [], undefined])('is an object, not %j', (script) => {
    expect(() => requireScript(script)).toThrow('expected an object with startNs and steps');
  });

  it.each(['null', '3', '[]', '"script"', '{"script":null}'])('is an object in its text, not %s', (text) => {
    expect(() => scriptFromJson(text)).toThrow('expected an object with startNs and steps');
  });

  it.each([-1, 0.5, '0', null])('begins and is judged at whole numbers, not at %j', (wrong) => {
    expect(() => requireScript({ ...whole, startNs: wrong })).toThrow('replay.startNs is');
    expect(() => requireScript({ ...whole, longRunFrames: wrong })).toThrow('replay.longRunFrames is');
    expect(() => requireScript({ ...whole, steps: wrong })).toThrow('replay.steps is');
  });
});

/** The finalizer of MurmurHash3, in big integers. */
function finalized(value: bigint): bigint {
  const cut = (bits: bigint) => BigInt.asUintN(32, bits);
  let bits = cut(value);
  bits = cut((bits ^ (bits >> 16n)) * 0x85ebca6bn);
  bits = cut((bits ^ (bits >> 13n)) * 0xc2b2ae35n);
  return bits ^ (bits >> 16n);
}

describe('the seed of a script', () => {
  it('is mixed by the finalizer of MurmurHash3, by the hashes of an empty key with the seeds 0, 1 and 2^32 - 1', () => {
    // SMHasher's vectors of MurmurHash3_x86_32, in which an empty key leaves the finalizer alone.
    expect([0n, 1n, 0xffffffffn].map(finalized)).toEqual([0n, 0x514e28b7n, 0x81f16f39n]);
    const golden = 0x9e3779b9n;
    for (const seed of [0, 1, -1, 42, 2 ** 31 - 1, -(2 ** 31)])
      for (const run of [0, 1, 2, 199, 1_000]) {
        const mixed = finalized(BigInt(seed) + golden);
        const expected = finalized(mixed + BigInt(run) + golden);
        expect(BigInt.asUintN(32, BigInt(seedOfScript(seed, run)))).toBe(expected);
      }
  });

  it('is a 32-bit integer, as fast-check takes it, whatever the seed', () => {
    for (const seed of [2 ** 32, 2 ** 40 + 3, 0.5]) {
      expect(seedOfScript(seed, 3)).toBe(seedOfScript(seed | 0, 3));
      expect(seedOfScript(seed, 3) | 0).toBe(seedOfScript(seed, 3));
    }
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ControlStructure, contains, Secret, tagged, tagOf } from '../../../guests/hostile/index.js';
import { PhysicalMemory } from '../../../host/index.js';
import { hostPhysicalAddress } from '../../../nic/addresses.js';

const PAGE = 4096;
const seeds = fc.nat(0xffffffff);

describe('a tag', () => {
  it('is found in any 31 bytes of what is filled with it, wherever they begin, and in nothing of another', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.nat(50),
        fc.nat(50),
        fc.nat(400),
        fc.integer({ min: 31, max: 200 }),
        (seed, one, two, at, length) => {
          fc.pre(one !== two);
          const piece = tagged(tagOf(seed, one), 1024).subarray(at, at + length);
          expect(contains(piece, tagOf(seed, one))).toBe(true);
          expect(contains(piece, tagOf(seed, two))).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a secret', () => {
  it('has changed exactly where another byte was written, and stays changed when the byte is restored', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.uniqueArray(fc.nat(511), { maxLength: 20 }),
        fc.integer({ min: 1, max: 255 }),
        (seed, places, flip) => {
          const memory = new PhysicalMemory(4);
          const secret = new Secret(memory, 'secret', hostPhysicalAddress(PAGE + 512), 512, tagOf(seed, 0));
          secret.look(memory);
          expect(secret.changedBytes).toBe(0);
          const byte = new Uint8Array(1);
          const flipAll = () => {
            for (const place of places) {
              memory.read(hostPhysicalAddress(PAGE + 512 + place), 1, byte, 0);
              byte[0] = (byte[0] ?? 0) ^ flip;
              memory.write(hostPhysicalAddress(PAGE + 512 + place), 1, byte, 0);
            }
          };
          flipAll();
          secret.look(memory);
          expect(secret.changedBytes).toBe(places.length);
          flipAll();
          secret.look(memory);
          expect(secret.changedBytes).toBe(places.length);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('does not mind what happens beside it', () => {
    const memory = new PhysicalMemory(4);
    const secret = new Secret(memory, 'secret', hostPhysicalAddress(PAGE + 512), 512, tagOf(1, 0));
    memory.fill(hostPhysicalAddress(PAGE), 512, 0xff);
    memory.fill(hostPhysicalAddress(PAGE + 1024), 512, 0xff);
    secret.look(memory);
    expect(secret.changedBytes).toBe(0);
  });
});

describe('a structure that its owner writes to', () => {
  it('counts as changed where the mark of the attacker stands, and nowhere else', () => {
    fc.assert(
      fc.property(seeds, fc.nat(PAGE - 256), fc.integer({ min: 1, max: 15 }), (seed, at, marks) => {
        const memory = new PhysicalMemory(4);
        const mark = tagOf(seed, 7);
        const structure = new ControlStructure('table', hostPhysicalAddress(PAGE), mark);
        memory.fill(hostPhysicalAddress(PAGE), PAGE, 0x5a);
        structure.look(memory);
        expect(structure.changedBytes).toBe(0);
        memory.write(hostPhysicalAddress(PAGE + at), marks * 16, tagged(mark, marks * 16), 0);
        structure.look(memory);
        expect(structure.changedBytes).toBe(marks * 16);
      }),
      { numRuns: 200 },
    );
  });
});

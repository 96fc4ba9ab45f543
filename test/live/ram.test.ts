import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileRam } from '../../src/live/ram/file-ram.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdna-ram-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('RAM in a file', () => {
  it('is for its owner alone, and gone at the end', () => {
    const ram = new FileRam(join(folder, 'ram'), 8192);
    expect(statSync(ram.path).mode & 0o777).toBe(0o600);
    expect(() => new FileRam(join(folder, 'ram'), 8192)).toThrow('EEXIST');
    ram.remove();
    expect(existsSync(ram.path)).toBe(false);
  });

  it('that its client shortens reads as ones there, and has what is written there', () => {
    const ram = new FileRam(join(folder, 'ram'), 8192);
    ram.write(0, 4, new Uint8Array([1, 2, 3, 4]), 0);
    ram.flush();
    truncateSync(ram.path, 2);
    const bytes = new Uint8Array(4);
    ram.read(0, 4, bytes, 0);
    expect([...bytes]).toEqual([1, 2, 255, 255]);
    ram.prefetch(4096, 16);
    ram.read(4096, 4, bytes, 0);
    expect([...bytes]).toEqual([255, 255, 255, 255]);
    ram.write(4096, 2, bytes.fill(7), 0);
    ram.flush();
    expect([...readFileSync(ram.path).subarray(4096)]).toEqual([7, 7]);
    ram.remove();
  });

  it('a frame and the header in front of it cost one system call', () => {
    const ram = new FileRam(join(folder, 'ram'), 65_536);
    const frame = new Uint8Array(1514).fill(7);
    for (let buffer = 0; buffer < 16; buffer += 1) ram.write(buffer * 2048 + 12, frame.length, frame, 0);
    for (let buffer = 0; buffer < 16; buffer += 1)
      ram.write(buffer * 2048, 12, new Uint8Array(12).fill(1), 0);
    ram.flush();
    expect(ram.calls.writes).toBe(16);
    expect([...readFileSync(ram.path).subarray(10, 14)]).toEqual([1, 1, 7, 7]);
    ram.remove();
  });

  it('reads what was written, and shows it in the file once it is flushed, whatever the order of both', () => {
    const bytes = 8192;
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('write' as const),
        at: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: bytes - 3000 })),
        length: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2900 })),
        value: fc.integer({ min: 1, max: 255 }),
      }),
      fc.record({
        kind: fc.constantFrom('read' as const, 'prefetch' as const),
        at: fc.integer({ min: 0, max: bytes - 600 }),
        length: fc.integer({ min: 1, max: 600 }),
      }),
      fc.record({ kind: fc.constant('flush' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const path = join(folder, 'ram');
        const ram = new FileRam(path, bytes);
        const model = new Uint8Array(bytes);
        try {
          for (const act of steps) {
            if (act.kind === 'write') {
              model.fill(act.value, act.at, act.at + act.length);
              ram.write(act.at, act.length, new Uint8Array(act.length).fill(act.value), 0);
            } else if (act.kind === 'read') {
              const got = new Uint8Array(act.length);
              ram.read(act.at, act.length, got, 0);
              expect(Buffer.compare(got, model.subarray(act.at, act.at + act.length))).toBe(0);
            } else if (act.kind === 'prefetch') ram.prefetch(act.at, act.length);
            else {
              ram.flush();
              expect(Buffer.compare(readFileSync(path), model)).toBe(0);
            }
          }
          ram.flush();
          expect(Buffer.compare(readFileSync(path), model)).toBe(0);
        } finally {
          ram.remove();
        }
      }),
      { numRuns: 300 },
    );
  });
});

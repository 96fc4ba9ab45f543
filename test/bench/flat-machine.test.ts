import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { flatComponentOf } from '../../bench/flat/flat-components.js';
import { FLAT_MODEL_VERSION, FLAT_PROTECTIONS } from '../../bench/flat/flat-machine.js';
import { ServedMachine } from '../../bench/served-machine.js';
import { MODEL_VERSION } from '../../src/machine/model-version.js';
import { compareWithFlat } from './compare-with-flat.js';

const isCurrent: boolean = FLAT_MODEL_VERSION === MODEL_VERSION;
if (!isCurrent) {
  console.warn(
    `SKIPPED: the flat reference represents model version ${FLAT_MODEL_VERSION}, the emulator has ${MODEL_VERSION}`,
  );
}

describe('the flat reference', () => {
  it.skipIf(!isCurrent).each(FLAT_PROTECTIONS)(
    'puts the frames of the emulator on the wire at the same nanoseconds: %s',
    (protection) => {
      compareWithFlat({ protection, contexts: 20, frameBytes: 60, frames: 1_500 });
    },
  );

  test('each of its functions that a packet needs has a component in the budget', () => {
    const path = new URL('../../bench/flat/flat-machine.ts', import.meta.url);
    const source = readFileSync(path, 'utf8');
    const machine = source.slice(
      source.indexOf('export function makeFlatMachine'),
      source.indexOf('class Tags'),
    );
    const names = [...machine.matchAll(/^ {2}function (\w+)/gm)].map(([, name = '']) => name);
    const setUp = [
      'takeIovas',
      'takePages',
      'writeContextEntry',
      'attachRequester',
      'setRegisters',
      'readRegister',
      'mapOwn',
    ];
    expect(names.filter((name) => flatComponentOf(name) === undefined).sort()).toEqual(setUp.sort());
  });
});

describe('traffic as of real guests', () => {
  test.each(['cdna', 'iommu:single-use'])(
    'each frame has a doorbell and an interrupt of its own: %s',
    (protection) => {
      const { machine } = new ServedMachine(protection, 60);
      const { nic } = machine.host;
      machine.deliver(50);
      const before = {
        frames: machine.delivered,
        interrupts: nic.interruptsRaised,
        posted: doorbells(machine),
      };
      machine.deliver(200);
      const frames = machine.delivered - before.frames;
      expect(nic.interruptsRaised - before.interrupts).toBe(frames);
      // One for the frame, and the mask that is set and cleared around the poll.
      expect(doorbells(machine) - before.posted).toBe(3 * frames);
    },
  );

  function doorbells({ host, drivers }: ServedMachine['machine']): number {
    return drivers.reduce((sum, { port }) => sum + host.nic.counters.get('doorbells', port.context), 0);
  }
});

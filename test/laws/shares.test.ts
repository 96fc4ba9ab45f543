import { describe, expect, test } from 'vitest';
import { APPROACHES, makeProtection } from '../../host/protection/approaches.js';
import type { Discipline, Share } from '../../scheduler/discipline.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import { Machine } from '../../src/machine/machine.js';
import { checkScenario } from '../../src/scenario/load.js';
import type { ScenarioInput } from '../../src/scenario/schema.js';

/** Every field of a share, none as it is by default; two guests of a kind, so that a mixed-up order shows. */
const WHOLE = [
  {
    weight: 3,
    priority: 2,
    deadlineNs: 40_000,
    tenant: 5,
    limitBps: 7_000_000_000,
    burstBytes: 20_000,
    minimumBps: 1_000_000,
    maxFrameBytes: 1514,
  },
  {
    weight: 65_535,
    priority: 31,
    deadlineNs: 1,
    tenant: 4095,
    limitBps: 4_294_967_297,
    burstBytes: 0,
    minimumBps: 1000,
    maxFrameBytes: 60,
  },
] satisfies Required<Share>[];

/** DRR that writes down what it is told of shares. */
function recording(): { readonly discipline: Discipline; readonly joined: Map<number, Share> } {
  const discipline = makeDiscipline('drr');
  const joined = new Map<number, Share>();
  const join = discipline.join.bind(discipline);
  discipline.join = (context, share) => {
    joined.set(context, share);
    join(context, share);
  };
  return { discipline, joined };
}

function machineOf(guests: ScenarioInput['guests'], make: (typeof APPROACHES)[number]['make']) {
  const [transmit, receive] = [recording(), recording()];
  const machine = new Machine({
    scenario: checkScenario({ guests, nic: { rateBps: 10_000_000_000 } }),
    directory: '.',
    captures: new Map(),
    seed: 1,
    protection: make(),
    transmitDiscipline: transmit.discipline,
    receiveDiscipline: receive.discipline,
  });
  return { machine, transmit: transmit.joined, receive: receive.joined };
}

const guestsOf = (shares: readonly Required<Share>[]) =>
  shares.map(({ weight, ...share }) => ({ weight, share, memoryMegabytes: 4 }));

describe('what a scenario gives a guest is what the disciplines are told of its context', () => {
  // The back end alone has a context of the card there.
  const direct = APPROACHES.filter(({ name }) => name !== 'driver-domain');

  test.each(direct)('under $name', ({ make }) => {
    const { machine, transmit, receive } = machineOf(guestsOf(WHOLE), make);
    // The transmit scheduler counts what the wire carries: preamble, delimiter, FCS and gap have 24 bytes.
    for (const [joined, overheadBytes] of [
      [transmit, 24],
      [receive, 0],
    ] as const) {
      expect(joined.size).toBe(2);
      for (const [index, { port }] of machine.guests.entries()) {
        const { maxFrameBytes = 0, ...share } = WHOLE[index] ?? {};
        expect(joined.get(port.context)).toStrictEqual({
          ...share,
          maxFrameBytes: maxFrameBytes + overheadBytes,
        });
      }
    }
  });

  test.each(direct)('under $name, a guest without a share has its weight and nothing else', ({ make }) => {
    const { machine, transmit, receive } = machineOf(
      [
        { weight: 2, memoryMegabytes: 4 },
        { memoryMegabytes: 4, share: { tenant: 1 } },
      ],
      make,
    );
    const shares = machine.guests.map(({ port }) => [transmit.get(port.context), receive.get(port.context)]);
    const other = { tenant: 1, weight: 1 };
    expect(shares).toStrictEqual([
      [{ weight: 2 }, { weight: 2 }],
      [other, other],
    ]);
  });

  test('under driver-domain the one context of the card has no guest’s share', () => {
    const { transmit, receive } = machineOf(guestsOf(WHOLE), () => makeProtection('driver-domain'));
    for (const joined of [transmit, receive]) expect([...joined.values()]).toStrictEqual([{ weight: 1 }]);
  });
});

import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../../scheduler/errors.js';
import { scenarioJsonSchema } from '../../../src/scenario/json-schema.js';
import { simulate } from '../../../src/simulate.js';

const accepts = new Ajv2020({ strict: false }).compile(JSON.parse(scenarioJsonSchema()) as object);

const greedy = { kind: 'greedy' };
const one = (guest: object) => ({ guests: [{ name: 'one', ...guest }] });
const replay = (more: object) =>
  one({ traffic: { kind: 'replay', capture: 'captures/voice.pcap', ...more } });

/** What is refused and a JSON Schema can say: an editor marks it while it is written. */
const FLAGGED: Readonly<Record<string, unknown>> = {
  'no guests': {},
  'an empty list of guests': { guests: [] },
  'not a list': { guests: { name: 'one' } },
  'too many of a kind': one({ count: 16_385 }),
  'a count of none': one({ count: 0 }),
  'an unknown field': { guests: [{}], speed: 1 },
  'an unknown field of a guest': one({ trafic: greedy }),
  'an unknown kind of traffic': one({ traffic: { kind: 'greed' } }),
  'traffic without its rate': one({ traffic: { kind: 'constant' } }),
  'a rate below the least': one({ traffic: { kind: 'constant', wireRateBps: 1 } }),
  'a rate as text': one({ traffic: { kind: 'poisson', wireRateBps: '1e8' } }),
  'a time as text': one({ traffic: { kind: 'greedy', startNs: '5ms' } }),
  'a time before the start': one({ traffic: { kind: 'greedy', startNs: -1 } }),
  'frames that are too long': one({ traffic: { kind: 'greedy', frameBytes: 9019 } }),
  'an unknown mix': one({ traffic: { kind: 'greedy', frameBytes: 'mix' } }),
  'a mix of nothing': one({ traffic: { kind: 'greedy', frameBytes: [] } }),
  'a capture without a name': one({ traffic: { kind: 'replay', capture: '' } }),
  'a factor of 0': replay({ timeFactor: 0 }),
  'an address that is none': replay({ local: 'here' }),
  'an address with dashes': replay({ local: '02-00-00-00-00-01' }),
  'an unknown policy': replay({ unfit: 'keep' }),
  'slots that are no power of two': one({ transmitSlots: 100 }),
  'too many slots': one({ receiveSlots: 65_536 }),
  'a weight of 0': one({ weight: 0 }),
  'half a weight': one({ weight: 1.5 }),
  'a burst of half a byte': one({ share: { limitBps: 1e6, burstBytes: 0.5 } }),
  'buffers of another size': one({ bufferBytes: 1024 }),
  'what is received is a replay': one({ receive: { kind: 'replay', capture: 'captures/voice.pcap' } }),
  'what is received are requests': one({ receive: { kind: 'request' } }),
  'what is received is for another': one({ receive: { ...greedy, to: 'one' } }),
  'a name with a control character': one({ name: 'a\u001b[31m' }),
  'a cost beyond the most': { guests: [{}], host: { costs: { hypercall: 1e308 } } },
  'a cost of another name': { guests: [{}], host: { costs: { hyper: 1 } } },
  'lanes that there are not': { guests: [{}], nic: { pcie: { lanes: 3 } } },
  'a wire that is too fast': { guests: [{}], nic: { rateBps: 1e13 } },
  'an unknown approach': { guests: [{}], protection: 'iommu' },
  'an unknown discipline': { guests: [{}], discipline: 'drrr' },
  'a seed of 33 bits': { guests: [{}], seed: 2 ** 32 },
  'AMD-Vi with caching mode': { guests: [{}], iommu: { vendor: 'amdvi', cachingMode: true } },
  'a kernel that is not modelled': { guests: [{}], iommu: { linuxKernel: '5.0' } },
  'a change of two fields': { ...one({}), changes: [{ atNs: 1, guest: 'one', weight: 2, balloon: 1 }] },
  'so many guests of the usual memory that no machine has it': one({ count: 4096 }),
  'a core that the usual host lacks': one({ core: 5 }),
  'a change of nothing': { ...one({}), changes: [{ atNs: 1, guest: 'one' }] },
  'a change of the rate of a guest': { ...one({}), changes: [{ atNs: 1, guest: 'one', rateBps: 1e9 }] },
  'a change of the weight of no guest': { ...one({}), changes: [{ atNs: 1, weight: 2 }] },
  'a change to a rate that no wire has': { ...one({}), changes: [{ atNs: 1, rateBps: 999_999 }] },
};

/** What is refused and depends on values elsewhere, or on files: no JSON Schema can say it. */
const UNSEEN: Readonly<Record<string, unknown>> = {
  'counts that multiply beyond the most guests': {
    guests: [1, 2].map(() => ({ count: 16_384, memoryMegabytes: 1 })),
  },
  'two guests of one name': { guests: [{ name: 'a' }, { name: 'a' }] },
  'traffic for a guest that there is not': one({ traffic: { ...greedy, to: 'two' } }),
  'a core that the host, as it is given, lacks': { ...one({ core: 5 }), host: { cores: 4 } },
  'a capture that is not there': one({ traffic: { kind: 'replay', capture: 'no.pcap' } }),
  'memory beyond the machine': one({ count: 4096, memoryMegabytes: 128 }),
  'a change of a guest that there is not': { ...one({}), changes: [{ atNs: 1, guest: 'two', weight: 2 }] },
};

describe('the JSON Schema', () => {
  test.each(Object.entries(FLAGGED))('flags what is refused: %s', async (_name, scenario) => {
    await expect(simulate(scenario as never, { durationNs: 1000 })).rejects.toThrow(UserError);
    expect(accepts(scenario)).toBe(false);
  });

  test.each(Object.entries(UNSEEN))('cannot flag: %s, which is refused', async (_name, scenario) => {
    await expect(simulate(scenario as never, { durationNs: 1000 })).rejects.toThrow(UserError);
    expect(accepts(scenario)).toBe(true);
  });

  test('flags 47 of 54 refused scenarios; docs/scenarios.md says which the others are', () => {
    expect([Object.keys(FLAGGED).length, Object.keys(UNSEEN).length]).toEqual([47, 7]);
    const docs = readFileSync(new URL('../../../docs/scenarios.md', import.meta.url), 'utf8');
    expect(docs.replaceAll(/\s+/gu, ' ')).toContain(
      'Of 54 scenarios that the command line refuses, each for a reason of its own, the schema flags 47',
    );
  });
});

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NAMED_APPROACHES } from '../../host/protection/approaches.js';
import { DISCIPLINES } from '../../scheduler/disciplines/index.js';
import { UserError } from '../../scheduler/errors.js';
import { protectionOf } from '../../src/machine/protection.js';
import { readCaptures } from '../../src/machine/read-captures.js';
import { Run } from '../../src/machine/run.js';
import { checkScenario } from '../../src/scenario/load.js';
import { fromJsonSchema, type JsonSchema } from '../arbitraries/from-json-schema.js';
import { either } from '../support/whole.js';

const SCHEMA = JSON.parse(readFileSync('scenarios/scenario.schema.json', 'utf8')) as JsonSchema;
/** Events after which a run is left: a wire of 800 Gb/s has many in a few microseconds. */
const MOST_EVENTS = 30_000;

const name = fc.constantFrom('a', 'b', 'c', 'a0', 'b1');
const mostly = <T>(usual: fc.Arbitrary<T>, seldom: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: seldom });

type Fields = Readonly<Record<string, unknown>>;
/** As far as `tidied` looks. */
interface Drawn extends Fields {
  readonly guests: readonly (Fields & { readonly name?: string; readonly core?: number })[];
  readonly tenants?: readonly Fields[];
  readonly changes?: readonly (Fields & { readonly atNs: number; readonly guest?: string })[];
  readonly host?: { readonly cores?: number; readonly memoryMegabytes?: number };
}

/** Names that meet, sizes that a test can pay for, and times within which something happens. */
const drawn = fromJsonSchema(SCHEMA, {
  $schema: fc.constant('./scenario.schema.json'),
  name,
  protection: fc.constantFrom(...NAMED_APPROACHES.map((approach) => approach.name)),
  discipline: fc.oneof(
    fc.constantFrom(...DISCIPLINES.map((discipline) => discipline.name)),
    fc.constantFrom('drr/drr', 'limited:drr', 'minimum:drr', 'priority/wf2q+', 'limited:drr/scfq'),
  ),
  durationNs: fc.integer({ min: 1, max: 60_000 }),
  warmUpNs: mostly(fc.constant(0), fc.integer({ min: 0, max: 20_000 })),
  'guests.*.name': name,
  'guests.*.count': fc.integer({ min: 1, max: 3 }),
  'guests.*.memoryMegabytes': mostly(fc.constantFrom(1, 2, 8), fc.constantFrom(128, 65_536)),
  'guests.*.traffic.to': name,
  'guests.*.receive.to': name,
  'guests.*.traffic.capture': fc.constantFrom('web.pcapng', 'voice.pcap', 'bulk.pcap'),
  'guests.*.traffic.local': fc.constantFrom('02:00:00:00:00:01', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff'),
  'guests.*.receive.capture': fc.constant('web.pcapng'),
  'guests.*.receive.local': fc.constant('02:00:00:00:00:01'),
  'guests.*.traffic.startNs': mostly(fc.integer({ min: 0, max: 20_000 }), fc.constant(3_600_000_000_000)),
  'guests.*.share.tenant': fc.oneof(name, fc.integer({ min: 0, max: 4095 })),
  'tenants.*.name': name,
  'tenants.*.parent': name,
  'changes.*.atNs': mostly(fc.integer({ min: 0, max: 60_000 }), fc.constant(3_600_000_000_000)),
  'changes.*.guest': name,
  'changes.*.traffic.to': name,
  'balloon.startNs': mostly(fc.integer({ min: 0, max: 20_000 }), fc.constant(3_600_000_000_000)),
  'link.pauses.*.atNs': fc.integer({ min: 0, max: 60_000 }),
});

/** What fields say of each other, which no part of a schema knows: most scenarios are tidied up, or few would run. */
function tidied(input: Drawn): Drawn {
  const names = ['a', 'b', 'c', 'd'];
  return {
    ...input,
    guests: input.guests.map(({ card: _, attached: __, core, ...guest }, index) => ({
      ...guest,
      ...(guest.name === undefined ? {} : { name: names[index], count: 1 }),
      ...(core === undefined || input.host?.cores === undefined
        ? {}
        : { core: Math.min(core, input.host.cores - 1) }),
    })),
    ...(input.tenants === undefined
      ? {}
      : { tenants: input.tenants.map((tenant, index) => ({ ...tenant, name: names[index] })) }),
    ...(input.changes === undefined
      ? {}
      : {
          changes: input.changes.map(({ atNs, guest = 'a', ...fields }) => {
            const [[field, value] = ['weight', 2]] = Object.entries(fields);
            return { atNs, ...(field === 'rateBps' ? {} : { guest }), [field]: value };
          }),
        }),
  };
}

/** Likewise what only some disciplines read, and a machine with memory for its guests. */
function plain({ tenants: _, balloon: __, ...input }: Drawn): Drawn {
  const changes = (input.changes ?? []).filter((change) => !('limitBps' in change || 'priority' in change));
  return {
    ...input,
    guests: input.guests.map(({ share: _share, receive: _receive, ...guest }) => guest),
    changes,
    ...(input.host === undefined ? {} : { host: { ...input.host, memoryMegabytes: 2048 } }),
  };
}

const scenarios = fc
  .tuple(drawn as fc.Arbitrary<Drawn>, fc.nat({ max: 7 }))
  .map(([input, draw]) => (draw === 7 ? input : draw > 4 ? tidied(input) : plain(tidied(input))));

/** Scenarios that are drawn. */
const DRAWN = either(1200, 60);

/** On which something once went wrong. */
const FOUND: Drawn[] = [
  // Together more pages than one balloon may want: a ZodError, with a stack.
  {
    guests: [{ name: 'a', memoryMegabytes: 2 }],
    changes: [
      { atNs: 0, guest: 'a', balloon: 2 ** 26 },
      { atNs: 1, guest: 'a', balloon: 1 },
    ],
    durationNs: 2000,
  },
];

/** How far a scenario comes: refused as it is read or built, refused on the way, run to its end, or left. */
async function play(input: unknown): Promise<'refused' | 'ran' | 'left'> {
  try {
    const scenario = checkScenario(input);
    const { protection = 'cdna', discipline = 'drr', seed = 1, durationNs = 30_000, warmUpNs = 0 } = scenario;
    const directory = 'captures';
    const run = new Run({
      scenario,
      directory,
      captures: await readCaptures(
        scenario.guests.map(({ traffic }) => traffic),
        directory,
      ),
      protection: protectionOf(protection, scenario),
      discipline,
      seed,
      durationNs,
      warmUpNs,
    });
    while (!run.done && run.machine.kernel.executed < MOST_EVENTS) run.advance();
    run.machine.checkInvariants();
    if (!run.done) return 'left';
    run.result();
    return 'ran';
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // A line for each field that is wrong, and in each what was expected.
    for (const line of error.message.split('\n')) expect(line).toMatch(/expected|cannot/u);
    return 'refused';
  }
}

test('every scenario that the schema allows runs, or is refused as a mistake of its user', {
  timeout: 600_000,
}, async () => {
  const outcomes = { refused: 0, ran: 0, left: 0 };
  await fc.assert(
    fc.asyncProperty(scenarios, async (input) => {
      outcomes[await play(input)] += 1;
    }),
    { numRuns: DRAWN, examples: FOUND.map((input) => [input]) },
  );
  // Of no use if everything were refused.
  expect(outcomes.ran + outcomes.left).toBeGreaterThan(DRAWN / 20);
});

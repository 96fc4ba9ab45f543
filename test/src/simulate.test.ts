import { bufferTime, config, count, filter, lastValueFrom, merge, type Observable, toArray } from 'rxjs';
import { expect, test } from 'vitest';
import { constantRate, fixedSize } from '../../guests/traffic/index.js';
import { DeficitRoundRobin, KernelScheduler, ObserverError, UserError } from '../../scheduler/index.js';
import {
  makeProtection,
  RUN_DEFAULTS,
  type ScenarioInput,
  type SimulateOptions,
  simulate,
  simulate$,
} from '../../src/index.js';

const CAPTURES = new URL('../../captures/', import.meta.url).pathname;
const TWO: ScenarioInput = { guests: [{ traffic: { kind: 'greedy' } }, { traffic: { kind: 'greedy' } }] };

test('what is left out comes from the scenario, and then from the defaults', async () => {
  const durationNs = 200_000;
  const bare = await simulate({ ...TWO, durationNs });
  expect([bare.protection, bare.discipline, bare.seed, bare.durationNs]).toEqual([
    RUN_DEFAULTS.protection,
    RUN_DEFAULTS.discipline,
    RUN_DEFAULTS.seed,
    durationNs,
  ]);
  const said = { ...TWO, durationNs, protection: 'none', discipline: 'prr', seed: 5 };
  const scenario = await simulate(said);
  expect([scenario.protection, scenario.discipline, scenario.seed]).toEqual(['none', 'prr', 5]);
  const options = await simulate(said, {
    protection: 'dev',
    discipline: 'qfq',
    seed: 6,
    durationNs: 100_000,
  });
  expect([options.protection, options.discipline, options.seed, options.durationNs]).toEqual([
    'dev',
    'qfq',
    6,
    100_000,
  ]);
});

test('an approach and a discipline of your own take the place of names', async () => {
  let made = 0;
  const named = await simulate(TWO, { durationNs: 500_000 });
  const own = await simulate(TWO, {
    durationNs: 500_000,
    protection: makeProtection('cdna'),
    discipline: () => {
      made += 1;
      return new DeficitRoundRobin();
    },
  });
  // One for what goes out, one for what comes in.
  expect(made).toBe(2);
  expect(own.fingerprint).toBe(named.fingerprint);
});

test('paths of a scenario that is no file start where they are told to', async () => {
  const scenario: ScenarioInput = { guests: [{ traffic: { kind: 'replay', capture: 'bulk.pcap' } }] };
  const { guests } = await simulate(scenario, { directory: CAPTURES, durationNs: 1_000_000 });
  expect(guests[0]?.framesTransmitted).toBeGreaterThan(5);
  await expect(simulate(scenario, { directory: '/nowhere' })).rejects.toThrow(/\/nowhere\/bulk\.pcap/u);
});

test('the machine is shown before it runs, and the guests are on it', async () => {
  let seen: string[] = [];
  await simulate(TWO, {
    durationNs: 100_000,
    prepare: ({ kernel, guests }) => {
      seen = [String(kernel.nowNs), ...guests.map(({ name }) => name)];
    },
  });
  expect(seen).toEqual(['0', 'guest0', 'guest1']);
});

test('what cannot be is refused by name', async () => {
  await expect(simulate(TWO, { protection: 'hope' })).rejects.toThrow(
    /protection is "hope", expected one of/u,
  );
  await expect(simulate(TWO, { discipline: 'luck' })).rejects.toThrow(/discipline is "luck"/u);
  await expect(simulate({ guests: [] })).rejects.toThrow(/guests is \[\]/u);
  await expect(simulate('/no/such.json')).rejects.toThrow(/no such file/u);
});

const GREEDY: ScenarioInput = { guests: [{ traffic: { kind: 'greedy' } }], durationNs: 500_000 };

test.each<[string, unknown, RegExp]>([
  [
    'an option that is not known',
    { duration: 5 },
    /^simulate: duration is not a field .* expected one of: .*durationNs/u,
  ],
  ['a seed that is NaN', { seed: Number.NaN }, /^simulate: seed is NaN, expected/u],
  ['a seed that is not whole', { seed: 1.5 }, /^simulate: seed is 1\.5, expected/u],
  ['a seed of 2^32 + 1', { seed: 2 ** 32 + 1 }, /^simulate: seed is 4294967297, expected/u],
  ['a seed below 0', { seed: -1 }, /^simulate: seed is -1, expected/u],
  ['a seed that is text', { seed: '7' }, /^simulate: seed is "7", expected/u],
  ['a duration that is NaN', { durationNs: Number.NaN }, /^simulate: durationNs is NaN, expected/u],
  ['a duration below 1', { durationNs: -1 }, /^simulate: durationNs is -1, expected/u],
  ['a duration that is not whole', { durationNs: 1.5 }, /^simulate: durationNs is 1\.5, expected/u],
  ['a duration beyond all time', { durationNs: 1e308 }, /^simulate: durationNs is 1e\+308, expected/u],
  [
    'a discipline that makes none',
    { discipline: {} },
    /^simulate: discipline is \{\}, expected .* or a function/u,
  ],
  ['an approach that is none', { protection: 7 }, /^simulate: protection is 7, expected/u],
  ['a prepare that cannot be called', { prepare: 'x' }, /^simulate: prepare is "x", expected a function/u],
  ['a signal that is none', { signal: {} }, /^simulate: signal is \{\}, expected an AbortSignal/u],
])('%s is refused by name', async (_what, options, message) => {
  const refused = await simulate(GREEDY, options as SimulateOptions).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(UserError);
  expect((refused as UserError).message).toMatch(message);
});

test('every stream of a run completes when the run ends', async () => {
  let streams: Record<string, Observable<unknown>> = {};
  const completed: string[] = [];
  let raw = 0;
  let counted = -1;
  let buffered = 0;
  await simulate(GREEDY, {
    prepare({ kernel, host }) {
      const { nic, bus, hypervisor } = host;
      streams = {
        ...nic.streams,
        grants$: nic.grants$,
        receiveGrants$: nic.receiveGrants$,
        denied$: bus.denied$,
        faults$: hypervisor.faults$,
      };
      for (const [name, stream$] of Object.entries(streams)) {
        stream$.subscribe({ complete: () => completed.push(name) });
      }
      nic.grants$.subscribe(() => {
        raw += 1;
      });
      nic.grants$.pipe(count()).subscribe((value) => {
        counted = value;
      });
      nic.grants$.pipe(bufferTime(300_000, new KernelScheduler(kernel))).subscribe((grants) => {
        buffered += grants.length;
      });
    },
  });
  expect(raw).toBeGreaterThan(20);
  expect([counted, buffered]).toEqual([raw, raw]);
  expect(completed.toSorted()).toEqual(Object.keys(streams).toSorted());
});

test('the streams of traffic sources complete with the run', async () => {
  const ended: string[] = [];
  await simulate(GREEDY, {
    prepare({ kernel }) {
      const options = {
        sourceId: 1,
        source: 2,
        destination: 4,
        sizes: fixedSize('own', 64),
        wireRateBps: 1e9,
      };
      constantRate({ ...options, kernel, name: 'own' }).frames$.subscribe({
        complete: () => ended.push('frames$'),
      });
    },
  });
  expect(ended).toEqual(['frames$']);
});

test('an observer that throws fails the run by the name of its stream', async () => {
  const failed = simulate(GREEDY, {
    prepare: ({ host }) => {
      host.nic.grants$.pipe(filter(({ bytes }) => bytes > 0)).subscribe(() => {
        throw new Error('in an observer');
      });
    },
  });
  await expect(failed).rejects.toThrow(ObserverError);
  await expect(failed).rejects.toThrow(
    /^nic\.transmit\.grants\$: an observer threw at \d+ ns: in an observer$/u,
  );
});

test('an observer behind a combination of streams fails its own run, and no other', async () => {
  const handler = config.onUnhandledError;
  const results = await Promise.allSettled([
    simulate(GREEDY),
    simulate(GREEDY, {
      prepare: ({ host }) => {
        merge(host.nic.grants$, host.nic.streams.drops$).subscribe(() => {
          throw new Error('in a merge');
        });
      },
    }),
    simulate(GREEDY),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(String((results[1] as PromiseRejectedResult).reason)).toBe(
    'ObserverError: a stream of the run: an observer threw: in a merge',
  );
  expect(config.onUnhandledError).toBe(handler);
});

test('a run that fails ends its streams', async () => {
  let complete = false;
  const failed = simulate(GREEDY, {
    prepare: ({ host }) => {
      host.nic.grants$.subscribe({ complete: () => (complete = true) });
      throw new Error('not prepared');
    },
  });
  await expect(failed).rejects.toThrow('not prepared');
  expect(complete).toBe(true);
});

test('a signal stops the run between two steps, and progress was told until then', async () => {
  const stop = new AbortController();
  const seen: number[] = [];
  let complete = false;
  const stopped = simulate(GREEDY, {
    signal: stop.signal,
    prepare: ({ host }) => host.nic.grants$.subscribe({ complete: () => (complete = true) }),
    progress: (fraction) => {
      seen.push(fraction);
      if (fraction >= 0.5) stop.abort(new Error('enough'));
    },
  });
  await expect(stopped).rejects.toThrow('enough');
  expect(seen.at(-1)).toBe(0.5);
  expect(seen).toEqual(seen.toSorted((left, right) => left - right));
  expect(complete).toBe(true);
  await expect(simulate(GREEDY, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
    'before',
  );
});

test('the event loop has its turn while a run goes on', async () => {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  try {
    await simulate({ ...GREEDY, durationNs: 50_000_000 });
  } finally {
    clearInterval(timer);
  }
  expect(turns).toBeGreaterThan(0);
});

test('simulate$ emits one result and completes; unsubscribing stops its run', async () => {
  const [one, two] = await Promise.all([lastValueFrom(simulate$(GREEDY).pipe(toArray())), simulate(GREEDY)]);
  expect(one.map(({ fingerprint }) => fingerprint)).toEqual([two.fingerprint]);
  await expect(lastValueFrom(simulate$({ guests: [] }))).rejects.toThrow(/guests is \[\]/u);

  const fractions: number[] = [];
  const ended = new Promise<void>((resolve) => {
    const subscription = simulate$(GREEDY, {
      prepare: ({ host }) => host.nic.grants$.subscribe({ complete: resolve }),
      progress: (fraction) => {
        fractions.push(fraction);
        if (fraction >= 0.2) subscription.unsubscribe();
      },
    }).subscribe(() => expect.unreachable());
  });
  await ended;
  expect(fractions.at(-1)).toBe(0.2);
});

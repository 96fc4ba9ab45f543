import { expect, test } from 'vitest';
import { invoke } from './invoke.js';

const CASE = 'test/fixtures/cases/bystanders.json';

interface Document {
  readonly notes: readonly string[];
  readonly runs: readonly {
    readonly guests: readonly { readonly capture: Readonly<Record<string, unknown>> | null }[];
  }[];
}

async function captureOf(...options: readonly string[]) {
  const { code, out } = await invoke('run', CASE, '--json', ...options);
  expect(code).toBe(0);
  const document = JSON.parse(out) as Document;
  return { capture: document.runs[0]?.guests[0]?.capture, notes: document.notes };
}

// The file has five frames: 01 asks all, 02 and 03 send each other two, and one more comes from the side.
test('a capture says what became of it: frames in the file, played, of bystanders, unfit', async () => {
  const { capture, notes } = await captureOf();
  expect(capture).toMatchObject({ name: 'bystanders.pcap', packets: 5, frames: 5, unfit: 0, split: 0 });
  const counted = ['ofGuest', 'forGuest', 'bystanders', 'unfit'].map((key) => Number(capture?.[key]));
  expect(counted.reduce((sum, count) => sum + count, 0)).toBe(5);
  expect(capture?.played).toEqual({ ofGuest: capture?.ofGuest, forGuest: capture?.forGuest });
  expect(notes).toContain(
    'bystanders.pcap: of 5 frames some are not played: 1 between other stations than 02:aa:00:00:00:03; "local" or --local MAC makes another station the guest',
  );
});

test('the busiest station is the guest unless --local names another, which the repeat line keeps', async () => {
  const busiest = await captureOf();
  expect(busiest.capture).toMatchObject({
    local: '02:aa:00:00:00:03',
    ofGuest: 2,
    forGuest: 2,
    bystanders: 1,
  });
  const other = await captureOf('--local', '02:aa:00:00:00:01');
  expect(other.capture).toMatchObject({ local: '02:aa:00:00:00:01', ofGuest: 1, forGuest: 0, bystanders: 4 });
  const { out } = await invoke('run', CASE, '--local', '02:aa:00:00:00:01');
  expect(out).toContain('--local 02:aa:00:00:00:01');
  expect(out).toContain(
    'replay of g  bystanders.pcap: 5 packets read; 1 of 02:aa:00:00:00:01 (the guest), 0 for it; 4 of bystanders; 0 unfit; played 1 and 0',
  );
});

test.each([
  ['03:aa:00:00:00:01', CASE, 'expected the address of a station as 02:00:00:00:00:01'],
  ['here', CASE, 'expected the address of a station as 02:00:00:00:00:01'],
  ['02:aa:00:00:00:01', 'test/fixtures/cases/late-jain.json', 'no guest replays a capture without "local"'],
])('--local %s is refused for %s', async (local, scenario, message) => {
  const { code, err } = await invoke('run', scenario, '--local', local);
  expect(code).toBe(2);
  expect(err).toContain(message);
});

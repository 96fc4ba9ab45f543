import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  EchoResponder,
  FRAME_KINDS,
  FramePattern,
  FrameVerifier,
  fixedDurations,
  fixedSize,
  mixedSizes,
  RequestClient,
  type RequestClientOptions,
} from '../../../guests/traffic/index.js';
import { EventKernel } from '../../../scheduler/event-kernel.js';
import { LOCAL, REMOTE, Recorder } from './recorder.js';

const CLIENT_ID = 1;
const SERVER_ID = 2;

function newClient(kernel: EventKernel, options: Partial<RequestClientOptions> = {}): RequestClient {
  return new RequestClient({
    name: 'client',
    kernel,
    sourceId: CLIENT_ID,
    responderId: SERVER_ID,
    source: LOCAL,
    destination: REMOTE,
    sizes: fixedSize('client', 100),
    outstanding: 2,
    thinkTime: fixedDurations('client', 1000),
    timeoutNs: 1_000_000,
    ...options,
  });
}

const newServer = (responseBytes?: number) =>
  new EchoResponder({
    name: 'server',
    sourceId: SERVER_ID,
    source: REMOTE,
    ...(responseBytes === undefined ? {} : { responseBytes }),
  });

/** A wire and a server behind it: each request comes back after `roundTripNs(n)`, or never when that is undefined. */
function connect(
  kernel: EventKernel,
  client: RequestClient,
  roundTripNs: (request: number) => number | undefined,
) {
  const server = newServer();
  const onTheWay: Uint8Array[] = [];
  const arrive = kernel.register('wire', (request) => {
    const response = onTheWay[request];
    if (response === undefined) throw new Error('nothing on the way');
    expect(client.onReceive(response, 0, response.length)).toBeUndefined();
    client.checkInvariants();
  });
  return client.frames$.subscribe((frame) => {
    const request = onTheWay.length;
    const response = server.onReceive(frame, 0, frame.length);
    if (response === undefined) throw new Error('no response');
    onTheWay.push(response.slice());
    const delayNs = roundTripNs(request);
    if (delayNs !== undefined) kernel.schedule(delayNs, arrive, request);
    client.checkInvariants();
  });
}

describe('the client', () => {
  test('keeps N requests under way: each worker sends, waits, thinks, and sends again', () => {
    const kernel = new EventKernel();
    const client = newClient(kernel, { startNs: 50 });
    const recorder = new Recorder(kernel, client.frames$);
    connect(kernel, client, () => 4000);
    const roundTrips: number[] = [];
    client.roundTrips$.subscribe((ns) => roundTrips.push(ns));
    kernel.run(50 + 10_000);
    expect(recorder.times).toEqual([50, 50, 5050, 5050, 10_050, 10_050]);
    expect(roundTrips).toEqual([4000, 4000, 4000, 4000]);
    expect([client.sent, client.answered, client.underWay]).toEqual([6, 4, 2]);
  });

  test('with any delays, thinking and losses, every request is answered, lost or under way, and never more than N', () => {
    const delay = fc.option(fc.nat(3000), { nil: undefined });
    const thinking = fc.nat(500);
    fc.assert(
      fc.property(
        fc.array(delay, { minLength: 1 }),
        thinking,
        fc.integer({ min: 1, max: 8 }),
        (delays, thinkNs, n) => {
          const kernel = new EventKernel();
          const client = newClient(kernel, {
            outstanding: n,
            timeoutNs: 2000,
            thinkTime: fixedDurations('client', thinkNs),
          });
          const recorder = new Recorder(kernel, client.frames$);
          const wire = connect(kernel, client, (request) => delays[request % delays.length]);
          kernel.run(20_000);
          expect(client.underWay).toBeLessThanOrEqual(n);
          // No worker sits idle longer than its timeout and its thinking.
          expect(client.sent).toBeGreaterThanOrEqual(n * Math.floor(20_000 / (2000 + thinkNs)));
          expect(client.sent).toBe(client.answered + client.lost + client.underWay);
          recorder.subscription.unsubscribe();
          wire.unsubscribe();
          client.checkInvariants();
          expect(client.underWay).toBe(0);
          const verifier = new FrameVerifier();
          const numbers = recorder.sent.map(({ bytes }) => {
            expect(verifier.verify(bytes, 0, bytes.length)).toBe('good');
            expect(verifier.kind).toBe(FRAME_KINDS.request);
            return verifier.sequence;
          });
          expect(new Set(numbers).size).toBe(numbers.length);
        },
      ),
    );
  });

  test('a lost request is noticed at its timeout, and its late response is not taken for that of the next', () => {
    const kernel = new EventKernel();
    const client = newClient(kernel, { outstanding: 1, timeoutNs: 2000 });
    const recorder = new Recorder(kernel, client.frames$);
    connect(kernel, client, (request) => (request === 0 ? 3000 : 1500));
    kernel.run(4000);
    expect(recorder.times).toEqual([0, 2000]);
    expect([client.lost, client.late, client.answered]).toEqual([1, 1, 1]);
  });

  test('a response that comes twice, from a stranger, or that is a request, changes nothing', () => {
    const kernel = new EventKernel();
    const client = newClient(kernel, { outstanding: 1 });
    const recorder = new Recorder(kernel, client.frames$);
    kernel.run(0);
    const request = recorder.sent[0]?.bytes ?? new Uint8Array();
    expect(client.onReceive(request, 0, request.length)).toBeUndefined();
    const stranger = new FramePattern({ name: 'x', sourceId: 77, source: REMOTE, destination: LOCAL }, 100);
    client.onReceive(stranger.fill(100, 0, FRAME_KINDS.response), 0, 100);
    expect([client.answered, client.late]).toEqual([0, 0]);
    const response = newServer().onReceive(request, 0, request.length) ?? new Uint8Array();
    client.onReceive(response, 0, response.length);
    client.onReceive(response, 0, response.length);
    expect([client.answered, client.late]).toEqual([1, 1]);
    client.checkInvariants();
  });

  test('impossible options are refused by name', () => {
    const kernel = new EventKernel();
    expect(() => newClient(kernel, { outstanding: 0 })).toThrow(/^client: outstanding is 0/);
    expect(() => newClient(kernel, { timeoutNs: 0 })).toThrow(/^client: timeoutNs is 0/);
    expect(() => newClient(kernel, { sizes: fixedSize('client', 29) })).toThrow(
      /^client: sizes is 29 bytes at least, expected 30 or more$/,
    );
  });
});

describe('the server', () => {
  test('answers a request to its sender, with its number, every byte right, in the size asked for', () => {
    const verifier = new FrameVerifier();
    const bytes = fc.integer({ min: 30, max: 9018 });
    fc.assert(
      fc.property(
        bytes,
        fc.option(bytes, { nil: undefined }),
        fc.maxSafeNat(),
        fc.nat(8),
        (asked, answered, seq, shift) => {
          const server = newServer(answered);
          const request = new FramePattern(
            { name: 'c', sourceId: CLIENT_ID, source: LOCAL, destination: REMOTE },
            9018,
          ).fill(asked, seq, FRAME_KINDS.request);
          // As the MAC delivers it: padded, somewhere in memory.
          const received = Math.max(60, asked);
          const memory = new Uint8Array(9018 + shift);
          memory.set(request, shift);
          const response = server.onReceive(memory, shift, received);
          if (response === undefined) throw new Error('no response');
          expect(response).toHaveLength(answered ?? asked);
          expect(verifier.verify(response, 0, response.length)).toBe('good');
          expect([verifier.sourceId, verifier.sequence, verifier.kind]).toEqual([
            SERVER_ID,
            seq,
            FRAME_KINDS.response,
          ]);
          expect(Array.from(response.subarray(0, 12))).toEqual([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
          expect(server.answered).toBe(1);
        },
      ),
    );
  });

  test('answers nothing but requests, so two servers do not talk for ever', () => {
    const server = newServer();
    const pattern = new FramePattern({ name: 'x', sourceId: 5, source: LOCAL, destination: REMOTE }, 100);
    expect(server.onReceive(pattern.fill(100, 1, FRAME_KINDS.stream), 0, 100)).toBeUndefined();
    expect(server.onReceive(pattern.fill(100, 1, FRAME_KINDS.response), 0, 100)).toBeUndefined();
    expect(server.onReceive(new Uint8Array(60), 0, 60)).toBeUndefined();
    expect(server.onReceive(pattern.fill(100, 1, FRAME_KINDS.request), 0, 29)).toBeUndefined();
    expect(server.answered).toBe(0);
  });

  test('a response smaller than a whole header is refused by name', () => {
    expect(() => newServer(29)).toThrow(
      /^server: responseBytes is 29, expected a whole number from 30 to 9018$/,
    );
  });
});

test('client and server with a mix of sizes run on one seed alike', () => {
  const run = (seed: number) => {
    const kernel = new EventKernel();
    const sizes = mixedSizes(
      'client',
      [
        { bytes: 60, count: 2 },
        { bytes: 1514, count: 1 },
      ],
      seed,
    );
    const client = newClient(kernel, { sizes, outstanding: 4 });
    const recorder = new Recorder(kernel, client.frames$);
    connect(kernel, client, (request) => 1000 + 37 * (request % 11));
    kernel.run(1_000_000);
    return recorder.sent.map(({ atNs, bytes }) => `${atNs} ${bytes.length}`);
  };
  expect(run(3)).toEqual(run(3));
  expect(run(3)).not.toEqual(run(4));
});

import { describe, expect, it } from 'vitest';
import { busAddress, requesterId } from '../../nic/addresses.js';
import type { CardCore, DataPath } from '../../nic/card-core.js';
import { Context } from '../../nic/context.js';
import { DescriptorCache } from '../../nic/descriptor-ring.js';
import { DestinationLookup, INNER_EXIT, UNKNOWN_EXIT, WIRE_EXIT } from '../../nic/destination-lookup.js';
import { DMA_CANCELLED, DMA_OK, type DmaClient } from '../../nic/dma-engine.js';
import { contextId } from '../../scheduler/branded.js';

/** A lookup whose reads end when the test says so, of an open context with two frames of one descriptor each. */
function bench() {
  const context = new Context(contextId(0), requesterId(0x100), new DescriptorCache(16, 2));
  context.state = 'open';
  context.transmit.attach(busAddress(0x1000), 16);
  for (const sequence of [1, 2]) context.transmit.accept(busAddress(0x2000), 60, 1, sequence);
  const cookies: number[] = [];
  let client: DmaClient = () => {};
  const channel = { cookie: 0, address: 0, read: () => cookies.push(channel.cookie) };
  const core = {
    contexts: [context],
    parameters: { descriptorCacheSlots: 16 },
    dma: {
      open: (given: DmaClient) => {
        client = given;
        return channel;
      },
    },
  };
  const path = { destinationKnown: () => {} };
  const lookup = new DestinationLookup(
    core as unknown as CardCore,
    { switching: true, staysInside: () => true },
    path as unknown as DataPath,
  );
  lookup.arrived(context, 0, 2);
  const end = (status: typeof DMA_OK | typeof DMA_CANCELLED) => client(cookies.shift() ?? -1, status);
  const exits = () => [0, 1].map((index) => lookup.exitOf(context.index, index));
  return { context, lookup, end, exits };
}

describe('the exits of frames', () => {
  it('are unknown until their addresses have been read', () => {
    const { lookup, end, exits } = bench();
    lookup.checkInvariants();
    expect(exits()).toEqual([UNKNOWN_EXIT, UNKNOWN_EXIT]);
    end(DMA_OK);
    lookup.checkInvariants();
    expect(exits()).toEqual([INNER_EXIT, UNKNOWN_EXIT]);
  });

  it('of a context that was stopped are unknown no longer, though its reads are not over', () => {
    const { context, lookup, end, exits } = bench();
    lookup.forget(context);
    lookup.checkInvariants();
    end(DMA_CANCELLED);
    end(DMA_CANCELLED);
    lookup.checkInvariants();
    expect(exits()).toEqual([WIRE_EXIT, WIRE_EXIT]);
  });

  it('violate an invariant when they are unknown and nothing is read, or when their frame is gone', () => {
    const lost = bench();
    lost.end(DMA_CANCELLED);
    expect(() => lost.lookup.checkInvariants()).toThrow(
      '2 exits are unknown, and 1 addresses are being read',
    );
    const gone = bench();
    gone.context.transmit.taken = 1;
    expect(() => gone.lookup.checkInvariants()).toThrow(
      'slot 0 of context 0 has no frame, and its exit is unknown',
    );
  });

  it('violate an invariant when a context that is not open is in the middle of a frame', () => {
    const { context, lookup } = bench();
    context.transmit.accept(busAddress(0x2000), 60, 0, 3);
    lookup.arrived(context, 2, 1);
    lookup.checkInvariants();
    context.state = 'faulted';
    expect(() => lookup.checkInvariants()).toThrow('context 0 is not open, and is in the middle of a frame');
  });
});

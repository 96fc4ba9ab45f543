import { describe, expect, expectTypeOf, it } from 'vitest';
import { RingBuffers } from '../../guests/ring-buffers.js';
import type { Hypervisor } from '../../host/hypervisor/hypervisor.js';
import type { Iotlb } from '../../host/iommu/translation/iotlb.js';
import { cacheSlot } from '../../host/iommu/translation/tag-store.js';
import type { GuestPort } from '../../host/protection/guest-port.js';
import { FIRST_SLOT, type RingSlot, requesterId, ringSlot } from '../../nic/addresses.js';
import type { Context } from '../../nic/context.js';
import { Counters } from '../../nic/counters.js';
import { EventVector } from '../../nic/event-vector.js';
import type { Nic } from '../../nic/nic.js';
import { ReceiveQueues } from '../../nic/receive-queues.js';
import type { ReceiveSlot } from '../../nic/receive-slots.js';
import {
  type ContextId,
  contextAfter,
  contextId,
  FIRST_CONTEXT,
  NO_CONTEXT,
  storedContextId,
} from '../../scheduler/branded.js';
import { type Discipline, NONE } from '../../scheduler/discipline.js';
import { makeDiscipline } from '../../scheduler/disciplines/index.js';
import type { DmaScheduler, Grant } from '../../scheduler/dma-scheduler.js';
import { DriverLab } from '../guests/driver-lab.js';

/**
 * What the type check refuses where a context is expected. Each `@ts-expect-error` is an error of its own when the line
 * below it compiles. The numbers are such that running the lines is harmless.
 */
describe('context numbers', () => {
  it('are made in named places, and nothing else is one', () => {
    expectTypeOf(contextId(1)).toEqualTypeOf<ContextId>();
    expectTypeOf(storedContextId(1)).toEqualTypeOf<ContextId>();
    expectTypeOf(contextAfter(FIRST_CONTEXT)).toEqualTypeOf<ContextId>();
    expectTypeOf(NO_CONTEXT).toEqualTypeOf<ContextId>();
    expectTypeOf(NONE).toEqualTypeOf<ContextId>();
    expectTypeOf<number>().not.toExtend<ContextId>();
    expect([FIRST_CONTEXT, contextAfter(FIRST_CONTEXT), NO_CONTEXT, NONE]).toStrictEqual([0, 1, -1, -1]);
  });

  it('a discipline takes contexts and chooses one', () => {
    const discipline = makeDiscipline('drr');
    const first = FIRST_CONTEXT;
    // @ts-expect-error a plain number
    discipline.join(0, { weight: 1 });
    discipline.activate(first, 60, 0);
    expectTypeOf(discipline.select(0)).toEqualTypeOf<ContextId>();
    // @ts-expect-error bytes and context are not exchangeable
    expect(() => discipline.served(60, first, 0, 0)).toThrow('context 60 was served');
    expectTypeOf<Parameters<Discipline['withdraw']>>().toEqualTypeOf<[ContextId, number]>();
  });

  it('the DMA scheduler is rung by contexts and grants to them', () => {
    expectTypeOf<Parameters<DmaScheduler['ring']>>().toEqualTypeOf<[ContextId]>();
    expectTypeOf<Grant['context']>().toEqualTypeOf<ContextId>();
  });

  it('the card counts by context and knows its contexts by number', () => {
    const counters = new Counters(2);
    // @ts-expect-error a requester ID names a function on the bus
    expect(counters.get('doorbells', requesterId(1))).toBe(0);
    expect(counters.get('doorbells', contextId(1))).toBe(0);
    const events = new EventVector(2);
    // @ts-expect-error mailbox and context are not exchangeable
    events.set(1, contextId(0));
    expect(events.nextContext(FIRST_CONTEXT)).toBe(1);
    expect(events.nextContext(contextId(2))).toBe(NO_CONTEXT);
    expectTypeOf<Context['index']>().toEqualTypeOf<ContextId>();
    expectTypeOf<Parameters<Nic['entitle']>[0]>().toEqualTypeOf<ContextId>();
    expectTypeOf<RingSlot>().not.toExtend<ContextId>();
  });

  it('the hypervisor opens, changes and revokes contexts', () => {
    expectTypeOf<ReturnType<Hypervisor['openContext']>>().toEqualTypeOf<ContextId>();
    expectTypeOf<Parameters<Hypervisor['revokeContext']>>().toEqualTypeOf<[ContextId]>();
    expectTypeOf<Parameters<Hypervisor['setWeight']>>().toEqualTypeOf<[ContextId, number]>();
    expectTypeOf<GuestPort['context']>().toEqualTypeOf<ContextId>();
  });
});

describe('slots', () => {
  it('of a ring, of received frames and of a cache are different from each other', () => {
    expectTypeOf<RingSlot>().not.toExtend<ReceiveSlot>();
    expectTypeOf<ReceiveSlot>().not.toExtend<RingSlot>();
    expectTypeOf(cacheSlot(1)).not.toExtend<RingSlot>();
    expectTypeOf<number>().not.toExtend<ReceiveSlot>();
  });

  it('a buffer is found by its place in the ring, not by an index that runs freely', () => {
    const { host } = new DriverLab();
    const buffers = new RingBuffers(host, host.createGuest('guest', 0), 2, 2048);
    expect(buffers.at(ringSlot(3, 2))).toBe(buffers.at(FIRST_SLOT) + 2048);
    // @ts-expect-error an index has to be reduced to the ring first
    expect(() => buffers.at(3)).toThrow();
  });

  it('a received frame is known by its slot in the queues of its context', () => {
    const queues = new ReceiveQueues(1);
    const slot = queues.push(FIRST_CONTEXT, new Uint8Array(64), 0, 64);
    expect(queues.view(slot).length).toBe(64);
    // @ts-expect-error a context is no slot
    expect(queues.offset(FIRST_CONTEXT)).toBe(queues.offset(slot));
    expectTypeOf<Parameters<Iotlb['physical']>>().toEqualTypeOf<[ReturnType<Iotlb['find']>]>();
  });
});

import { describe, expect, expectTypeOf, it } from 'vitest';
import { DENIED, OpenGate } from '../../host/bus/access-gate.js';
import type { RadixTable } from '../../host/iommu/radix-table.js';
import type { TranslationCache } from '../../host/iommu/translation/translation-cache.js';
import { PageOwnership } from '../../host/memory/page-ownership.js';
import { PhysicalMemory } from '../../host/memory/physical-memory.js';
import { BufferBatch } from '../../host/protection/guest-port.js';
import type { GuestSpace } from '../../host/protection/iommu/guest-space.js';
import { IovaAllocator } from '../../host/protection/iommu/iova-allocator.js';
import {
  addressAfter,
  type BusAddress,
  type BusPageNumber,
  busAddress,
  busPageAddress,
  busPageOf,
  type GuestPhysicalAddress,
  guestPhysicalAddress,
  type HostPhysicalAddress,
  hostPhysicalAddress,
  type IoPageNumber,
  type IoVirtualAddress,
  identityAddress,
  ioVirtualAddress,
  lastPageOf,
  machineAddress,
  type PageNumber,
  pageAddress,
  pageAfter,
  pageNumber,
  pageOf,
  passedThroughPage,
  type RequesterId,
  type RingSlot,
  requesterId,
  translatedBusPage,
  untranslated,
} from '../../nic/addresses.js';
import type { ContextId } from '../../scheduler/branded.js';

/**
 * What the type check refuses. Each `@ts-expect-error` is an error of its own when the line below it compiles, so
 * `npm run check` fails as soon as two kinds can be mixed up. The numbers are such that running the lines is harmless.
 */
describe('kinds of addresses', () => {
  const guest = guestPhysicalAddress(0x1000);
  const physical = hostPhysicalAddress(0x1000);
  const bus = busAddress(0x1000);
  const iova = ioVirtualAddress(0x1000);
  const page = pageNumber(1);
  const device = requesterId(0x0100);

  it('are numbers, and no number is one by itself', () => {
    expectTypeOf<GuestPhysicalAddress>().toExtend<number>();
    expectTypeOf<number>().not.toExtend<GuestPhysicalAddress>();
    expectTypeOf<number>().not.toExtend<HostPhysicalAddress>();
    expectTypeOf<number>().not.toExtend<BusAddress>();
    expectTypeOf<number>().not.toExtend<IoVirtualAddress>();
    expectTypeOf<number>().not.toExtend<PageNumber>();
    expectTypeOf<number>().not.toExtend<RequesterId>();
    expectTypeOf<number>().not.toExtend<RingSlot>();
    expectTypeOf<number>().not.toExtend<ContextId>();
  });

  it('are all different from each other', () => {
    expectTypeOf<GuestPhysicalAddress>().not.toExtend<HostPhysicalAddress>();
    expectTypeOf<GuestPhysicalAddress>().not.toExtend<IoVirtualAddress>();
    expectTypeOf<GuestPhysicalAddress>().not.toExtend<BusAddress>();
    expectTypeOf<HostPhysicalAddress>().not.toExtend<IoVirtualAddress>();
    expectTypeOf<HostPhysicalAddress>().not.toExtend<BusAddress>();
    expectTypeOf<IoVirtualAddress>().not.toExtend<BusAddress>();
    expectTypeOf<PageNumber>().not.toExtend<HostPhysicalAddress>();
    expectTypeOf<RequesterId>().not.toExtend<ContextId>();
    expectTypeOf<RingSlot>().not.toExtend<ContextId>();
  });

  it('memory takes physical addresses and nothing else', () => {
    const memory = new PhysicalMemory(4);
    memory.writeU32(physical, 7);
    // @ts-expect-error a guest's address needs `machineAddress`
    expect(memory.readU32(guest)).toBe(7);
    // @ts-expect-error a device's address needs a gate
    expect(memory.readU32(bus)).toBe(7);
    // @ts-expect-error an I/O virtual address needs the unit's tables
    expect(memory.readU32(iova)).toBe(7);
    // @ts-expect-error a page number is not the address of its page
    expect(memory.readU32(pageNumber(0))).toBe(0);
    // @ts-expect-error a sum is a number; `addressAfter` keeps the kind
    expect(memory.readU32(physical + 4)).toBe(0);
    expect(memory.readU32(addressAfter(physical, 4))).toBe(0);
  });

  it('the table of owners takes page numbers, and asks about ranges by physical address', () => {
    const owners = new PageOwnership(new PhysicalMemory(4));
    // @ts-expect-error an address is not the number of its page
    expect(owners.count(physical)).toBe(0);
    expect(owners.count(pageOf(physical))).toBe(0);
    // @ts-expect-error the range of a guest needs `machineAddress`
    expect(owners.holdsAll(1, guest, 16)).toBe(false);
    expect(owners.holdsAll(1, machineAddress(guest), 16)).toBe(false);
  });

  it('a gate takes a requester and a page on the bus, and gives one of memory', () => {
    const gate = new OpenGate();
    const busPage = busPageOf(bus);
    expectTypeOf(gate.check(device, busPage)).toEqualTypeOf<PageNumber>();
    expectTypeOf(DENIED).toEqualTypeOf<PageNumber>();
    // @ts-expect-error a page of memory is not what a device puts on the bus
    expect(gate.check(device, page)).toBe(1);
    // @ts-expect-error an address is not the number of its page
    expect(gate.check(device, bus)).toBe(0x1000);
    // @ts-expect-error the two arguments are not exchangeable
    expect(gate.check(busPage, device)).toBe(0x0100);
    // @ts-expect-error a number that no one has called a requester
    expect(gate.check(0x0100, busPage)).toBe(1);
  });

  it('a batch takes guest-physical addresses', () => {
    const batch = new BufferBatch(2);
    expect(batch.add(guest, 64, 0)).toBe(true);
    // @ts-expect-error what the device is to use is for the gate to say
    expect(batch.add(bus, 64, 0)).toBe(true);
    expectTypeOf(batch.address(0)).toEqualTypeOf<GuestPhysicalAddress>();
  });

  it('a guest is mapped at I/O virtual addresses', () => {
    type Map = Parameters<GuestSpace['map']>;
    expectTypeOf<[IoPageNumber, PageNumber, number]>().toEqualTypeOf<Map>();
    expectTypeOf<[IoVirtualAddress, PageNumber, number]>().not.toExtend<Map>();
    expectTypeOf<[GuestPhysicalAddress, PageNumber, number]>().not.toExtend<Map>();
    expectTypeOf<[HostPhysicalAddress, PageNumber, number]>().not.toExtend<Map>();
    expectTypeOf<[IoPageNumber, HostPhysicalAddress, number]>().not.toExtend<Map>();
    const allocator = new IovaAllocator(0x1000, 0x8000);
    expectTypeOf(allocator.allocate(1)).toEqualTypeOf<IoPageNumber>();
    // @ts-expect-error a guest-physical address was never given out by the allocator
    allocator.free(guest, 1);
  });

  it('a translation unit takes a requester and an I/O virtual page, and gives one of memory', () => {
    type Translate = TranslationCache['translate'];
    type Asked<Page> = [RequesterId, Page, number, boolean];
    expectTypeOf<Parameters<Translate>>().toEqualTypeOf<Asked<IoPageNumber>>();
    expectTypeOf<ReturnType<Translate>>().toEqualTypeOf<PageNumber>();
    expectTypeOf<Asked<PageNumber>>().not.toExtend<Parameters<Translate>>();
    expectTypeOf<Asked<BusPageNumber>>().not.toExtend<Parameters<Translate>>();
    expectTypeOf<Asked<IoVirtualAddress>>().not.toExtend<Parameters<Translate>>();
    type Map = Parameters<RadixTable['map']>;
    expectTypeOf<[IoVirtualAddress, HostPhysicalAddress, number, number]>().toEqualTypeOf<Map>();
    expectTypeOf<[HostPhysicalAddress, IoVirtualAddress, number, number]>().not.toExtend<Map>();
  });

  it('conversions change the kind and not the number, and keep the place in the page', () => {
    expect(untranslated(physical)).toBe(0x1000);
    expect(machineAddress(guest)).toBe(0x1000);
    expect(identityAddress(physical)).toBe(0x1000);
    expect(translatedBusPage(busPageOf(bus))).toBe(1);
    expect(passedThroughPage(busPageOf(bus))).toBe(1);
    expect(busPageAddress(busPageOf(bus))).toBe(0x1000);
    expectTypeOf(addressAfter(guest, 8)).toEqualTypeOf<GuestPhysicalAddress>();
    expectTypeOf(addressAfter(iova, 8)).toEqualTypeOf<IoVirtualAddress>();
    // @ts-expect-error a page number is advanced by `pageAfter`
    expect(addressAfter(page, 8)).toBe(9);
    expect(pageAfter(page, 2)).toBe(3);
    expect(pageAddress(page)).toBe(4096);
    expect(lastPageOf(hostPhysicalAddress(4095), 1)).toBe(0);
    expect(lastPageOf(hostPhysicalAddress(4095), 2)).toBe(1);
  });
});

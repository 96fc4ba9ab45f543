import type { Branded } from '../scheduler/branded.js';

/** Bytes of a page: of memory, and of the BAR. PCI Express forbids a request to cross a multiple of it. */
export const PAGE_BYTES = 4096;

/**
 * From here on a number does not hold every address (2^53). The first byte of a page it holds up to 2^64, so an
 * address from here on is carried in two parts: the first byte of its page, and its offset in the page beside it.
 * Addresses below need no second part.
 */
export const WIDE_ADDRESS = 2 ** 53;

/** The upper 32 bits of `WIDE_ADDRESS`, to compare with those of an address in two words. */
export const WIDE_ADDRESS_HIGH = 2 ** 21;

/**
 * An address as the device puts it on the bus. With an IOMMU in the path it is an I/O virtual address, without one
 * a host-physical address; the device cannot tell which.
 */
export type BusAddress = Branded<'BusAddress'>;

/**
 * Number of a 4,096-byte page of bus addresses: an address divided by `PAGE_BYTES`. With an offset beside it, it names
 * every byte of 64 bits of address; and below 2^43 it is an integer that the engine hands on as it is, where an address
 * from 2^31 on is allocated anew by each call that takes it.
 */
export type BusPageNumber = Branded<'BusPageNumber'>;

/** An address of the machine's memory, as a DRAM controller sees it. */
export type HostPhysicalAddress = Branded<'HostPhysicalAddress'>;

/** A memory address as a guest uses it. */
export type GuestPhysicalAddress = Branded<'GuestPhysicalAddress'>;

/**
 * An address that an IOMMU translates: what the device puts on the bus is one when a translating access gate is
 * attached. Each translation domain has its own, so it says nothing about memory until the domain's tables are read.
 */
export type IoVirtualAddress = Branded<'IoVirtualAddress'>;

/** Number of a 4,096-byte page of the machine's memory: a host-physical address divided by `PAGE_BYTES`. */
export type PageNumber = Branded<'PageNumber'>;

/** Number of a 4,096-byte page of I/O virtual addresses; an integer to the engine as a `BusPageNumber` is. */
export type IoPageNumber = Branded<'IoPageNumber'>;

/** Bus, device and function of the sender of a PCI Express request: bits 15:8, 7:3 and 2:0. */
export type RequesterId = Branded<'RequesterId'>;

/** Place in a ring: what is left of an index that runs freely, modulo the size of the ring. */
export type RingSlot = Branded<'RingSlot'>;

/** Any address, of whichever kind. */
export type MemoryAddress = BusAddress | HostPhysicalAddress | GuestPhysicalAddress | IoVirtualAddress;

/** A number read from a descriptor, a register or a ring base, which the card only ever uses as a bus address. */
export function busAddress(value: number): BusAddress {
  return value as BusAddress;
}

/** The page that holds a bus address. */
export function busPageOf(address: BusAddress): BusPageNumber {
  return busPageNumber(Math.floor(address / PAGE_BYTES));
}

/** A number that counts pages of bus addresses. */
export function busPageNumber(value: number): BusPageNumber {
  return value as BusPageNumber;
}

/** The first bus address of a page. */
export function busPageAddress(page: BusPageNumber): BusAddress {
  return busAddress(page * PAGE_BYTES);
}

/** A number that the translation, or the table of page owners, has produced as an address of real memory. */
export function hostPhysicalAddress(value: number): HostPhysicalAddress {
  return value as HostPhysicalAddress;
}

/** A number that a guest has named as an address of its memory. It may name anything: gates check it. */
export function guestPhysicalAddress(value: number): GuestPhysicalAddress {
  return value as GuestPhysicalAddress;
}

/** A number that an allocator of I/O virtual addresses has given, or that software has named in a command to the unit. */
export function ioVirtualAddress(value: number): IoVirtualAddress {
  return value as IoVirtualAddress;
}

/** A number that counts pages of real memory. */
export function pageNumber(value: number): PageNumber {
  return value as PageNumber;
}

/** A number that counts pages of I/O virtual addresses. */
export function ioPageNumber(value: number): IoPageNumber {
  return value as IoPageNumber;
}

/** The page that holds an I/O virtual address. */
export function ioPageOf(address: IoVirtualAddress): IoPageNumber {
  return ioPageNumber(Math.floor(address / PAGE_BYTES));
}

/** The page `count` pages further on. */
export function ioPageAfter(page: IoPageNumber, count: number): IoPageNumber {
  return ioPageNumber(page + count);
}

/** The first I/O virtual address of a page. */
export function ioPageAddress(page: IoPageNumber): IoVirtualAddress {
  return ioVirtualAddress(page * PAGE_BYTES);
}

/** A number from 0 to 65,535 that identifies a function on the bus. */
export function requesterId(value: number): RequesterId {
  return value as RequesterId;
}

/** The place of an index in a ring of `slots`, a power of two. */
export function ringSlot(index: number, slots: number): RingSlot {
  return (index & (slots - 1)) as RingSlot;
}

/** The first place of a ring: where a loop over all of it begins. */
export const FIRST_SLOT = ringSlot(0, 1);

/** The next place: how such a loop goes on. */
export function slotAfter(slot: RingSlot): RingSlot {
  return (slot + 1) as RingSlot;
}

/** The page that holds an address of real memory. */
export function pageOf(address: HostPhysicalAddress): PageNumber {
  return pageNumber(Math.floor(address / PAGE_BYTES));
}

/** The page in which `length` bytes of real memory at `address` end. */
export function lastPageOf(address: HostPhysicalAddress, length: number): PageNumber {
  return pageNumber(Math.floor((address + length - 1) / PAGE_BYTES));
}

/** The page `count` pages further on; the next one by default. A negative count goes back. */
export function pageAfter(page: PageNumber, count = 1): PageNumber {
  return pageNumber(page + count);
}

/** The address `bytes` further on, of the same kind: the only arithmetic that keeps an address an address. */
export function addressAfter<Address extends MemoryAddress>(address: Address, bytes: number): Address {
  return (address + bytes) as Address;
}

/** The first address of a page of real memory. */
export function pageAddress(page: PageNumber): HostPhysicalAddress {
  return hostPhysicalAddress(page * PAGE_BYTES);
}

/**
 * The machine's memory behind a guest-physical address. Guests of this machine are paravirtualised, as CDNA's are:
 * a guest names machine pages, so the number is the same and only its meaning changes (Willmann et al., HPCA 2007,
 * section 3.3). A guest behind second-level tables is translated by those instead.
 */
export function machineAddress(address: GuestPhysicalAddress): HostPhysicalAddress {
  return hostPhysicalAddress(address);
}

/** The guest's name for memory of the machine: the inverse of `machineAddress`, for the same guests. */
export function guestAddress(address: HostPhysicalAddress): GuestPhysicalAddress {
  return guestPhysicalAddress(address);
}

/** The bus address of real memory for a device that no IOMMU translates. */
export function untranslated(address: HostPhysicalAddress): BusAddress {
  return busAddress(address);
}

/** Where a request goes behind a gate that does not translate: to the physical address of the same number. */
export function passedThrough(address: BusAddress): HostPhysicalAddress {
  return hostPhysicalAddress(address);
}

/** Likewise of a whole page. */
export function passedThroughPage(page: BusPageNumber): PageNumber {
  return pageNumber(page);
}

/** What a translating access gate makes of a page on the bus: the device cannot tell, the gate decides. */
export function translatedBusPage(page: BusPageNumber): IoPageNumber {
  return ioPageNumber(page);
}

/** How a device behind the IOMMU is told of an I/O virtual address: as the bus address that it is to use. */
export function deviceAddress(address: IoVirtualAddress): BusAddress {
  return busAddress(address);
}

/** Likewise of a whole page. */
export function devicePage(page: IoPageNumber): BusPageNumber {
  return busPageNumber(page);
}

/** The I/O virtual address that equals a physical one: where an identity mapping puts a page. */
export function identityAddress(address: HostPhysicalAddress): IoVirtualAddress {
  return ioVirtualAddress(address);
}

/** Likewise of a whole page. */
export function identityOf(page: PageNumber): IoPageNumber {
  return ioPageNumber(page);
}

/**
 * Where in its 4,096-byte page an address lies, as the number of bytes before it. The low bits of a number beyond
 * 2^31 are taken exactly (ECMAScript, ToInt32), where the remainder operator would call a library.
 */
export function offsetInPage(address: number): number {
  return address & (PAGE_BYTES - 1);
}

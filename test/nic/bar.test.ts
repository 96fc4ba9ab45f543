import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAILBOX_REGISTERS, MANAGEMENT_REGISTERS } from '../../nic/registers.js';
import { Card } from './support/card.js';
import { Guest } from './support/guest.js';
import {
  COALESCE_FRAMES,
  COALESCE_NS,
  M_COMMAND,
  M_CONTEXTS,
  M_FAULT_CONTEXT,
  M_ID,
  M_MAX_FRAME,
  M_SELECT,
  M_SEQUENCE_MODULUS,
  M_STATE,
  M_VECTOR_BYTES,
  M_VECTOR_RING_SIZE,
  M_VERSION,
  M_WEIGHT,
  MAC_HIGH,
  MAC_LOW,
  ONES,
  PAGE,
  RING_SIZES,
  RX_MODE,
  SHARED_MEMORY,
  STATUS,
  TX_PRODUCER,
} from './support/registers.js';

const MAILBOX_BYTES = 24 * 4;
const ones = (width: number) => 2 ** (8 * width) - 1;

/** What lies at an offset, said without the code under test: pages of contexts, the management page, nothing. */
function whatIsAt(
  contexts: number,
  offset: number,
  width: number,
): 'mailbox' | 'memory' | 'management' | 'none' {
  if (![1, 2, 4].includes(width) || offset < 0 || offset % width !== 0) return 'none';
  const page = Math.floor(offset / PAGE);
  const within = offset % PAGE;
  if (page < contexts && within >= MAILBOX_BYTES) return 'memory';
  if (width !== 4) return 'none';
  if (page < contexts) return MAILBOX_REGISTERS.some((r) => r.offset === within) ? 'mailbox' : 'none';
  const known = page === contexts && MANAGEMENT_REGISTERS.some((r) => r.offset === within);
  return known ? 'management' : 'none';
}

describe('the BAR', () => {
  it('is a power of two that holds one page per context and the management page', () => {
    expect(new Card({ contexts: 1 }).nic.barBytes).toBe(2 * PAGE);
    expect(new Card({ contexts: 3 }).nic.barBytes).toBe(4 * PAGE);
    expect(new Card({ contexts: 4 }).nic.barBytes).toBe(8 * PAGE);
    expect(new Card({ contexts: 4096, requesterBase: 0x1000 }).nic.barBytes).toBe(8192 * PAGE);
  });

  it('answers every offset, width and alignment: undefined ones read as ones and take no write', () => {
    const contexts = 3;
    const card = new Card({ contexts });
    const offset = fc.oneof(
      fc.integer({ min: -8, max: card.nic.barBytes + 8 }),
      fc
        .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 0xa0 }))
        .map(([p, o]) => p * PAGE + o),
      fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: -4, max: 4 })).map(([p, o]) => p * PAGE + o),
    );
    const width = fc.constantFrom(1, 2, 4, 4, 4, 3, 8, 0);
    fc.assert(
      fc.property(offset, width, fc.nat(0xffff_ffff), (at, bytes, value) => {
        if (whatIsAt(contexts, at, bytes) !== 'none') return;
        const before = snapshot(card, contexts);
        expect(card.nic.read(at, bytes)).toBe([1, 2].includes(bytes) ? ones(bytes) : ONES);
        expect(card.nic.write(at, bytes, value)).toBe(false);
        expect(snapshot(card, contexts)).toBe(before);
      }),
      { numRuns: 1000 },
    );
  });

  it('does not take the page just past the last context for one more context', () => {
    const contexts = 3;
    const card = new Card({ contexts });
    expect(card.nic.read(contexts * PAGE + M_ID, 4)).toBe(0x43444e41);
    expect(card.nic.read((contexts + 1) * PAGE, 4)).toBe(ONES);
    expect(card.nic.write((contexts + 1) * PAGE + TX_PRODUCER, 4, 1)).toBe(false);
    expect(card.nic.read(card.nic.barBytes, 4)).toBe(ONES);
  });

  it('has every register of the table at its offset with its reset value', () => {
    const contexts = 5;
    const card = new Card({ contexts });
    for (const register of MAILBOX_REGISTERS) {
      for (let page = 0; page < contexts; page += 1)
        expect(card.nic.read(page * PAGE + register.offset, 4), register.name).toBe(register.reset);
    }
    for (const register of MANAGEMENT_REGISTERS) {
      if (register.reset === 'as-built') continue;
      expect(card.query(register.offset), register.name).toBe(register.access === 'wo' ? 0 : register.reset);
    }
    expect(card.query(M_ID)).toBe(0x43444e41);
    expect(card.query(M_VERSION)).toBe(0x0001_0000);
    expect(card.query(M_CONTEXTS)).toBe(contexts);
    expect(card.query(M_MAX_FRAME)).toBe(9018);
    expect(card.query(M_SEQUENCE_MODULUS)).toBe(16);
    expect(card.query(M_WEIGHT)).toBe(1);
    expect(card.query(M_FAULT_CONTEXT)).toBe(ONES);
    expect(card.query(M_STATE)).toBe(0);
    expect(card.nic.read(COALESCE_FRAMES, 4)).toBe(8);
    expect(card.nic.read(COALESCE_NS, 4)).toBe(20_000);
  });

  it('keeps what is written to rw registers, ignores writes to ro ones, and reads wo ones as zero', () => {
    const card = new Card();
    const guest = new Guest(card, 0);
    for (const register of MAILBOX_REGISTERS) {
      const before = guest.peek(register.offset);
      // 3: not a multicast group, no bit that joins one, and fine for every other mailbox.
      expect(guest.mailbox(register.offset, 3), register.name).toBe(register.access === 'rw');
      expect(guest.peek(register.offset), register.name).toBe(register.access === 'rw' ? 3 : before);
    }
    for (const register of MANAGEMENT_REGISTERS) {
      if (register.name === 'VECTOR_CONSUMER') continue;
      const before = card.query(register.offset);
      const value = register.name === 'SWITCHING' ? 1 : 3;
      expect(card.manage(register.offset, value), register.name).toBe(register.access !== 'ro');
      if (register.access === 'rw') expect(card.query(register.offset), register.name).toBe(value);
      if (register.access === 'wo') expect(card.query(register.offset), register.name).toBe(0);
      if (register.access === 'ro' && !['COMMAND_STATUS', 'STATE'].includes(register.name))
        expect(card.query(register.offset), register.name).toBe(before);
    }
  });

  it('keeps no two registers at one offset, and all within their page', () => {
    for (const table of [MAILBOX_REGISTERS, MANAGEMENT_REGISTERS]) {
      expect(new Set(table.map((r) => r.offset)).size).toBe(table.length);
      expect(new Set(table.map((r) => r.name)).size).toBe(table.length);
      for (const register of table) expect(register.offset % 4).toBe(0);
    }
    expect(Math.max(...MAILBOX_REGISTERS.map((r) => r.offset))).toBeLessThan(MAILBOX_BYTES);
  });

  it('has plain memory behind the mailboxes, byte by byte, little-endian, cleared for the next owner', () => {
    const card = new Card({ contexts: 2 });
    const model = new Uint8Array(2 * PAGE);
    const access = fc.record({
      page: fc.nat(1),
      width: fc.constantFrom(1, 2, 4),
      slot: fc.nat(PAGE),
      value: fc.nat(0xffff_ffff),
    });
    fc.assert(
      fc.property(access, ({ page, width, slot, value }) => {
        const within = SHARED_MEMORY + ((slot % (PAGE - SHARED_MEMORY)) & ~(width - 1));
        const at = page * PAGE + within;
        expect(card.nic.write(at, width, value)).toBe(true);
        for (let byte = 0; byte < width; byte += 1) model[at + byte] = value >>> (8 * byte);
        let whole = 0;
        for (let byte = 3; byte >= 0; byte -= 1) whole = whole * 256 + (model[(at & ~3) + byte] ?? 0);
        expect(card.nic.read(at & ~3, 4)).toBe(whole);
        expect(card.nic.read(at, 1)).toBe(model[at]);
      }),
      { numRuns: 500 },
    );
    new Guest(card, 0);
    let left = 0;
    for (let within = SHARED_MEMORY; within < PAGE; within += 4) left += card.nic.read(within, 4);
    expect(left).toBe(0);
  });

  it('shows a guest its address, its rings and its state', () => {
    const card = new Card();
    const guest = new Guest(card, 2, { slotsLog2: 5, mac: 0x02_1234_5678_9a });
    expect(guest.peek(MAC_LOW)).toBe(0x3456_789a);
    expect(guest.peek(MAC_HIGH)).toBe(0x0212);
    expect(guest.peek(RING_SIZES)).toBe(0x0505);
    expect(guest.peek(STATUS)).toBe(2);
  });

  it('takes no mailbox write while the context is not open', () => {
    const card = new Card();
    expect(card.nic.write(TX_PRODUCER, 4, 1)).toBe(false);
    expect(card.nic.read(TX_PRODUCER, 4)).toBe(0);
  });

  it('refuses values that a mailbox does not take, and keeps the one before', () => {
    const guest = new Guest(new Card(), 0);
    for (const value of [0, 65_536, ONES]) expect(guest.mailbox(COALESCE_FRAMES, value)).toBe(false);
    expect(guest.peek(COALESCE_FRAMES)).toBe(8);
    expect(guest.mailbox(COALESCE_FRAMES, 65_535)).toBe(true);
    expect(guest.mailbox(RX_MODE, -1)).toBe(true);
    expect(guest.peek(RX_MODE)).toBe(ONES);
  });

  it('reports the length of a vector: one bit per context and one for the NIC, in a power of two of words', () => {
    const bytesFor = (contexts: number) => new Card({ contexts }).query(M_VECTOR_BYTES);
    expect([1, 31, 32, 63, 64, 127].map(bytesFor)).toEqual([4, 4, 8, 8, 16, 16]);
    const card = new Card();
    expect(card.manage(M_VECTOR_RING_SIZE, 0)).toBe(false);
    expect(card.manage(M_VECTOR_RING_SIZE, 16)).toBe(false);
    expect(card.query(M_VECTOR_RING_SIZE)).toBe(0);
    expect(card.manage(M_SELECT, 99)).toBe(true);
    expect(card.query(M_STATE)).toBe(ONES);
    expect(card.manage(M_COMMAND, 1)).toBe(true);
  });
});

function snapshot(card: Card, contexts: number): string {
  const values: number[] = [];
  for (let page = 0; page < contexts; page += 1)
    for (const { offset } of MAILBOX_REGISTERS) values.push(card.nic.read(page * PAGE + offset, 4));
  for (const { offset } of MANAGEMENT_REGISTERS) values.push(card.query(offset));
  return values.join(' ');
}

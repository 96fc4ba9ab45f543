import fc from 'fast-check';
import { expect, it } from 'vitest';
import { either } from '../support/whole.js';
import { type Driver, ethernet, RECEIVE, TRANSMIT } from './support/driver.js';
import { GuestIommuLab } from './support/guest-iommu-lab.js';
import { MAC } from './support/lab.js';

const PAGE = 4096;
const PAGES = 6;
/** Addresses and memory that the steps draw from. */
const IOVA = 0xffe0_0000;
const MEMORY = 0x300000;

/** What a guest does next; of what it has mapped, or had, it chooses by number. */
interface Step {
  readonly do: 'map' | 'unmap' | 'unmap and go on' | 'receive' | 'receive where nothing is' | 'frame';
  readonly at: number;
  readonly page: number;
  readonly pages: number;
  readonly flags: number;
  readonly offset: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom(
    'map',
    'map',
    'unmap',
    'unmap and go on',
    'receive',
    'receive',
    'receive where nothing is',
    'frame',
    'frame',
  ),
  at: fc.integer({ min: 0, max: PAGES - 1 }),
  page: fc.integer({ min: 0, max: PAGES - 1 }),
  pages: fc.integer({ min: 1, max: 2 }),
  flags: fc.constantFrom(1, 2, 3, 3),
  offset: fc.integer({ min: 0, max: PAGE - 1 }),
});

interface Entry {
  readonly at: number;
  readonly page: number;
  readonly pages: number;
  readonly flags: number;
}

/** A guest, and what it has mapped as the answers to its messages say. */
class Guest {
  readonly #lab: GuestIommuLab;
  driver: Driver;
  entries: Entry[] = [];
  gone: number[] = [];
  #slot = 0;

  constructor(lab: GuestIommuLab) {
    this.#lab = lab;
    this.driver = lab.boot(0);
  }

  /** Pages of memory that the card may write. */
  get writable(): Set<number> {
    const found = new Set<number>();
    for (const { page, pages, flags } of this.entries)
      if ((flags & 2) !== 0) for (let more = 0; more < pages; more += 1) found.add(page + more);
    return found;
  }

  play({ do: what, at, page, pages, flags, offset }: Step): void {
    const { client } = this.driver;
    const chosen = this.entries[at % Math.max(1, this.entries.length)];
    if (what === 'map') {
      const reply = client.map(IOVA + at * PAGE, pages * PAGE, MEMORY + page * PAGE, flags);
      if (reply?.error === 0) this.entries.push({ at, page, pages, flags });
    } else if (what.startsWith('unmap') && chosen !== undefined) {
      const reply = client.unmap(IOVA + chosen.at * PAGE, chosen.pages * PAGE);
      if (what === 'unmap') {
        this.#lab.run(20_000);
        expect((reply ?? client.lateReply())?.error).toBe(0);
      }
      this.entries = this.entries.filter((entry) => entry !== chosen);
      this.gone.push(chosen.at);
    } else if (what === 'receive' && chosen !== undefined) this.#post(chosen.at, offset);
    else if (what === 'receive where nothing is')
      this.#post(this.gone[at % Math.max(1, this.gone.length)] ?? at, offset);
  }

  /** A driver that was told to reset its device is replaced by another machine's. */
  restart(): void {
    this.driver.client.disconnect();
    this.entries = [];
    this.#lab.plugIn(0);
    this.driver = this.#lab.boot(0);
  }

  #post(at: number, offset: number): void {
    this.driver.post(RECEIVE, this.#slot % 256, [{ at: IOVA + at * PAGE + offset, bytes: 1536 }]);
    this.#slot += 1;
    this.#lab.run(50_000);
  }
}

it('under iommu:guest a page changes only while its guest has it mapped for writing, whatever the guest does', () => {
  let landed = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (script) => {
      const lab = new GuestIommuLab();
      const guest = new Guest(lab);
      const sender = lab.boot(1);
      sender.client.map(0x200000, PAGE, 0x200000, 1);
      const memory = () => lab.ram(0).slice(MEMORY, MEMORY + 2 * PAGES * PAGE);
      for (const [index, next] of script.entries()) {
        const before = memory();
        // What an unmap takes away may be written until it is answered.
        const allowed = guest.writable;
        guest.play(next);
        if (next.do === 'frame') {
          sender.send(index, 0x200000, ethernet(MAC, MAC + 1, `frame ${index}`, 1000));
          lab.run(200_000);
          sender.takeUsed(TRANSMIT);
        }
        for (const page of guest.writable) allowed.add(page);
        const after = memory();
        for (let page = 0; page < 2 * PAGES; page += 1) {
          const [from, to] = [page * PAGE, (page + 1) * PAGE];
          const same = Buffer.compare(before.subarray(from, to), after.subarray(from, to)) === 0;
          if (allowed.has(page)) landed += same ? 0 : 1;
          else expect(same).toBe(true);
        }
        if ((guest.driver.status & 64) !== 0) guest.restart();
      }
      expect(lab.live.guests[1]?.device.faults).toEqual({});
      expect(lab.live.guests[1]?.sessionFaults).toEqual({});
      lab.run(1_000_000);
      lab.live.checkInvariants();
    }),
    { numRuns: either(15, 6) },
  );
  expect(landed).toBeGreaterThan(3);
}, 120_000);

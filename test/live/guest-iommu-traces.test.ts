import { describe, expect, it } from 'vitest';
import { countsSince, mappingCounts, perFrame } from '../../src/live/mapping-counts.js';
import { type DmaOperation, entriesOf, sectionsOf } from '../support/linux-dma-traces.js';
import { either } from '../support/whole.js';
import { type Driver, ethernet, RECEIVE, TRANSMIT } from './support/driver.js';
import { GuestIommuLab } from './support/guest-iommu-lab.js';
import { Lab, MAC } from './support/lab.js';

const PAGE = 4096;
const READ = 1;
const READ_WRITE = 3;
/** RAM of the recorded machines ended below this. */
const RAM_BYTES = 256 * 2 ** 20;

/** The strict Linux guest of a recording, as the server sees it: its buffers are posted, used, and unmapped when it says so. */
class RecordedGuest {
  readonly lab = new GuestIommuLab({ memoryBytes: RAM_BYTES });
  readonly guest: Driver;
  readonly sender: Driver;
  sent = 0;
  received = 0;
  // What is mapped, by address: the bytes of a receive buffer, undefined for a frame to be sent.
  readonly #mapped = new Map<number, number | undefined>();
  readonly #heads = [0, 0];

  constructor() {
    this.guest = this.lab.boot(0);
    this.sender = this.lab.boot(1);
    this.sender.client.map(0x200000, PAGE, 0x200000, READ);
  }

  map(iova: number, bytes: number, offset: number, direction: 'r' | 'w', asked: number): void {
    // QEMU has one message for each page.
    for (let at = 0; at < bytes; at += PAGE) {
      const flags = direction === 'r' ? READ : READ_WRITE;
      expect(this.guest.client.map(iova + at, PAGE, offset + at, flags)?.error).toBe(0);
    }
    this.#mapped.set(iova, direction === 'r' ? undefined : asked);
    if (direction === 'w') return;
    this.lab.ram(0).set(new Uint8Array(12), offset);
    this.lab.ram(0).set(ethernet(0x02000000ffff, MAC, 'recorded', 60), offset + 12);
    this.guest.post(TRANSMIT, this.#next(TRANSMIT), [{ at: iova, bytes: 72 }]);
    this.#until(() => (this.sent += this.guest.takeUsed(TRANSMIT).length), this.sent + 1);
  }

  /** As its driver does: what is unmapped has been sent, or has received. The order of its buffers is the recording's. */
  unmap(iova: number, bytes: number): void {
    const asked = this.#mapped.get(iova);
    if (asked !== undefined) this.#receive(iova, asked);
    this.#mapped.delete(iova);
    for (let at = 0; at < bytes; at += PAGE) {
      this.guest.client.unmap(iova + at, PAGE);
      this.lab.run(5000);
      expect(this.guest.client.lateReply()?.error).toBe(0);
    }
  }

  /** Lets time pass until a count is reached. */
  #until(count: () => number, reached: number): void {
    for (let step = 0; count() < reached && step < 1000; step += 1) this.lab.run(5000);
  }

  #receive(iova: number, asked: number): void {
    this.guest.post(RECEIVE, this.#next(RECEIVE), [{ at: iova, bytes: asked }]);
    // Its work waits for that of the hypervisor, which has mapped much before.
    this.lab.run(500_000);
    this.sender.send(this.received % 256, 0x200000, ethernet(MAC, MAC + 1, 'to the recorded'));
    this.#until(() => (this.received += this.guest.takeUsed(RECEIVE).length), this.received + 1);
    this.sender.takeUsed(TRANSMIT);
  }

  #next(queue: number): number {
    const head = this.#heads[queue] ?? 0;
    this.#heads[queue] = (head + 1) % 256;
    return head;
  }
}

/** A kernel's mappings that were there before the recording began: pages of their own behind addresses that are unmapped first. */
function prepare(guest: RecordedGuest, operations: readonly DmaOperation[]): { readonly frames: number } {
  let frames = 0;
  const seen = new Set<string>();
  let page = RAM_BYTES - PAGE;
  for (const { op, iova, len, perm } of operations) {
    if (op === 'inv' || seen.has(iova)) continue;
    seen.add(iova);
    if (op !== 'unmap') continue;
    page -= len;
    if (perm !== 'w') frames += 1;
    guest.map(Number(iova), len, page, perm === 'w' ? 'w' : 'r', 1536);
  }
  return { frames };
}

describe.each(['linux-viommu-strict', 'linux-viommu-strict-6.12'])(
  'strict Linux, as recorded: %s',
  (file) => {
    it.each([
      [0, 'transmit'],
      [1, 'receive'],
    ])(
      'section %i (%s): a map, an unmap and an invalidation for each page that the kernel has them for',
      (section) => {
        const operations = (sectionsOf(file)[section] ?? []).slice(0, either(320, 120));
        const guest = new RecordedGuest();
        const prepared = prepare(guest, operations);
        const { protection } = guest.lab.live.host;
        const before = mappingCounts(protection);
        let pagesMapped = 0;
        let pagesUnmapped = 0;
        let frames = 0;
        let received = 0;
        let invalidations = 0;
        for (const { op, iova, len, bytes, perm, pa } of operations) {
          if (op === 'inv') {
            invalidations += 1;
            continue;
          }
          if (op === 'unmap') {
            pagesUnmapped += len / PAGE;
            if (perm === 'w') received += 1;
            guest.unmap(Number(iova), len);
            continue;
          }
          pagesMapped += len / PAGE;
          if (perm === 'r') frames += 1;
          guest.map(Number(iova), len, Number(pa) % (RAM_BYTES / 2), perm === 'w' ? 'w' : 'r', bytes ?? 1536);
        }
        const after = mappingCounts(protection);
        expect({
          pagesMapped: (after?.pagesMapped ?? 0) - (before?.pagesMapped ?? 0),
          pagesUnmapped: (after?.pagesUnmapped ?? 0) - (before?.pagesUnmapped ?? 0),
          invalidations: (after?.invalidations ?? 0) - (before?.invalidations ?? 0),
        }).toEqual({ pagesMapped, pagesUnmapped, invalidations: pagesUnmapped });
        expect(guest.sent).toBe(frames + prepared.frames);
        expect(guest.received).toBe(received);
        // The kernel has one invalidation for each unmap, of one page or two; ours is for each page.
        const unmaps = operations.filter(({ op }) => op === 'unmap').length;
        expect(Math.abs(invalidations - unmaps)).toBeLessThanOrEqual(1);
        expect(protection.counters().denied).toBe(0);
        guest.lab.live.checkInvariants();
      },
    );
  },
);

it('QEMU passes on what strict Linux does: one page mapped and unmapped for each frame sent', () => {
  const operations = entriesOf('linux-viommu-strict-vfio-user');
  const first = operations[0];
  const last = operations.at(-1);
  const frames = (last?.tx ?? 0) - (first?.tx ?? 0);
  const guest = new RecordedGuest();
  const unknown = new Set<string>();
  for (const { op, iova } of operations) {
    if (op === 'map') unknown.add(iova);
    else if (!unknown.has(iova)) {
      unknown.add(iova);
      guest.guest.client.map(Number(iova), PAGE, 0);
    }
  }
  const before = mappingCounts(guest.lab.live.host.protection);
  let reads = 0;
  for (const { op, iova, len, off, perm } of operations) {
    if (op === 'unmap') {
      guest.guest.client.unmap(Number(iova), len);
      guest.lab.run(3000);
      expect(guest.guest.client.lateReply()?.error).toBe(0);
    } else {
      const flags = perm === 'r' ? READ : READ_WRITE;
      if (perm === 'r') reads += 1;
      expect(guest.guest.client.map(Number(iova), len, Number(off), flags)?.error).toBe(0);
    }
  }
  const after = mappingCounts(guest.lab.live.host.protection);
  const count = (op: string) => operations.filter((operation) => operation.op === op).length;
  expect(after?.pagesMapped).toBe((before?.pagesMapped ?? 0) + count('map'));
  expect(after?.pagesUnmapped).toBe((before?.pagesUnmapped ?? 0) + count('unmap'));
  expect(after?.invalidations).toBe((before?.invalidations ?? 0) + count('unmap'));
  // 707 maps for reading, 707 frames sent meanwhile.
  expect(reads / frames).toBe(1);
  guest.lab.live.checkInvariants();
});

it('iommu:single-use does for each frame sent what a strict guest does behind iommu:guest', () => {
  const behind = new RecordedGuest();
  const before = mappingCounts(behind.lab.live.host.protection);
  const ours = new Lab({ protection: 'iommu:single-use' });
  const driver = ours.boot(0);
  const oursBefore = mappingCounts(ours.live.host.protection);
  const frames = 40;
  for (let at = 0; at < frames; at += 1) {
    behind.map(0xfff00000, PAGE, 0x300000, 'r', 1526);
    behind.unmap(0xfff00000, PAGE);
    driver.send(at, 0x200000, ethernet(0x02000000ffff, MAC, 'ours', 60));
    ours.run(200_000);
  }
  expect(behind.sent).toBe(frames);
  expect(driver.takeUsed(TRANSMIT)).toHaveLength(frames);
  const guest = perFrame(countsSince(mappingCounts(behind.lab.live.host.protection), before), frames);
  expect(guest).toEqual({ pagesMapped: 1, pagesUnmapped: 1, invalidations: 1 });
  expect(perFrame(countsSince(mappingCounts(ours.live.host.protection), oursBefore), frames)).toEqual(guest);
});

import type { GuestMaps } from '../../host/protection/iommu/guest-driven/guest-maps.js';
import { ioVirtualAddress, machineAddress, PAGE_BYTES, pageOf } from '../../nic/addresses.js';
import type { GuestRam } from './guest-ram.js';
import type { MappedRange } from './vfio-user/mapped-ranges.js';
import { MAP_READ, MAP_WRITE } from './vfio-user/messages.js';
import type { MemoryClient } from './vfio-user/session.js';

const PAGE = BigInt(PAGE_BYTES);

/** What a guest's IOMMU says over the session becomes what our unit does: DMA_MAP maps, DMA_UNMAP unmaps and waits. */
export class GuestIommu implements MemoryClient {
  readonly #ram: GuestRam;
  readonly #maps: GuestMaps;
  #unanswered = 0;

  constructor(ram: GuestRam, maps: GuestMaps) {
    this.#ram = ram;
    this.#maps = maps;
  }

  mapped(range: MappedRange): boolean {
    const { address, size, offset, flags, backed } = range;
    // ROMs and video memory are mapped as well, while a guest's IOMMU is off: the card has no business there.
    const ramBytes = BigInt(this.#ram.bytes);
    if (!backed || offset >= ramBytes) return true;
    // A mapping that begins in RAM and ends behind it would be one thing to our unit and another to the device model.
    if (offset + size > ramBytes) return false;
    const permissions = flags & (MAP_READ | MAP_WRITE);
    if (permissions === 0 || (address | size | offset) % PAGE !== 0n) return false;
    if (address + size > BigInt(Number.MAX_SAFE_INTEGER)) return false;
    const outcome = this.#maps.map({
      iova: ioVirtualAddress(Number(address)),
      firstPage: pageOf(machineAddress(this.#ram.addressOf(Number(offset)))),
      pages: Number(size / PAGE),
      permissions,
    });
    return outcome === 'mapped';
  }

  get changedPages(): number {
    const { pagesMapped, pagesUnmapped } = this.#maps.counters;
    return pagesMapped + pagesUnmapped;
  }

  /** Whether an unmap waits for our unit. */
  get unanswered(): boolean {
    return this.#unanswered > 0;
  }

  unmapped(ranges: readonly MappedRange[], done: () => void): void {
    this.#unanswered += 1;
    this.#maps.unmap(
      ranges.map(({ address }) => ioVirtualAddress(Number(address))),
      () => {
        this.#unanswered -= 1;
        done();
      },
    );
  }

  /** The machine is gone, and its mappings with it. */
  ended(): void {
    this.#maps.clear();
  }
}

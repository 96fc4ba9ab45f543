import type { HostParts } from '../../host/host-parts.js';
import { DMA_OK, type DmaStatus } from '../../nic/dma-engine.js';

/** A transfer that nobody asked for. */
export interface RogueTransfer {
  /** What was read, or what was to be written. */
  readonly bytes: Uint8Array;
  /** Undefined while it is under way. */
  status: DmaStatus | undefined;
}

/** The NIC's own management logic, which no context owns. */
const NO_CONTEXT = -1;

/**
 * A card that does not do as it is told: its DMA engine is driven with any address and any requester ID, as faulty
 * or malicious firmware could.
 */
export class RogueDevice {
  readonly #parts: HostParts;
  readonly #client: number;
  readonly #transfers: RogueTransfer[] = [];

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#client = parts.nic.dma.register((cookie, status) => {
      const transfer = this.#transfers[cookie];
      if (transfer !== undefined) transfer.status = status;
    });
  }

  /** Everything that it has read. */
  get leaked(): readonly Uint8Array[] {
    return this.#transfers.filter(({ status }) => status === DMA_OK).map(({ bytes }) => bytes);
  }

  read(requesterId: number, address: number, length: number): RogueTransfer {
    const transfer = this.#start(new Uint8Array(length));
    const { dma } = this.#parts.nic;
    dma.read(
      this.#client,
      this.#transfers.length - 1,
      NO_CONTEXT,
      requesterId,
      address,
      length,
      transfer.bytes,
      0,
    );
    return transfer;
  }

  write(requesterId: number, address: number, bytes: Uint8Array): RogueTransfer {
    const transfer = this.#start(bytes.slice());
    const { dma } = this.#parts.nic;
    const cookie = this.#transfers.length - 1;
    dma.write(
      this.#client,
      cookie,
      NO_CONTEXT,
      requesterId,
      address,
      transfer.bytes.length,
      transfer.bytes,
      0,
    );
    return transfer;
  }

  #start(bytes: Uint8Array): RogueTransfer {
    const transfer: RogueTransfer = { bytes, status: undefined };
    this.#transfers.push(transfer);
    return transfer;
  }
}

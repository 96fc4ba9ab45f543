import type { HostParts } from '../../host/host-parts.js';
import { busAddress, offsetInPage, requesterId, WIDE_ADDRESS } from '../../nic/addresses.js';
import { DMA_OK, type DmaChannel, type DmaStatus } from '../../nic/dma-engine.js';
import { NO_CONTEXT } from '../../scheduler/branded.js';

/** A transfer that no guest asked for. */
export interface RogueTransfer {
  /** The bytes that were read, or that were to be written. */
  readonly bytes: Uint8Array;
  /** Undefined while it is under way. */
  status: DmaStatus | undefined;
}

/**
 * A card that ignores its descriptors: its DMA engine is driven with any address and any requester ID, as faulty
 * or malicious firmware could.
 */
export class RogueDevice {
  readonly #channel: DmaChannel;
  readonly #transfers: RogueTransfer[] = [];

  constructor(parts: HostParts) {
    this.#channel = parts.nic.dma.open((cookie, status) => {
      const transfer = this.#transfers[cookie];
      if (transfer !== undefined) transfer.status = status;
    });
  }

  /** Everything that it has read. */
  get leaked(): readonly Uint8Array[] {
    return this.#transfers.filter(({ status }) => status === DMA_OK).map(({ bytes }) => bytes);
  }

  read(requester: number, address: number, length: number): RogueTransfer {
    const transfer = this.#start(requester, address, new Uint8Array(length));
    this.#channel.read();
    return transfer;
  }

  write(requester: number, address: number, bytes: Uint8Array): RogueTransfer {
    const transfer = this.#start(requester, address, bytes.slice());
    this.#channel.write();
    return transfer;
  }

  /** Describes the transfer on the channel, as the card's own: it belongs to no context. */
  #start(requester: number, address: number, bytes: Uint8Array): RogueTransfer {
    const transfer: RogueTransfer = { bytes, status: undefined };
    this.#transfers.push(transfer);
    const channel = this.#channel;
    channel.owner = { index: NO_CONTEXT, requesterId: requesterId(requester) };
    channel.cookie = this.#transfers.length - 1;
    const wideOffset = address < WIDE_ADDRESS ? 0 : offsetInPage(address);
    channel.aim(busAddress(address - wideOffset), wideOffset);
    channel.length = bytes.length;
    channel.buffer = bytes;
    return transfer;
  }
}

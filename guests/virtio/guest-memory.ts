/** A guest's RAM as a device model reaches it: by the addresses that the guest's driver writes into its rings. */
export interface GuestMemory {
  /** Copies out. False, with nothing copied that counts, when a byte of the range is not the guest's own memory. */
  read(address: number, length: number, target: Uint8Array, targetOffset: number): boolean;

  /** Copies in; false, likewise, when a byte of the range is not the guest's own. */
  write(address: number, length: number, source: Uint8Array, sourceOffset: number): boolean;

  /**
   * A range of which parts are about to be read, each at most once. A memory that costs a system call per access may
   * fetch it in one; the reads that follow then see it as it was at this moment. Nothing else may be concluded from it.
   */
  prefetch(address: number, length: number): void;

  /**
   * What was written before is where the guest sees it before anything is read after: a memory may keep writes back and
   * hold bytes that it fetched ahead, and both end here. Without it a published index and a request to be notified of it
   * could pass each other, and neither side would ever wake the other (VIRTIO 1.2, 2.7.7.2, 2.7.13.4.1).
   */
  barrier(): void;
}

/** Regions of a function as VFIO numbers them: six BARs, the expansion ROM, configuration space, VGA. */
export const REGION_COUNT = 9;
export const CONFIGURATION_REGION = 7;

/** Kinds of interrupt as VFIO numbers them. */
export const INTERRUPT_KINDS = ['intx', 'msi', 'msix', 'err', 'req'] as const;

/** How a function reaches its guest's interrupt controller: a message of the guest's choosing. */
export interface InterruptMessage {
  readonly address: number;
  readonly data: number;
}

/**
 * A PCI function that is assigned to a guest: configuration space and BARs. Accesses are checked to lie within a region before
 * they come here; what a function does not decode reads as zero and ignores writes.
 */
export interface PciFunction {
  /** Bytes of each region; 0 where there is none. */
  readonly regionBytes: readonly number[];
  /** Interrupts of each kind. */
  readonly interrupts: readonly number[];
  read(region: number, offset: number, target: Uint8Array): void;
  write(region: number, offset: number, source: Uint8Array): void;
  /** As a function-level reset: nothing that was under way reaches memory afterwards. */
  reset(): void;
  /** Where the guest reads the MSI-X table, guest-physical; undefined for a function without one, or while it has no address. */
  msixTableAddress(): number | undefined;
  /** The MSI message that the guest has set; undefined while MSI is off. */
  msiMessage(): InterruptMessage | undefined;
  checkInvariants(): void;
}

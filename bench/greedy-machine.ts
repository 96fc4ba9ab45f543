import { fixedSize, greedy, LinkPartner, NicDriver } from 'cdna-nic/guests';
import { DEFAULT_PCIE, type WirePort } from 'cdna-nic/nic';
import { EventKernel, makeDiscipline } from 'cdna-nic/scheduler';
import { Host } from '../host/host.js';
import { makeProtection } from '../host/protection/approaches.js';

/** The parameters of a row of the end-to-end table. */
export interface GreedyMachineOptions {
  readonly protection: string;
  readonly contexts: number;
  readonly frameBytes: number;
  /** Slots of a guest's transmit ring. @defaultValue 64 */
  readonly transmitSlots?: number;
  /** Slots of a guest's receive ring. @defaultValue 16 */
  readonly receiveSlots?: number;
  /** Whether the guests send nothing. @defaultValue false */
  readonly idle?: boolean;
  /** Frames, and ns, for which a card collects what is finished before it says so. @defaultValue 16 and 50,000 */
  readonly coalesceFrames?: number;
  readonly coalesceNs?: number;
  /** Virtual time at which the machine begins, ns. @defaultValue 0 */
  readonly startNs?: number;
  /** Called for each frame that leaves. */
  readonly tap?: WirePort;
}

const RATE_BPS = 100_000_000_000;
const STEP_NS = 100_000;
const CORES = 16;
const FIRST_MAC = 0x020000000001;
const FAR_END_MAC = 0x020000010001;

/**
 * Guests that send as fast as their rings allow, on a card and a link that keep up: every byte goes from guest
 * memory through ring, gates, bus and FIFO to the wire. No stream has a subscriber, nothing is recorded.
 */
export class GreedyMachine {
  readonly kernel = new EventKernel();
  readonly host: Host;
  readonly partner: LinkPartner;
  readonly drivers: readonly NicDriver[];

  constructor(options: GreedyMachineOptions) {
    const { protection, contexts, frameBytes, transmitSlots = 64, receiveSlots = 16 } = options;
    const { kernel } = this;
    if (options.startNs !== undefined) kernel.run(options.startNs);
    this.partner = new LinkPartner(kernel, {
      rateBps: RATE_BPS,
      propagationNs: 500,
      queueBytes: 65_536,
      reflect: false,
    });
    this.host = new Host({
      kernel,
      protection: makeProtection(protection),
      wire: options.tap === undefined ? this.partner : both(options.tap, this.partner),
      transmitDiscipline: makeDiscipline('drr'),
      receiveDiscipline: makeDiscipline('drr'),
      nic: { contexts, rateBps: RATE_BPS, pcie: { ...DEFAULT_PCIE, generation: 5, lanes: 16 } },
      host: { cores: CORES, memoryBytes: 16 * 2 ** 30 },
    });
    this.partner.connect((bytes, offset, length) => this.host.nic.receive(bytes, offset, length));
    this.drivers = Array.from({ length: contexts }, (_, index) => {
      const domain = this.host.createGuest(`guest${index}`, index);
      const mac = FIRST_MAC + index;
      const port = this.host.openPort(domain, {
        mac,
        share: { weight: 1 },
        transmitSlots,
        receiveSlots,
        antiSpoofing: true,
        promiscuous: false,
        coalesceFrames: options.coalesceFrames ?? 16,
        coalesceNs: options.coalesceNs ?? 50_000,
      });
      const driver = new NicDriver(this.host, domain, port, { refillBatch: Math.min(16, receiveSlots) });
      const name = domain.name;
      if (options.idle === true) return driver;
      driver.attach(
        greedy({
          name,
          sourceId: index,
          source: mac,
          destination: FAR_END_MAC,
          sizes: fixedSize(name, frameBytes),
        }),
      );
      return driver;
    });
  }

  /** Frames received by the far end. */
  get delivered(): number {
    return this.partner.framesFromNic;
  }

  /** Runs until so many more frames were delivered; returns the actual number. */
  deliver(frames: number): number {
    const before = this.delivered;
    while (this.delivered < before + frames) this.kernel.run(this.kernel.nowNs + STEP_NS);
    return this.delivered - before;
  }
}

function both(tap: WirePort, wire: WirePort): WirePort {
  return {
    transmitted(bytes, offset, length, context, index, times) {
      tap.transmitted(bytes, offset, length, context, index, times);
      wire.transmitted(bytes, offset, length, context, index, times);
    },
  };
}

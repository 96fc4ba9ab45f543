import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { type CostName, costTable } from '../../../host/cpu/costs.js';
import type { QueueTiming } from '../../../host/iommu/queue-timing.js';
import type { TimingParameters } from '../../../host/iommu/translation/parameters.js';
import { makeProtection } from '../../../host/protection/approaches.js';
import { DriverDomain } from '../../../host/protection/driver-domain/driver-domain.js';
import { Iommu } from '../../../host/protection/iommu/iommu.js';
import type { ProtectionPlan } from '../../../host/protection/protection.js';
import type { NicParameters } from '../../../nic/parameters.js';
import { rounded } from '../rounded.js';
import { steadyRun } from '../steady-run.js';
import type { Direction } from './published.js';

/** Warm-up and window. 256 full frames of each guest leave in 1.6 ms of the wire. */
export const WARM_UP_NS = 10_000_000;
export const WARM_UP_NS_PER_GUEST = 2_000_000;
export const WINDOW_NS = 20_000_000;
export const WINDOW_NS_PER_GUEST = 4_000_000;

/** One Opteron 250, and the two 1 Gb/s NICs as one port of twice the rate (the emulated host has one card). */
const HERTZ = 2.4e9;
const RATE_BPS = 2e9;
/** A full frame, and what TCP has of it: the paper's rates are payload. */
const FRAME_BYTES = 1514;
const PAYLOAD_BYTES = 1448;
/** As many as Xen's network rings have. */
const RING_SLOTS = 256;
/** Guests begin at random within this time, ns. */
const START_SPREAD_NS = 1_000_000;

/** What calibration finds. */
export interface TestbedParameters {
  readonly costs: Readonly<Partial<Record<CostName, number>>>;
  /** Least time between two physical interrupts, ns, of the CDNA card and of the one behind the driver domain. */
  readonly interruptGapNs: Readonly<Record<'cdna' | 'xen', Readonly<Record<Direction, number>>>>;
}

/** What differs from the machine that the experiment describes. */
export interface TestbedChanges {
  readonly nic?: Partial<NicParameters>;
  readonly timing?: Partial<TimingParameters>;
  readonly queueTiming?: Partial<QueueTiming>;
}

/** One run as the paper's tables show one. Shares are percent of the CPU. */
export interface TestbedRow {
  readonly mbps: number;
  readonly hypervisor: number;
  readonly driverDomain: number;
  readonly guest: number;
  readonly idle: number;
  readonly physicalInterrupts: number;
  readonly virtualInterrupts: number;
}

/** @param approach a name of the list; `driver-domain` moves pages as the Xen of the paper did (maps and flips) */
export function runTestbed(
  approach: string,
  direction: Direction,
  guests: number,
  parameters: TestbedParameters,
  seed: number,
  changes: TestbedChanges = {},
): TestbedRow {
  const random = xoroshiro128plus(seed);
  const windowNs = WINDOW_NS + guests * WINDOW_NS_PER_GUEST;
  const isXen = approach === 'driver-domain';
  const window = steadyRun({
    scenario: {
      guests: Array.from({ length: guests }, () => {
        const startNs = uniformInt(random, 0, START_SPREAD_NS);
        const stream = { kind: 'greedy' as const, frameBytes: FRAME_BYTES, startNs };
        return {
          ...(direction === 'transmit' ? { traffic: stream } : { receive: stream }),
          transmitSlots: RING_SLOTS,
          receiveSlots: RING_SLOTS,
          // Pages that change hands must be whole.
          bufferBytes: isXen ? (4096 as const) : (2048 as const),
          // The card gathers what it has updated until it may interrupt again; nothing else holds interrupts back.
          coalesceFrames: 1,
          coalesceNs: 0,
          memoryMegabytes: 32,
        };
      }),
      nic: {
        rateBps: RATE_BPS,
        interruptGapNs: Math.round(parameters.interruptGapNs[isXen ? 'xen' : 'cdna'][direction]),
        ...changes.nic,
      },
      host: { cores: 1, hertz: HERTZ, costs: { ...costTable(), ...parameters.costs } },
    },
    protection: protectionOf(approach, changes),
    seed,
    warmUpNs: WARM_UP_NS + guests * WARM_UP_NS_PER_GUEST,
    windowNs,
  });
  const frames = direction === 'transmit' ? window.framesTransmitted : window.framesReceived;
  const share = (ns: number) => rounded((100 * ns) / windowNs);
  const aSecond = (count: number) => Math.round((count * 1e9) / windowNs);
  const busyNs = window.hypervisorNs + window.driverDomainNs + window.guestsNs;
  return {
    mbps: rounded((frames * PAYLOAD_BYTES * 8e3) / windowNs),
    hypervisor: share(window.hypervisorNs),
    driverDomain: share(window.driverDomainNs),
    guest: share(window.guestsNs),
    // Work is charged when it begins; what the last of it takes beyond the window makes no time negative.
    idle: share(Math.max(0, windowNs - busyNs)),
    physicalInterrupts: aSecond(window.physicalInterrupts),
    virtualInterrupts: aSecond(window.virtualInterrupts),
  };
}

function protectionOf(approach: string, { timing, queueTiming }: TestbedChanges): ProtectionPlan {
  if (approach === 'driver-domain') return new DriverDomain({ transfer: 'flip' });
  if (timing === undefined && queueTiming === undefined) return makeProtection(approach);
  const strategy = approach.replace('iommu:', '');
  return new Iommu({ strategy, timing: timing ?? {}, queueTiming: queueTiming ?? {} });
}

/** Cycles that a share of the CPU comes to for each frame. */
export function cyclesPerFrame(percentOfCpu: number, mbps: number): number {
  const framesPerSecond = (mbps * 1e6) / (PAYLOAD_BYTES * 8);
  return ((percentOfCpu / 100) * HERTZ) / framesPerSecond;
}

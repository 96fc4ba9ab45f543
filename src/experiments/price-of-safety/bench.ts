import type { CostName } from '../../../host/cpu/costs.js';
import { WIRE_OVERHEAD_BYTES } from '../../../nic/descriptor.js';
import { foundCosts } from '../cdna-2007/found-costs.js';
import { protectionWith } from '../mapping-approaches.js';
import { steadyRun } from '../steady-run.js';

export type Setting = 'metal' | 'hypervisor';
export type Direction = 'transmit' | 'receive';
export type Message = 'small' | 'large';

export const SETTINGS: readonly Setting[] = ['metal', 'hypervisor'];

/** What is sent, and how: a message is a frame. */
export interface MessageCase {
  readonly direction: Direction;
  readonly message: Message;
}

export const CASES: readonly MessageCase[] = (['small', 'large'] as const).flatMap((message) =>
  (['transmit', 'receive'] as const).map((direction) => ({ message, direction })),
);

/** Ethernet, IP and TCP headers, bytes. */
const HEADER_BYTES = 54;

interface MessageKind {
  readonly frameBytes: number;
  /** Frames per second at the load that every approach carries. */
  readonly framesPerSecond: number;
  /** A wire that brings and takes more than one core can handle, bits per second. */
  readonly wideBps: number;
}

export const MESSAGES: Readonly<Record<Message, MessageKind>> = {
  small: { frameBytes: 64 + HEADER_BYTES, framesPerSecond: 80_000, wideBps: 1e9 },
  large: { frameBytes: 1460 + HEADER_BYTES, framesPerSecond: 50_000, wideBps: 1e10 },
};

const LINK_BPS = 1e9;
const HERTZ = 2.4e9;

/** At the fixed load; Linux's lazy mode flushes every 10 ms at the latest. */
export const WARM_UP_NS = 10_000_000;
export const WINDOW_NS = 50_000_000;
/** With the core full. */
export const FULL_WARM_UP_NS = 4_000_000;
export const FULL_WINDOW_NS = 20_000_000;

/**
 * Steps that exist only because another party than the driver's kernel decides: entering the hypervisor, checking
 * who owns a page and pinning it, and forwarding an interrupt. An OS on the metal takes the physical interrupt in
 * its driver and maps its own pages by itself: a function call.
 */
export const VIRTUALIZATION_STEPS = [
  'hypercall',
  'validatePage',
  'pinPage',
  'unpinPage',
  'vectorWord',
  'virtualInterrupt',
  'guestInterrupt',
  'contextSwitch',
] as const satisfies readonly CostName[];

/** Cycles as a setting has them. */
function costsOf(setting: Setting): Record<CostName, number> {
  const costs = foundCosts();
  if (setting === 'hypervisor') return costs;
  return { ...costs, ...Object.fromEntries(VIRTUALIZATION_STEPS.map((name) => [name, 0])) };
}

/** One run. Shares are percent of the one core. */
export interface BenchRow {
  readonly framesPerSecond: number;
  readonly framesDropped: number;
  readonly guest: number;
  readonly hypervisor: number;
  readonly hypercallsPerFrame: number;
}

/** @param load frames per second (Poisson), or `full`: as many as the core can take */
export function runBench(
  approach: string,
  setting: Setting,
  { direction, message }: MessageCase,
  load: number | 'full',
  seed: number,
): BenchRow {
  const { frameBytes, wideBps } = MESSAGES[message];
  const traffic =
    load === 'full'
      ? ({ kind: 'greedy', frameBytes } as const)
      : ({
          kind: 'poisson',
          frameBytes,
          wireRateBps: load * (frameBytes + WIRE_OVERHEAD_BYTES) * 8,
        } as const);
  const windowNs = load === 'full' ? FULL_WINDOW_NS : WINDOW_NS;
  const window = steadyRun({
    scenario: {
      guests: [
        {
          ...(direction === 'transmit' ? { traffic } : { receive: traffic }),
          memoryMegabytes: MEGABYTES,
          bufferBytes: BUFFER_BYTES,
        },
      ],
      nic: { rateBps: load === 'full' ? wideBps : LINK_BPS },
      host: { cores: 1, hertz: HERTZ, costs: costsOf(setting) },
    },
    protection: protectionWith(approach, seed),
    seed,
    warmUpNs: load === 'full' ? FULL_WARM_UP_NS : WARM_UP_NS,
    windowNs,
  });
  const frames = direction === 'transmit' ? window.framesTransmitted : window.framesReceived;
  return {
    framesPerSecond: (frames * 1e9) / windowNs,
    framesDropped: window.framesDropped,
    guest: (100 * window.guestsNs) / windowNs,
    hypervisor: (100 * window.hypervisorNs) / windowNs,
    hypercallsPerFrame: window.hypercalls / frames,
  };
}

const MEGABYTES = 16;
/** Receive buffers as the kernels of 2007 had them: of kmalloc's 2,048 bytes, two on a page. */
const BUFFER_BYTES = 2048;

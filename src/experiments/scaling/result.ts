import type { CheckedStatement } from '../checked-statement.js';
import type { ComparedFigure } from '../reference-figure.js';
import type { Spread } from '../several-seeds.js';
import type { UnitChangePoint } from './unit-changes.js';

/** Every guest sends what it can. */
export interface GreedyPoint {
  readonly warm_up_ns: number;
  readonly window_ns: number;
  readonly goodput_gbps: Spread;
  /** Cores at work. */
  readonly cpu_cores: {
    readonly hypervisor: Spread;
    readonly driver_domain: Spread;
    readonly guests: Spread;
  };
  /** From the driver's store to the last bit on the wire. */
  readonly wait_p50_us: Spread;
  readonly wait_p99_us: Spread;
  readonly jain_index: Spread;
  /** What was seen between two contexts, where there are two, and what the discipline promises not to exceed. */
  readonly gap_bytes?: Spread;
  readonly gap_bound_bytes?: Spread;
  readonly physical_interrupts_per_s: Spread;
  readonly virtual_interrupts_per_s: Spread;
  readonly hypercalls_per_frame: Spread;
  /** Where there is an IOMMU. */
  readonly iotlb_hit_rate?: Spread;
  /** Likewise: page walks, and what they read of tables and of context entries, a frame that left. */
  readonly walks_per_frame?: Spread;
  readonly walk_reads_per_frame?: Spread;
}

/** All guests together use a tenth of the wire each way. */
export interface QuietPoint {
  /** From the driver's store to the last bit on the wire. */
  readonly send_p50_us: Spread;
  readonly send_p99_us: Spread;
  /** From the last bit at the card to the driver handing the frame up. */
  readonly receive_p50_us: Spread;
  readonly receive_p99_us: Spread;
}

/** One approach with so many guests. */
export interface ScalingPoint {
  readonly approach: string;
  readonly guests: number;
  /** How many of them are kept from each other's memory, as the approach promises. */
  readonly kept_apart: number;
  /** Why there is no such machine; then there is nothing else. */
  readonly impossible?: string;
  readonly greedy?: GreedyPoint;
  readonly quiet?: QuietPoint;
}

export interface ScalingResult {
  readonly experiment: 'scaling';
  readonly seed: number;
  readonly seeds: number;
  readonly quiet_warm_up_ns: number;
  readonly quiet_window_ns: number;
  readonly points: readonly ScalingPoint[];
  /** What the card waits for when it waits for walks. */
  readonly unit_changes: readonly UnitChangePoint[];
  readonly statements: readonly CheckedStatement[];
  readonly figures: readonly ComparedFigure[];
}

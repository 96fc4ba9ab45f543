/** One line of a bench table. Units stand in the keys, as everywhere. */
export type Row = Readonly<Record<string, string | number | null>>;

/** What a section gets from the bench that runs it. */
export interface BenchContext {
  /** Few repetitions: to see that everything runs, not to believe the figures. */
  readonly quick: boolean;

  /** Nanoseconds a packet of the floor loop, measured at the start of this very run. */
  floorNs(frameBytes: number): number;

  /** Says on stderr what is being measured. */
  progress(text: string): void;
}

/** One topic of the bench: a file in bench/sections that exports one of these. */
export interface Section {
  /** As `npm run bench -- --only NAME` spells it, and the key in the JSON. */
  readonly name: string;
  readonly title: string;

  /**
   * Measures. A row that has `nsPerOperation` (or `packetsPerSecond`) gets a `floorRatio` from the bench
   * unless it brings one: its time over the floor's for `frameBytes`, or for 60-byte frames when it has none.
   */
  run(context: BenchContext): readonly Row[] | Promise<readonly Row[]>;
}

/**
 * Who knows the time: an event kernel. A part that reads it here instead of taking it as an argument hands on no time, which
 * the engine allocates for each call from 2^31 ns on, 2.1 s after the start.
 */
export interface Clock {
  /** Virtual time, ns. */
  readonly nowNs: number;
}

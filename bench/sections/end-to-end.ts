import { GreedyMachine } from '../greedy-machine.js';
import { cpuNs, round, timingColumns } from '../measure.js';
import type { Row, Section } from '../section.js';

/** The approaches that the bench compares. */
export const PROTECTIONS = [
  'none',
  'cdna',
  'iommu:single-use',
  'iommu:deferred',
  'iommu:direct-map',
  'driver-domain',
] as const;
const CONTEXTS = [1, 32, 256, 1024, 4096] as const;
const FRAME_BYTES = [60, 1514] as const;
/** Two hundred microseconds of 100 Gb/s hold fewer; enough that a repetition lasts tens of milliseconds. */
const FRAMES = 60_000;
/** From here on a packet costs more: fewer packets per repetition. */
const MANY_CONTEXTS = 1024;
const FRAMES_OF_MANY = 20_000;
/** Once around every ring of 64 and a little more: only then is what was posted also finished, unmapped and reused. */
const STEADY_FRAMES_A_CONTEXT = 80;

/** Packets delivered, whole machine, beside the floor. */
export const endToEnd: Section = {
  name: 'end-to-end',
  title: 'End to end: greedy guests, DRR, every byte through memory, rings, gates, bus and wire',
  run({ stopwatch, progress, quick }) {
    const rows: Row[] = [];
    for (const protection of PROTECTIONS) {
      for (const contexts of quick ? [1, 32] : CONTEXTS) {
        for (const frameBytes of FRAME_BYTES) {
          progress(`end to end: ${protection}, ${contexts} contexts, ${frameBytes} bytes`);
          const machine = new GreedyMachine({ protection, contexts, frameBytes });
          if (!quick) machine.deliver(contexts * STEADY_FRAMES_A_CONTEXT);
          let [packets, events, virtualNs] = [0, 0, 0];
          const timing = stopwatch.time(
            (frames) => {
              const { executed, nowNs } = machine.kernel;
              const start = cpuNs();
              const delivered = machine.deliver(frames);
              // Of the last repetition, which is kept: the machine is steady by then.
              packets = delivered;
              events = machine.kernel.executed - executed;
              virtualNs = machine.kernel.nowNs - nowNs;
              return ((cpuNs() - start) * frames) / delivered;
            },
            {
              operations: contexts < MANY_CONTEXTS ? FRAMES : FRAMES_OF_MANY,
              repetitions: 5,
              warmUps: contexts < MANY_CONTEXTS ? 2 : 4,
              frameBytes,
            },
          );
          const columns = timingColumns(timing);
          rows.push({
            protection,
            contexts,
            frameBytes,
            packetsPerSecond: Math.round(1e9 / timing.medianNs),
            // The amount of work: a machine that waits for table walks wakes its guests for each packet.
            eventsPerPacket: round(events / packets),
            virtualNsPerPacket: round(virtualNs / packets),
            ...columns,
          });
        }
      }
    }
    return rows;
  },
};

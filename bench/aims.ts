import type { Row } from './section.js';
import { UNOBSERVED } from './sections/streams.js';

/** The findings of a section, by its name. */
export type Findings = ReadonlyMap<string, readonly Row[]>;

const MET = 'met';
const MISSED = 'missed';
const UNKNOWN = 'not measured';

/** One of the figures that the bench is to reach. */
interface Aim {
  readonly aim: string;
  /** What was reached, and whether that is enough; undefined when its section did not run. */
  readonly judge: (findings: Findings) => { readonly reached: string; readonly met: boolean } | undefined;
}

const AIMS: readonly Aim[] = [
  pairAim('cdna 60 B over flat', 1.9),
  pairAim('cdna 1,514 B over flat', 1.7),
  pairAim('four-guests, warm, per frame, over flat cdna 60 B', 8),
  ...['cdna', 'iommu:single-use'].flatMap((protection) =>
    ['4,096', '16,384'].map((contexts) =>
      pairAim(`${protection} 60 B, per event, ${contexts} contexts over 32`, 1.5),
    ),
  ),
  recordedAim('trace', 3),
  recordedAim('pcapng', 1.5),
  ...['none', 'cdna', 'iommu:single-use', 'iommu:deferred', 'iommu:direct-map', 'driver-domain'].map(
    (protection): Aim => ({
      aim: `${protection}: at most 16 bytes allocated per packet`,
      judge: (findings) => {
        const rows = findings.get('allocation')?.filter((row) => row.protection === protection);
        return most(rows, 'bytesPerPacket', 16, 'bytes', (row) => [`${row.frameBytes} bytes per frame`]);
      },
    }),
  ),
  {
    aim: 'own memory beyond rings and buffers: at most 8,192 bytes per context',
    judge: (findings) =>
      most(
        // Rings of two slots: memory of slots and buffers does not count.
        findings.get('memory')?.filter(({ transmitSlots }) => transmitSlots === 2),
        'ownBytesPerContext',
        8192,
        'bytes',
        (row) => [row.protection, `${row.contexts} contexts`],
      ),
  },
  {
    aim: 'streams with no subscriber: upper end of the 95 % interval under 3 %',
    judge: (findings) => {
      const rows = findings.get('streams')?.filter(({ subscribers }) => subscribers === UNOBSERVED);
      return most(rows, 'highPercent', 3, '%', (row) => [`${row.frameBytes} bytes`], false);
    },
  },
  ...(
    [
      ['threads', 2],
      ['queue', 5],
    ] as const
  ).map(
    ([way, limit]): Aim => ({
      aim: `a sweep of 10,000 short runs, ${way}: under ${limit} ms of CPU time are added to a run`,
      judge: (findings) => {
        const rows = findings.get('sweeps')?.filter((row) => row.way === way);
        return most(rows, 'addedCpuMsPerRun', limit, 'ms', (row) => [`${row.runs} runs`], false);
      },
    }),
  ),
  startAim('--help', 1.4),
  startAim('run --duration 1ms', 5),
];

/** Every aim, what was reached of it, and whether that is enough. */
export function aimRows(findings: Findings): Row[] {
  return AIMS.map(({ aim, judge }) => {
    const verdict = judge(findings);
    if (verdict === undefined) return { aim, reached: null, verdict: UNKNOWN };
    return { aim, reached: verdict.reached, verdict: verdict.met ? MET : MISSED };
  });
}

/** A row of the section that runs two processes alternately. */
function pairAim(pair: string, times: number): Aim {
  return {
    aim: `${pair}: at most ${times} x`,
    judge: (findings) => {
      const row = findings.get('paired')?.find((other) => other.pair === pair);
      if (row === undefined) return undefined;
      const ratio = number(row, 'ratio');
      return { reached: `${Number(ratio.toPrecision(3))} x`, met: ratio <= times };
    },
  };
}

function recordedAim(recording: string, times: number): Aim {
  return {
    aim: `${recording} over an unrecorded run, cdna: at most ${times} x`,
    judge: (findings) => {
      const rows = findings
        .get('recorded')
        ?.filter((row) => row.protection === 'cdna' && row.recording === recording);
      return most(rows, 'timesOff', times, 'x', (row) => [`${row.frameBytes} bytes`]);
    },
  };
}

function startAim(call: string, times: number): Aim {
  return {
    aim: `${call}, built: at most ${times} x the time of node -e 0`,
    judge: (findings) => {
      const row = findings.get('programs')?.find((other) => other.call === call && other.way === 'node dist');
      if (row === undefined || typeof row.timesNode !== 'number') return undefined;
      return { reached: `${row.timesNode} x`, met: row.timesNode <= times };
    },
  };
}

/** The largest of a column decides. `limitIsEnough`: "at most" where it is true, "under" where it is false. */
function most(
  rows: readonly Row[] | undefined,
  column: string,
  limit: number,
  unit: string,
  where: (row: Row) => readonly (string | number | null | undefined)[],
  limitIsEnough = true,
): { reached: string; met: boolean } | undefined {
  const worst = rows
    ?.filter((row) => Number.isFinite(row[column]))
    .sort((a, b) => number(b, column) - number(a, column))[0];
  if (worst === undefined) return undefined;
  const value = Number(number(worst, column).toPrecision(3));
  return {
    reached: `${value.toLocaleString('en')} ${unit} at most (${where(worst).join(', ')})`,
    met: limitIsEnough ? number(worst, column) <= limit : number(worst, column) < limit,
  };
}

function number(row: Row, column: string): number {
  const value = row[column];
  return typeof value === 'number' ? value : Number.NaN;
}

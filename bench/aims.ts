import type { Row } from './section.js';
import { PROTECTIONS } from './sections/end-to-end.js';
import { UNOBSERVED } from './sections/streams.js';

/** The findings of a section, by its name. */
export type Findings = ReadonlyMap<string, readonly Row[]>;

const MET = 'met';
const MISSED = 'missed';
const UNKNOWN = 'not measured';

/**
 * One of the figures that the bench is to reach. That of all tests together (180 s of CPU time and what was added to them
 * since) is not among them: nothing here starts them.
 */
interface Aim {
  readonly aim: string;
  /** What was reached, and whether that is enough; undefined when its section did not run. */
  readonly judge: (findings: Findings) => { readonly reached: string; readonly met: boolean } | undefined;
}

/** Half of what a driver domain took over the reference before anything was made faster, with the code of 00dcd34. */
const DRIVER_DOMAIN_TIMES = 4.4;
const KILOBYTES_8 = 8192;

const AIMS: readonly Aim[] = [
  pairAim('cdna 60 B over flat', 1.9),
  pairAim('cdna 1,514 B over flat', 1.7),
  pairAim('direct-map 60 B over flat', 2),
  pairAim('single-use 60 B over flat', 2),
  pairAim('driver-domain 60 B over flat cdna', DRIVER_DOMAIN_TIMES),
  leastPairAim('ns-3, 32 flows, 60 B over cdna', 16),
  leastPairAim('ns-3, 32 flows, 1,514 B over cdna', 8),
  leastPairAim('ns-3, 1,024 flows, 60 B over cdna', 30),
  leastPairAim('ns-3, 1,024 flows, 1,514 B over cdna', 16),
  ...PROTECTIONS.map((protection) => pairAim(`${protection} 60 B, per event, 4,096 contexts over 32`, 1.5)),
  pairAim('four-guests, warm, per frame, over flat cdna 60 B', 8),
  recordedAim('trace', 3),
  recordedAim('pcapng', 1.5),
  ...PROTECTIONS.map(
    (protection): Aim => ({
      aim: `${protection}: at most 16 bytes allocated per packet`,
      judge: (findings) => {
        const rows = findings.get('allocation')?.filter((row) => row.protection === protection);
        return most(rows, 'bytesPerPacket', 16, 'bytes', (row) => [
          `${row.frameBytes} bytes per frame that is ${row.traffic ?? 'sent'}`,
        ]);
      },
    }),
  ),
  contextAim('own memory beyond rings and buffers', 'ownBytesPerContext', KILOBYTES_8, 'bytes'),
  contextAim('objects on the heap', 'heapObjectsPerContext', 25, 'objects'),
  {
    aim: '16,384 contexts are open in under 2 s of CPU time',
    judge: (findings) => {
      const rows = findings.get('set-up')?.filter(({ contexts }) => contexts === 16_384);
      return most(rows, 'cpuSeconds', 2, 's', (row) => [row.protection], false);
    },
  },
  programAim('compare scenarios/four-guests.json', 'cpuMilliseconds', 4000, 'ms of CPU time'),
  programAim('compare scenarios/four-guests.json --duration 2s', 'milliseconds', 14_000, 'ms'),
  programAim('--help', 'timesNode', 1.4, 'x the time of node -e 0'),
  programAim('run --duration 1ms', 'timesNode', 5, 'x the time of node -e 0'),
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
    judge: (findings) => ratioOf(findings, pair, (ratio) => ratio <= times),
  };
}

function leastPairAim(pair: string, times: number): Aim {
  return {
    aim: `${pair}: at least ${times} x`,
    judge: (findings) => ratioOf(findings, pair, (ratio) => ratio >= times),
  };
}

function ratioOf(findings: Findings, pair: string, isEnough: (ratio: number) => boolean) {
  const ratio = findings.get('paired')?.find((other) => other.pair === pair)?.ratio;
  if (typeof ratio !== 'number') return undefined;
  return { reached: `${Number(ratio.toPrecision(3))} x`, met: isEnough(ratio) };
}

/** What one context costs, with rings of two slots: memory of slots and buffers does not count. */
function contextAim(what: string, column: string, limit: number, unit: string): Aim {
  return {
    aim: `${what}: at most ${limit.toLocaleString('en')} ${unit} per context`,
    judge: (findings) => {
      const rows = findings.get('memory')?.filter(({ transmitSlots }) => transmitSlots === 2);
      return most(rows, column, limit, unit, (row) => [row.protection, `${row.contexts} contexts`]);
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

/** A call of the built command line. */
function programAim(call: string, column: string, limit: number, unit: string): Aim {
  return {
    aim: `${call}, built: at most ${limit.toLocaleString('en')} ${unit}`,
    judge: (findings) => {
      const row = findings.get('programs')?.find((other) => other.call === call && other.way === 'node dist');
      const value = row?.[column];
      if (typeof value !== 'number') return undefined;
      return { reached: `${Number(value.toPrecision(3)).toLocaleString('en')} ${unit}`, met: value <= limit };
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

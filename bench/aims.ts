import type { Row } from './section.js';

/** What a section found, by its name. */
export type Findings = ReadonlyMap<string, readonly Row[]>;

const MET = 'met';
const MISSED = 'missed';
const UNKNOWN = 'not measured';

/** One of the figures that the bench is there to reach. */
interface Aim {
  readonly aim: string;
  /** What was reached, and whether that is enough; undefined when its section did not run. */
  readonly judge: (findings: Findings) => { readonly reached: string; readonly met: boolean } | undefined;
}

const AIMS: readonly Aim[] = [
  {
    aim: 'cdna, 32 contexts, 1,514 bytes: at least 1,200,000 packets a second, or at most 9 x the floor',
    judge: (findings) => {
      const row = endToEnd(findings, 'cdna', 1514);
      if (row === undefined) return undefined;
      const [perSecond, ratio] = [number(row, 'packetsPerSecond'), number(row, 'floorRatio')];
      return {
        reached: `${perSecond.toLocaleString('en')} a second, ${ratio} x`,
        met: perSecond >= 1_200_000 || ratio <= 9,
      };
    },
  },
  floorAim('cdna', 60, 10),
  floorAim('iommu:single-use', 60, 14),
  floorAim('iommu:single-use', 1514, 14),
  floorAim('iommu:direct-map', 60, 10),
  floorAim('iommu:direct-map', 1514, 10),
  manyContextsAim('cdna'),
  manyContextsAim('any approach'),
  {
    aim: 'own memory beyond rings and buffers: at most 16,384 bytes a context',
    judge: (findings) =>
      most(
        // Rings of two slots: what belongs to slots and buffers is not asked about.
        findings.get('memory')?.filter(({ transmitSlots }) => transmitSlots === 2),
        'ownBytesPerContext',
        16_384,
        'bytes',
        (row) => [row.protection, `${row.contexts} contexts`],
      ),
  },
  {
    aim: 'streams with nobody subscribed: under 5 %',
    judge: (findings) => {
      const rows = findings
        .get('streams')
        ?.filter(({ subscribers }) => subscribers === 'nobody, over without');
      return most(rows, 'costPercent', 5, '%', (row) => [`${row.frameBytes} bytes`], false);
    },
  },
  ...['none', 'cdna', 'iommu:single-use', 'iommu:deferred', 'iommu:direct-map', 'driver-domain'].map(
    (protection): Aim => ({
      aim: `${protection}: under 16 bytes allocated a packet`,
      judge: (findings) => {
        const rows = findings.get('allocation')?.filter((row) => row.protection === protection);
        return most(rows, 'bytesPerPacket', 16, 'bytes', (row) => [`${row.frameBytes} bytes a frame`], false);
      },
    }),
  ),
  wallAim('compare --help', 'node dist', 300),
  wallAim('compare --help', 'node with tsx', 300),
  wallAim('compare', 'node dist', 10_000),
  wallAim('compare', 'node with tsx', 10_000),
];

/** Every aim, what was reached of it, and whether that is enough. */
export function aimRows(findings: Findings): Row[] {
  return AIMS.map(({ aim, judge }) => {
    const verdict = judge(findings);
    if (verdict === undefined) return { aim, reached: null, verdict: UNKNOWN };
    return { aim, reached: verdict.reached, verdict: verdict.met ? MET : MISSED };
  });
}

function floorAim(protection: string, frameBytes: number, times: number): Aim {
  return {
    aim: `${protection}, 32 contexts, ${frameBytes.toLocaleString('en')} bytes: at most ${times} x the floor`,
    judge: (findings) => {
      const row = endToEnd(findings, protection, frameBytes);
      if (row === undefined) return undefined;
      const ratio = number(row, 'floorRatio');
      return { reached: `${ratio} x`, met: ratio <= times };
    },
  };
}

function manyContextsAim(who: string): Aim {
  return {
    aim: `${who}: a packet at 4,096 contexts at most 2.5 x the time at 32`,
    judge: (findings) => {
      const rows = findings.get('end-to-end')?.filter(({ contexts }) => contexts === 4096) ?? [];
      const growth = rows
        .filter(({ protection }) => who === 'any approach' || protection === who)
        .map((row) => {
          const { protection, frameBytes } = row;
          const few = endToEnd(findings, String(protection), Number(frameBytes));
          return {
            protection: protection ?? null,
            frameBytes: frameBytes ?? null,
            times: few === undefined ? Number.NaN : number(row, 'floorRatio') / number(few, 'floorRatio'),
          };
        });
      return most(growth, 'times', 2.5, 'x', (row) => [row.protection, `${row.frameBytes} bytes`]);
    },
  };
}

function wallAim(call: string, way: string, ms: number): Aim {
  return {
    aim: `${call} (${way}): under ${ms.toLocaleString('en')} ms`,
    judge: (findings) => {
      const row = findings.get('programs')?.find((other) => other.call === call && other.way === way);
      if (row === undefined || row.milliseconds === null) return undefined;
      const took = number(row, 'milliseconds');
      return { reached: `${Math.round(took).toLocaleString('en')} ms`, met: took < ms };
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

function endToEnd(findings: Findings, protection: string, frameBytes: number): Row | undefined {
  return findings
    .get('end-to-end')
    ?.find((row) => row.protection === protection && row.frameBytes === frameBytes && row.contexts === 32);
}

function number(row: Row, column: string): number {
  const value = row[column];
  return typeof value === 'number' ? value : Number.NaN;
}

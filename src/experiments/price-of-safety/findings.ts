import { InvariantViolation } from '../../../scheduler/errors.js';
import { present } from '../../../scheduler/present.js';
import { spanText } from '../../report/metrics/spread.js';
import { type ComparedFigure, compareFigure } from '../published.js';
import type { CheckedStatement } from '../statements.js';
import { ATC_2008 } from '../strategies/findings.js';
import type { BalloonPoint } from './balloon.js';
import { SETTINGS } from './bench.js';
import { MEASURED, type MeasuredPrice, mostRises, type PricePoint } from './measure.js';
import { INCOMPARABLE, type IncomparableFigure, MOST_RISE, OLS_2007 } from './published.js';

/** "Up to" so much more CPU, beside the case in which it rose most with flush-on-wrap. Nothing was fitted to them. */
export function priceFigures(measured: readonly MeasuredPrice[]): ComparedFigure[] {
  return SETTINGS.map((setting) => compareFigure(MOST_RISE[setting], mostRises(measured, setting, MEASURED)));
}

/** A figure of another machine, what we have nearest to it, and why no error is named. */
export interface BesideFigure extends IncomparableFigure {
  readonly ours: number;
}

/** On the metal, large messages, the core full. */
export function besideOurs(points: readonly PricePoint[]): BesideFigure[] {
  const share = (approach: string, direction: PricePoint['direction']) =>
    the(
      points,
      (one) => one.setting === 'metal' && one.message === 'large' && one.direction === direction,
      approach,
    ).full_share_percent.mean;
  const lost = 100 - share('iommu:single-use', 'receive');
  return [
    { ...INCOMPARABLE.strict, ours: share('iommu:single-use', 'transmit') },
    { ...INCOMPARABLE.deferred, ours: share('iommu:deferred', 'transmit') },
    { ...INCOMPARABLE.strictWalker, ours: Number(lost.toFixed(4)) },
  ];
}

/** Less than this of a frame rate is noise of arrivals at the edges of the window. */
const HARDLY = 1;
/** Points of percent in which a strategy that does nothing may differ from none. */
const NOTHING = 0.1;

/** Published statements, about CPU and throughput and about memory. */
export function priceStatements(
  points: readonly PricePoint[],
  balloon: readonly BalloonPoint[],
): CheckedStatement[] {
  return [
    ...overheadStatements(points),
    ballooningStatement(balloon),
    ...cheaperStatements(points),
    pinningStatement(balloon),
  ];
}

function risesOf(points: readonly PricePoint[], approach: string): number[] {
  return points.filter((one) => one.approach === approach).map(({ rise_percent }) => rise_percent.mean);
}

/** Where the overhead shows, and where there is none. */
function overheadStatements(points: readonly PricePoint[]): CheckedStatement[] {
  const lost = points.map((one) => {
    const base = the(points, (other) => isSameCase(one, other), 'none');
    return 100 * (1 - one.frames_per_s / base.frames_per_s);
  });
  const most = Math.max(...lost);
  const worst = SETTINGS.map((setting) => {
    const measured = points.filter((one) => one.setting === setting && one.approach === MEASURED);
    return measured.reduce((worse, one) => (one.rise_percent.mean > worse.rise_percent.mean ? one : worse));
  });
  const direct = Math.max(...risesOf(points, 'iommu:direct-map').map(Math.abs));
  return [
    {
      statement: 'Throughput hardly falls; it is the CPU that pays.',
      source: OLS_2007,
      certainty: 'M',
      test: `frames per second at the fixed load within ${HARDLY} % of those without, every approach`,
      holds: most < HARDLY,
      ours: `${most.toFixed(2)} % less at most`,
    },
    {
      statement: 'Small messages are worst.',
      source: OLS_2007,
      certainty: 'M',
      test: 'the case in which CPU rises most under flush-on-wrap, in both settings',
      holds: worst.every(({ message }) => message === 'small'),
      ours: worst
        .map(
          ({ setting, message, direction, rise_percent }) =>
            `${setting}: ${message} ${direction} (+${rise_percent.mean.toFixed(0)} %)`,
        )
        .join(', '),
    },
    {
      statement: 'Direct map has the least overhead, that of the native machine.',
      source: ATC_2008,
      certainty: 'S',
      test: `CPU within ${NOTHING} % of that without, every case`,
      holds: direct < NOTHING,
      ours: `${direct.toFixed(2)} % at most`,
    },
  ];
}

/** What strategies save that let go of strictness, or copy. */
function cheaperStatements(points: readonly PricePoint[]): CheckedStatement[] {
  const strict = risesOf(points, 'iommu:single-use');
  const lazy = risesOf(points, 'iommu:deferred');
  const wrapped = risesOf(points, MEASURED);
  const shadow = points
    .filter((one) => one.approach === 'iommu:shadow-copy')
    .map(({ full_share_percent }) => 100 - full_share_percent.mean);
  return [
    {
      statement: 'Not flushing on every unmap is cheaper.',
      source: OLS_2007,
      certainty: 'M',
      test: 'CPU rises less under flush-on-wrap and under deferred than under single-use, every case',
      holds: [wrapped, lazy].every((some) => some.every((rise, index) => rise < present(strict[index]))),
      ours: `${spanText(wrapped)} % and ${spanText(lazy)} % against ${spanText(strict)} %`,
    },
    {
      statement: 'Shadow buffers cost 0 to 25 % of the throughput without an IOMMU.',
      source: 'Markuze et al., True IOMMU Protection, ASPLOS 2016, 40 Gb/s',
      certainty: 'S',
      test: 'frames per second of a full core under shadow-copy, every case',
      // A poll of 64 frames is what a window is exact to.
      holds: shadow.every((percent) => percent < 25 && percent > -2),
      ours: `${spanText(shadow)} % fewer`,
    },
  ];
}

function ballooningStatement(balloon: readonly BalloonPoint[]): CheckedStatement {
  const pinnedAll = balloon.find(({ approach }) => approach === 'iommu:direct-map');
  return {
    statement: 'A map made once at the start defeats ballooning.',
    source: OLS_2007,
    certainty: 'S',
    test: 'pages that the balloon gets under direct-map',
    holds: pinnedAll?.reclaimed.most === 0,
    ours: `${pinnedAll?.reclaimed.most} of ${pinnedAll?.asked.toFixed(0)}; ${pinnedAll?.most_pinned_pages.most} pages pinned`,
  };
}

function pinningStatement(balloon: readonly BalloonPoint[]): CheckedStatement {
  const late = balloon.filter(({ late_accesses }) => late_accesses.most > 0).map(({ approach }) => approach);
  return {
    statement: 'Pinning what is in flight keeps devices off pages that have a new owner.',
    source: 'reference counts, CDNA, HPCA 2007',
    certainty: 'M+',
    test: 'approaches under which a device touched a page that its guest no longer had',
    holds: late.length === 1 && late[0] === 'none',
    ours: late.join(', '),
  };
}

function isSameCase(one: PricePoint, other: PricePoint): boolean {
  return one.setting === other.setting && one.message === other.message && one.direction === other.direction;
}

function the(
  points: readonly PricePoint[],
  isCase: (point: PricePoint) => boolean,
  approach: string,
): PricePoint {
  const found = points.find((one) => one.approach === approach && isCase(one));
  if (found === undefined) throw new InvariantViolation(`there is no such point of ${approach}`);
  return found;
}

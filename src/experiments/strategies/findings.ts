import { InvariantViolation } from '../../../scheduler/errors.js';
import { APPROACHES } from '../mapping-approaches.js';
import { type ComparedFigure, compareFigure, type ReferenceFigure } from '../published.js';
import type { CheckedStatement } from '../statements.js';
import type { MeasuredStrategy, StrategyPoint } from './measure.js';
import { WORKLOADS } from './workloads.js';

export const ATC_2008 = 'Willmann, Rixner, Cox, USENIX ATC 2008';

/** The one figure of ATC 2008 that we know of: "near 100 %" in steady state. Its shares of the CPU were not found. */
const PERSISTENT_REUSE: ReferenceFigure = {
  name: 'persistent: mappings reused',
  value: 100,
  unit: '%',
  source: ATC_2008,
  certainty: 'M',
};

const PERSISTENT = 'iommu:persistent';
/** Strategies that unmap when a transfer is over, at once or later. */
const UNMAPPING = ['iommu:single-use', 'iommu:shared', 'iommu:deferred', 'iommu:contiguous'] as const;

/** Reuse under persistent mappings, per workload. Nothing was fitted to it. */
export function strategyFigures(measured: readonly MeasuredStrategy[]): ComparedFigure[] {
  return WORKLOADS.map(({ name, title }) => {
    const found = measured.find(({ workload, approach }) => workload === name && approach === PERSISTENT);
    if (found === undefined) throw new InvariantViolation(`${PERSISTENT} was not measured (${name})`);
    return compareFigure(
      { ...PERSISTENT_REUSE, name: `${PERSISTENT_REUSE.name}, ${title}` },
      found.runs.map(({ reuse }) => 100 * (reuse ?? Number.NaN)),
    );
  });
}

/** What a strategy that does nothing at run time may differ from none, ns per frame: interrupts may fall a little otherwise. */
const NOTHING_NS = 10;

/** What ATC 2008 says in words. CPU is compared per frame: a slower closed loop asks for fewer frames. */
export function strategyStatements(points: readonly StrategyPoint[]): CheckedStatement[] {
  const cost = (workload: string, approach: string) => {
    const found = points.find((point) => point.workload === workload && point.approach === approach);
    if (found === undefined) throw new InvariantViolation(`${approach} was not measured (${workload})`);
    return found.protection_ns_per_frame.mean;
  };
  const workloads = WORKLOADS.map(({ name }) => name);
  const every = (holds: (workload: string) => boolean) => workloads.every(holds);
  const list = (approaches: readonly string[]) =>
    WORKLOADS.map(
      ({ name, title }) =>
        `${title} ${approaches.map((approach) => Math.round(cost(name, approach)) + 0).join('/')}`,
    ).join(', ');
  const reuse = (approach: string) =>
    points
      .filter((point) => point.approach === approach)
      .map(({ reuse_percent }) => reuse_percent?.mean ?? Number.NaN);
  const hardware = APPROACHES.filter((name) => name.startsWith('iommu:'));
  const direct = workloads.map((workload) => Math.abs(cost(workload, 'iommu:direct-map')));
  const shared = reuse('iommu:shared');
  return [
    {
      statement: 'Direct map has the least overhead, that of the native machine.',
      source: ATC_2008,
      certainty: 'S',
      test: `less than ${NOTHING_NS} ns of CPU per frame, every workload`,
      holds: Math.max(...direct) < NOTHING_NS,
      ours: `${Math.max(...direct).toFixed(0)} ns at most`,
    },
    {
      statement: 'Mapping only what is in I/O costs, and reusing mappings aggressively cuts the cost.',
      source: ATC_2008,
      certainty: 'S',
      test: 'ns per frame: single-use > shared > persistent, every workload',
      holds: every(
        (workload) =>
          cost(workload, 'iommu:single-use') > cost(workload, 'iommu:shared') &&
          cost(workload, 'iommu:shared') > cost(workload, PERSISTENT),
      ),
      ours: list(['iommu:single-use', 'iommu:shared', PERSISTENT]),
    },
    {
      statement: 'Persistent mappings are reused nearly always once the machine is steady.',
      source: ATC_2008,
      certainty: 'M',
      test: 'reuse of 99 % and more, every workload',
      holds: Math.min(...reuse(PERSISTENT)) >= 99,
      ours: `${Math.min(...reuse(PERSISTENT)).toFixed(1)} % at least`,
    },
    {
      statement: 'Sharing saves work only where transfers overlap on a page.',
      source: ATC_2008,
      certainty: 'M',
      test: 'reuse of at most one buffer in two (a page has two), none without overlap; single-use none',
      holds:
        shared.every((percent) => percent > 0 && percent < 51) &&
        Math.max(...reuse('iommu:single-use')) === 0,
      ours: `shared ${shared.map((percent) => percent.toFixed(0)).join(', ')} %`,
    },
    {
      statement: 'Software without an IOMMU is competitive with hardware strategies, and sometimes better.',
      source: ATC_2008,
      certainty: 'S',
      test: `ns per frame: CDNA below ${UNMAPPING.map((name) => name.replace('iommu:', '')).join(', ')}, every workload`,
      holds: every((workload) => UNMAPPING.every((other) => cost(workload, 'cdna') < cost(workload, other))),
      ours: list(['cdna', ...UNMAPPING]),
    },
    {
      statement: 'Sometimes better, so not always.',
      source: ATC_2008,
      certainty: 'D',
      test: 'in each workload a strategy that keeps mappings costs less than CDNA',
      holds: every((workload) => hardware.some((other) => cost(workload, other) < cost(workload, 'cdna'))),
      ours: list(['cdna', PERSISTENT, 'iommu:direct-map']),
    },
  ];
}

import { present } from '../../../scheduler/present.js';
import { total } from '../../../scheduler/tally.js';
import type { RunResult } from '../../machine/run-result.js';
import type { Metric } from './metric.js';
import { isFewForP99, metrics, type NumberMetric } from './number-metric.js';

type Kind = RunResult['cpu']['domains'][number]['kind'];

/** Domains of a kind, and what each took of the cores. */
export function cpuDomains({ cpu }: RunResult, kind: Kind): RunResult['cpu']['domains'] {
  return cpu.domains.filter((domain) => domain.kind === kind);
}

/** Fraction of all cores that domains of a kind were busy. */
export function cpuFraction(run: RunResult, kind: Kind): number {
  return cpuDomains(run, kind).reduce((sum, { fraction }) => sum + fraction, 0);
}

/** The guest whose frames wait longest at the 99th percentile; undefined when no frame left. */
function worstLatency({
  guests,
}: RunResult): { readonly guest: string; readonly p99Ns: number; readonly isOfFew: boolean } | undefined {
  let worst: ReturnType<typeof worstLatency>;
  for (const { name, latencyNs } of guests) {
    if (latencyNs !== undefined && latencyNs.p99Ns > (worst?.p99Ns ?? -1)) {
      worst = { guest: name, p99Ns: latencyNs.p99Ns, isOfFew: isFewForP99(latencyNs) };
    }
  }
  return worst;
}

/** A counter of the approach; undefined where the approach has none of the kind. */
function detail(name: string): (run: RunResult) => number | undefined {
  return ({ protectionDetails }) => protectionDetails[name];
}

type Balloon = NonNullable<RunResult['memory']['balloon']>;

function ofBalloon(of: (balloon: Balloon) => number | undefined): (run: RunResult) => number | undefined {
  return ({ memory: { balloon } }) => (balloon === undefined ? undefined : of(balloon));
}

type FlowControl = NonNullable<RunResult['flowControl']>;

function ofFlowControl(of: (classes: FlowControl) => number): (run: RunResult) => number | undefined {
  return ({ flowControl }) => (flowControl === undefined ? undefined : of(flowControl));
}

/** Over all traffic classes with flow control. */
function flowControlSum(of: (one: FlowControl[number]) => number): (run: RunResult) => number | undefined {
  return ofFlowControl((classes) => classes.reduce((sum, one) => sum + of(one), 0));
}

const run = <Id extends string>(table: Readonly<Record<Id, Omit<NumberMetric<RunResult>, 'id'>>>) =>
  metrics<RunResult, Id>(table);

/** What guests get from a run, all together. */
export const TRAFFIC_METRICS = run({
  goodputBps: {
    title: 'Goodput out',
    head: 'goodput\nMb/s',
    unit: 'bit/s',
    sentence: 'Bits of frames that left, without preamble, check sequence and gap, per second of the run.',
    source: 'goodputBps',
    of: ({ goodputBps }) => goodputBps,
  },
  receiveGoodputBps: {
    title: 'Goodput in',
    head: 'in\nMb/s',
    unit: 'bit/s',
    sentence: 'The same of frames that reached guest memory.',
    source: 'receiveGoodputBps',
    of: ({ receiveGoodputBps }) => receiveGoodputBps,
  },
  framesTransmitted: {
    title: 'Frames out',
    head: 'frames\nout',
    unit: 'count',
    sentence: 'Frames that left on the wire.',
    source: 'framesTransmitted',
    of: ({ framesTransmitted }) => framesTransmitted,
  },
  framesReceived: {
    title: 'Frames in',
    head: 'frames\nin',
    unit: 'count',
    sentence: 'Frames that reached guest memory.',
    source: 'framesReceived',
    of: ({ framesReceived }) => framesReceived,
  },
  wireBusyFraction: {
    title: 'Wire busy',
    head: 'wire\n%',
    unit: 'fraction',
    sentence: 'Fraction of the run during which the wire out carried a frame, its preamble or its gap.',
    source: 'wireBusyFraction',
    of: ({ wireBusyFraction }) => wireBusyFraction,
  },
  worstLatencyP99Ns: {
    title: 'Latency of the guest that waits longest, p99',
    head: 'worst\np99 us',
    unit: 'ns',
    sentence:
      'The 99th percentile from the store to the last bit on the wire, of the guest for which it is largest. Percentiles of guests with different loads are never pooled.',
    source: 'guests[].latencyNs.p99Ns',
    of: (result) => worstLatency(result)?.p99Ns,
    isOfFew: (result) => worstLatency(result)?.isOfFew === true,
  },
  jainIndex: {
    title: "Jain's index",
    head: "Jain's\nindex",
    unit: '',
    digits: 3,
    sentence: "Jain's index of what each guest got of its due: 1 when all got the same part of it.",
    source: 'fairness.jainIndex',
    of: ({ fairness }) => fairness.jainIndex,
  },
  largestGapBytes: {
    title: 'Largest gap',
    head: 'gap\nbytes',
    unit: 'bytes',
    sentence:
      'Largest difference of normalised service between two contexts over any interval in which both were backlogged, in bytes per unit of weight.',
    source: 'fairness.largestGapBytes',
    of: ({ fairness }) => (fairness.pair === undefined ? undefined : fairness.largestGapBytes),
  },
  gapBoundBytes: {
    title: 'Relative fairness bound',
    head: 'bound\nbytes',
    unit: 'bytes',
    sentence:
      'What the discipline promises that gap not to exceed (Golestani 1994); none where it promises nothing.',
    source: 'fairness.boundBytes',
    // Where no two contexts met there is nothing to compare a bound with.
    of: ({ fairness }) => (fairness.pair === undefined ? undefined : fairness.boundBytes),
  },
});

/** What a run costs. */
export const COST_METRICS = run({
  cpuBusyFraction: {
    title: 'CPU busy',
    head: 'CPU\n%',
    unit: 'fraction',
    sentence: 'CPU time of all domains, as a fraction of all cores.',
    source: '1 - cpu.idleFraction',
    of: ({ cpu }) => 1 - cpu.idleFraction,
  },
  hypervisorFraction: {
    title: 'Hypervisor',
    head: 'hyper-\nvisor %',
    unit: 'fraction',
    sentence: 'CPU time of the hypervisor, as a fraction of all cores.',
    source: 'cpu.domains',
    of: (result) => cpuFraction(result, 'hypervisor'),
  },
  driverDomainFraction: {
    title: 'Driver domain',
    head: 'driver\ndom. %',
    unit: 'fraction',
    sentence: 'CPU time of the driver domain, as a fraction of all cores.',
    source: 'cpu.domains',
    of: (result) => cpuFraction(result, 'driver-domain'),
  },
  guestsFraction: {
    title: 'Guests',
    head: 'guests\n%',
    unit: 'fraction',
    sentence: 'CPU time of all guests, as a fraction of all cores.',
    source: 'cpu.domains',
    of: (result) => cpuFraction(result, 'guest'),
  },
  idleFraction: {
    title: 'Idle',
    head: 'idle\n%',
    unit: 'fraction',
    sentence: 'CPU time of no domain, as a fraction of all cores.',
    source: 'cpu.idleFraction',
    of: ({ cpu }) => cpu.idleFraction,
  },
  hypercalls: {
    title: 'Hypercalls',
    head: 'hyper-\ncalls',
    unit: 'count',
    sentence: 'Calls of guests into the hypervisor.',
    source: 'hypercalls',
    of: ({ hypercalls }) => hypercalls,
  },
  pinsTaken: {
    title: 'Pins taken',
    head: 'pins',
    unit: 'count',
    sentence: 'References that were taken on pages to pin them.',
    source: 'pins.taken',
    of: ({ pins }) => pins.taken,
  },
  mostPinnedPages: {
    title: 'Pinned memory at most',
    head: 'pinned\nMB',
    unit: 'pages',
    sentence: 'Most memory at any sample that was pinned for DMA and could be given to no other domain.',
    source: 'memory.mostPinnedPages',
    of: ({ memory }) => memory.mostPinnedPages,
  },
  accessGateNs: {
    title: 'Delay at the access gate',
    head: 'gate\nns',
    unit: 'ns per access',
    digits: 1,
    sentence: 'Mean time that translation and checks add to a DMA access.',
    source: 'accessGate.meanDelayNs',
    of: ({ accessGate }) => accessGate.meanDelayNs,
  },
  physicalInterrupts: {
    title: 'Physical interrupts',
    head: 'inter-\nrupts',
    unit: 'count',
    sentence: 'Interrupts that the card raised.',
    source: 'interrupts.physical',
    of: ({ interrupts }) => interrupts.physical,
  },
  virtualInterrupts: {
    title: 'Virtual interrupts',
    head: 'virtual\nirqs',
    unit: 'count',
    sentence: 'Interrupts that the hypervisor delivered to guests.',
    source: 'interrupts.virtual',
    of: ({ interrupts }) => interrupts.virtual,
  },
});

/** What the IOMMU did; nothing where an approach has none. */
export const IOMMU_METRICS = run({
  translations: {
    title: 'Translations',
    unit: 'count',
    sentence: 'Accesses of the card that the IOMMU translated.',
    source: 'protectionDetails.translations',
    of: detail('translations'),
  },
  iotlbHits: {
    title: 'IOTLB hits',
    unit: 'count',
    sentence: 'Translations that the IOTLB answered.',
    source: 'protectionDetails.iotlbHits',
    of: detail('iotlbHits'),
  },
  iotlbHitRate: {
    title: 'IOTLB hit rate',
    unit: 'fraction',
    sentence: 'Translations that the IOTLB answered, of all.',
    source: 'protectionDetails.iotlbHits / protectionDetails.translations',
    of: ({ protectionDetails: { translations, iotlbHits } }) =>
      translations === undefined || translations === 0 ? undefined : present(iotlbHits) / translations,
  },
  sharedWalks: {
    title: 'Shared walks',
    unit: 'count',
    sentence: 'Translations that waited for a walk of the same page that was under way.',
    source: 'protectionDetails.sharedWalks',
    of: detail('sharedWalks'),
  },
  walks: {
    title: 'Walks',
    unit: 'count',
    sentence: 'Walks of the tables.',
    source: 'protectionDetails.walks',
    of: detail('walks'),
  },
  tableReads: {
    title: 'Table reads',
    unit: 'count',
    sentence: 'Entries of translation tables that walks read from memory.',
    source: 'protectionDetails.tableReads',
    of: detail('tableReads'),
  },
  invalidations: {
    title: 'Invalidations',
    unit: 'count',
    sentence: 'Invalidations of the IOTLB.',
    source: 'protectionDetails.invalidations',
    of: detail('invalidations'),
  },
});

/** What a balloon got; nothing where the scenario has none. */
export const BALLOON_METRICS = run({
  balloonAsked: {
    title: 'Pages asked for',
    head: 'pages\nasked',
    unit: 'count',
    sentence: 'Pages that the balloon asked guests for.',
    source: 'memory.balloon.asked',
    of: ofBalloon(({ asked }) => asked),
  },
  balloonReclaimed: {
    title: 'Reclaimed',
    head: 're-\nclaimed',
    unit: 'count',
    sentence: 'Pages that became free.',
    source: 'memory.balloon.reclaimed',
    of: ofBalloon(({ reclaimed }) => reclaimed),
  },
  balloonWaiting: {
    title: 'Waiting',
    head: 'still\nwaiting',
    unit: 'count',
    sentence: 'Pages that were released and not free when the run ended.',
    source: 'memory.balloon.waiting',
    of: ofBalloon(({ waiting }) => waiting),
  },
  balloonRefused: {
    title: 'Refused',
    head: 're-\nfused',
    unit: 'count',
    sentence: 'Pages that could not be released.',
    source: 'memory.balloon.refused',
    of: ofBalloon(({ refused }) => refused),
  },
  reclaimP50Ns: {
    title: 'Time to a free page, p50',
    head: 'p50\nus',
    unit: 'ns',
    sentence: 'Median time from asking for a page to its being free.',
    source: 'memory.balloon.reclaimNs.p50Ns',
    of: ofBalloon(({ reclaimNs }) => reclaimNs?.p50Ns),
  },
  reclaimP99Ns: {
    title: 'Time to a free page, p99',
    head: 'p99\nus',
    unit: 'ns',
    sentence: 'The 99th percentile of that time.',
    source: 'memory.balloon.reclaimNs.p99Ns',
    of: ofBalloon(({ reclaimNs }) => reclaimNs?.p99Ns),
    isOfFew: ({ memory }) => isFewForP99(memory.balloon?.reclaimNs),
  },
  lateReads: {
    title: 'Late reads',
    head: 'late\nreads',
    unit: 'count',
    sentence: 'Reads by devices of pages that had a new owner: leaks.',
    source: 'memory.balloon.lateReads',
    of: ofBalloon(({ lateReads }) => lateReads),
  },
  lateWrites: {
    title: 'Late writes',
    head: 'late\nwrites',
    unit: 'count',
    sentence: 'Writes by devices to pages that had a new owner: corruption.',
    source: 'memory.balloon.lateWrites',
    of: ofBalloon(({ lateWrites }) => lateWrites),
  },
  damagedPages: {
    title: 'Pages damaged',
    head: 'pages\ndamaged',
    unit: 'count',
    sentence: 'Pages of a new owner whose bytes are not what it wrote.',
    source: 'memory.balloon.damagedPages',
    of: ofBalloon(({ damagedPages }) => damagedPages),
  },
});

/** What priority flow control did, over all its classes; nothing where no class has it. */
export const FLOW_CONTROL_METRICS = run({
  pfcFramesReceived: {
    title: 'Pauses received',
    head: 'pauses\nreceived',
    unit: 'count',
    sentence:
      'Frames of priority flow control from the far end; one that names several classes counts for each.',
    source: 'flowControl[].framesReceived',
    of: flowControlSum(({ framesReceived }) => framesReceived),
  },
  pfcPausedNs: {
    title: 'Paused here',
    head: 'paused\nhere us',
    unit: 'ns',
    sentence:
      'Time for which contexts of the card were paused by the far end; of several classes, their times together.',
    source: 'flowControl[].pausedNs',
    of: flowControlSum(({ pausedNs }) => pausedNs),
  },
  pfcFramesSent: {
    title: 'Pauses sent',
    head: 'pauses\nsent',
    unit: 'count',
    sentence:
      'Frames of priority flow control from the card; one that names several classes counts for each.',
    source: 'flowControl[].framesSent',
    of: flowControlSum(({ framesSent }) => framesSent),
  },
  pfcFarEndPausedNs: {
    title: 'Far end paused',
    head: 'far end\npaused us',
    unit: 'ns',
    sentence: 'Time for which the far end was paused by the card; of several classes, their times together.',
    source: 'flowControl[].farEndPausedNs',
    of: flowControlSum(({ farEndPausedNs }) => farEndPausedNs),
  },
  pfcMostReceiveBytes: {
    title: 'Receive buffer of a class at most',
    head: 'buffer\nbytes',
    unit: 'bytes',
    sentence:
      'Most bytes of its receive buffer that frames of one class with flow control took, warm-up included.',
    source: 'flowControl[].mostReceiveBytes',
    of: ofFlowControl((classes) => Math.max(...classes.map(({ mostReceiveBytes }) => mostReceiveBytes))),
  },
});

/** What was lost or refused, counts over all reasons. */
export const LOSS_METRICS = run({
  framesDropped: {
    title: 'Frames dropped',
    unit: 'count',
    sentence: 'Frames that were dropped anywhere, each with a named reason.',
    source: 'drops',
    of: ({ drops }) => total(drops),
  },
  faults: {
    title: 'Faults',
    unit: 'count',
    sentence: 'Faults that were charged to guests.',
    source: 'faults',
    of: ({ faults }) => total(faults),
  },
  setUpRefused: {
    title: 'Refused at set-up',
    unit: 'count',
    sentence: 'Buffers that the set-up gate refused.',
    source: 'setUpGate.refused',
    of: ({ setUpGate }) => setUpGate.refused,
  },
  accessDenied: {
    title: 'Denied at access',
    unit: 'count',
    sentence: 'DMA accesses that the access gate, or the absence of memory, stopped.',
    source: 'accessGate.denied',
    of: ({ accessGate }) => accessGate.denied,
  },
  invariantsViolated: {
    title: 'Invariants violated',
    unit: 'count',
    sentence: 'Invariants of the run that did not hold.',
    source: 'laws',
    of: ({ laws }) => laws.filter(({ held }) => !held).length,
  },
});

/** Every metric of a run, in the order of documents and of CSV. */
export const RUN_METRICS: readonly Metric<RunResult>[] = [
  TRAFFIC_METRICS,
  COST_METRICS,
  IOMMU_METRICS,
  BALLOON_METRICS,
  FLOW_CONTROL_METRICS,
  LOSS_METRICS,
].flatMap((table) => Object.values<Metric<RunResult>>(table));

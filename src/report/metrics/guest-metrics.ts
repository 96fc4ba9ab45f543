import { total } from '../../../scheduler/tally.js';
import type { GuestResult } from '../../machine/run-result.js';
import type { Metric } from './metric.js';
import { FEWEST_FOR_P999, isFewForP99, metrics, type NumberMetric } from './number-metric.js';

const guest = <Id extends string>(table: Readonly<Record<Id, Omit<NumberMetric<GuestResult>, 'id'>>>) =>
  metrics<GuestResult, Id>(table);

/** What one guest had of a run, by id. */
export const GUEST_METRIC = guest({
  transmitGoodputBps: {
    title: 'Goodput out',
    head: 'out\nMb/s',
    unit: 'bit/s',
    sentence: 'Bits of its frames that left, per second of the run.',
    source: 'guests[].transmitGoodputBps',
    of: ({ transmitGoodputBps }) => transmitGoodputBps,
  },
  framesOffered: {
    title: 'Frames offered',
    head: 'frames\noffered',
    unit: 'count',
    sentence: 'Frames that its traffic handed to its driver.',
    source: 'guests[].framesOffered',
    of: ({ framesOffered }) => framesOffered,
  },
  framesTransmitted: {
    title: 'Frames out',
    head: 'frames\nout',
    unit: 'count',
    sentence: 'Its frames that left on the wire.',
    source: 'guests[].framesTransmitted',
    of: ({ framesTransmitted }) => framesTransmitted,
  },
  latencyP50Ns: {
    title: 'Latency, p50',
    head: 'p50\nus',
    unit: 'ns',
    sentence: 'Median time of its frames from the store to the last bit on the wire.',
    source: 'guests[].latencyNs.p50Ns',
    of: ({ latencyNs }) => latencyNs?.p50Ns,
  },
  latencyP99Ns: {
    title: 'Latency, p99',
    head: 'p99\nus',
    unit: 'ns',
    sentence: 'The 99th percentile of that time.',
    source: 'guests[].latencyNs.p99Ns',
    of: ({ latencyNs }) => latencyNs?.p99Ns,
    isOfFew: ({ latencyNs }) => isFewForP99(latencyNs),
  },
  latencyP999Ns: {
    title: 'Latency, p99.9',
    head: 'p99.9\nus',
    unit: 'ns',
    sentence: 'The 99.9th percentile of that time.',
    source: 'guests[].latencyNs.p999Ns',
    of: ({ latencyNs }) => latencyNs?.p999Ns,
    isOfFew: ({ latencyNs }) => latencyNs !== undefined && latencyNs.count < FEWEST_FOR_P999,
  },
  driverP99Ns: {
    title: 'At its driver, p99',
    head: 'driver\np99 us',
    unit: 'ns',
    sentence:
      'The 99th percentile of the time from the store to the doorbell: CPU time, and the set-up gate.',
    source: 'guests[].latencyPartsNs.driver.p99Ns',
    of: ({ latencyPartsNs }) => latencyPartsNs.driver?.p99Ns,
    isOfFew: ({ latencyPartsNs }) => isFewForP99(latencyPartsNs.driver),
  },
  ringP99Ns: {
    title: 'In its own ring, p99',
    head: 'ring\np99 us',
    unit: 'ns',
    sentence:
      'The 99th percentile of the time in its own ring, from the doorbell until the card, or a driver domain, has fetched the descriptor.',
    source: 'guests[].latencyPartsNs.ring.p99Ns',
    of: ({ latencyPartsNs }) => latencyPartsNs.ring?.p99Ns,
    isOfFew: ({ latencyPartsNs }) => isFewForP99(latencyPartsNs.ring),
  },
  cardP99Ns: {
    title: 'Through the card, p99',
    head: 'card\np99 us',
    unit: 'ns',
    sentence:
      'The 99th percentile of the time through the card (and a driver domain), from the fetch to the last bit on the wire.',
    source: 'guests[].latencyPartsNs.card.p99Ns',
    of: ({ latencyPartsNs }) => latencyPartsNs.card?.p99Ns,
    isOfFew: ({ latencyPartsNs }) => isFewForP99(latencyPartsNs.card),
  },
  fairShareGot: {
    title: 'Got of its due',
    head: 'of its\ndue',
    unit: '',
    digits: 3,
    sentence:
      'Bytes of the wire that it sent, of what it was due: the service of a fluid link that gets the same frames, weighted max-min fair at every instant. 1 is all of it.',
    source: 'guests[].fairShareGot',
    of: ({ fairShareGot }) => fairShareGot,
  },
  receiveGoodputBps: {
    title: 'Goodput in',
    head: 'in\nMb/s',
    unit: 'bit/s',
    sentence: 'Bits of frames that reached its memory, per second of the run.',
    source: 'guests[].receiveGoodputBps',
    of: ({ receiveGoodputBps }) => receiveGoodputBps,
  },
  framesReceived: {
    title: 'Frames in',
    head: 'frames\nin',
    unit: 'count',
    sentence: 'Frames that reached its memory.',
    source: 'guests[].framesReceived',
    of: ({ framesReceived }) => framesReceived,
  },
  cpuNs: {
    title: 'CPU time',
    unit: 'ns',
    sentence: 'CPU time that its domain took.',
    source: 'guests[].cpuNs',
    of: ({ cpuNs }) => cpuNs,
  },
  framesDropped: {
    title: 'Frames dropped',
    unit: 'count',
    sentence: 'Its frames that were dropped, in its driver or by the card.',
    source: 'guests[].drops',
    of: ({ drops }) => total(drops),
  },
  requestsSent: {
    title: 'Requests sent',
    unit: 'count',
    sentence: 'Requests that it sent.',
    source: 'guests[].requests.sent',
    of: ({ requests }) => requests?.sent,
  },
  requestsAnswered: {
    title: 'Requests answered',
    unit: 'count',
    sentence: 'Of its requests, those that were answered.',
    source: 'guests[].requests.answered',
    of: ({ requests }) => requests?.answered,
  },
  requestsLost: {
    title: 'Requests lost',
    unit: 'count',
    sentence: 'Of its requests, those that had no answer within their timeout.',
    source: 'guests[].requests.lost',
    of: ({ requests }) => requests?.lost,
  },
});

/** Every metric of a guest, in the order of documents and of CSV. */
export const GUEST_METRICS: readonly Metric<GuestResult>[] = Object.values<Metric<GuestResult>>(GUEST_METRIC);

import { counted } from '../../scheduler/counted.js';
import type { RunResult } from '../machine/run-result.js';
import { captureText, replayedCaptures } from './capture-text.js';
import { GUEST_COLUMNS, guestTable, limitedText } from './guest-rows.js';
import { metricText, metricTextTable } from './metrics/metric.js';
import {
  BALLOON_METRICS,
  COST_METRICS,
  cpuFraction,
  LOSS_METRICS,
  TRAFFIC_METRICS,
} from './metrics/run-metrics.js';
import { counts, percent, whole } from './number-text.js';
import { portLines } from './port-text.js';
import { headingLine, type RunHeading } from './run-heading.js';

/** One run, guest by guest, and what it took. */
export function runText(heading: RunHeading, run: RunResult): string {
  const { metrics, rows, note } = guestTable(run, GUEST_COLUMNS);
  const facts = factsOf(run);
  const width = Math.max(...facts.map(([name]) => name.length));
  return [
    `${headingLine(heading)}, ${run.protection}`,
    ...portLines(heading.loaded.scenario),
    '',
    metricTextTable(['guest'], metrics, rows),
    ...(note === undefined ? [] : [note]),
    '',
    ...facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
  ].join('\n');
}

function factsOf(run: RunResult): [name: string, value: string][] {
  const { goodputBps, receiveGoodputBps, jainIndex, largestGapBytes, gapBoundBytes } = TRAFFIC_METRICS;
  const { hypercalls, idleFraction, pinsTaken, physicalInterrupts, virtualInterrupts } = COST_METRICS;
  const { setUpRefused, accessDenied } = LOSS_METRICS;
  const text = (metric: Parameters<typeof metricText<RunResult>>[0]) => metricText(metric, run);
  const gap =
    run.fairness.pair === undefined
      ? 'no two contexts were backlogged together'
      : `largest gap ${text(largestGapBytes)} bytes per unit of weight (${
          run.fairness.boundBytes === undefined ? 'no bound promised' : `bound ${text(gapBoundBytes)}`
        })`;
  const cpu = cpuParts(run).join(', ');
  const limited = limitedText(run);
  const held = run.laws.filter((law) => law.held).length;
  return [
    ['goodput', `${text(goodputBps)} Mb/s out, ${text(receiveGoodputBps)} Mb/s in`],
    ['fairness', `Jain's index ${text(jainIndex)}, ${gap}`],
    ...(limited === undefined ? [] : [['', limited] as [string, string]]),
    ['CPU', `${cpu}, idle ${text(idleFraction)} %`],
    [
      'gates',
      `set-up: ${counted(run.setUpGate.accepted, 'buffer')} accepted, ${text(setUpRefused)} refused; access: ${text(accessDenied)} denied`,
    ],
    ['hypercalls', `${text(hypercalls)}, pins ${text(pinsTaken)} taken, ${whole(run.pins.held)} held`],
    ...balloonFacts(run),
    ['interrupts', `${text(physicalInterrupts)} physical, ${text(virtualInterrupts)} virtual`],
    ...captureFacts(run),
    ...flowControlFacts(run),
    ['drops', counts(run.drops)],
    ['faults', counts(run.faults)],
    ['invariants', `${held} of ${run.laws.length} held`],
    ['fingerprint', run.fingerprint],
  ];
}

/** More guests than these are added up. */
const MOST_GUESTS_APART = 16;

function cpuParts(run: RunResult): string[] {
  const { domains } = run.cpu;
  const isApart = run.guests.length <= MOST_GUESTS_APART;
  const shown = domains.filter(({ kind }) => isApart || kind !== 'guest');
  const parts = shown.map(({ name, fraction }) => `${name} ${percent(fraction)} %`);
  if (isApart) return parts;
  return [...parts, `${whole(run.guests.length)} guests ${percent(cpuFraction(run, 'guest'))} %`];
}

/** More captures than these are not listed. */
const MOST_CAPTURES = 8;

/** What became of the captures that guests replay. */
function captureFacts(run: RunResult): [string, string][] {
  const replayed = replayedCaptures(run);
  const rows = replayed
    .slice(0, MOST_CAPTURES)
    .map(({ guest, capture }): [string, string] => [`replay of ${guest}`, captureText(capture)]);
  const more = replayed.length - rows.length;
  return more === 0 ? rows : [...rows, ['', `and ${counted(more, 'guest')} more; --json has all`]];
}

/** What priority flow control did, class by class. */
function flowControlFacts({ flowControl = [] }: RunResult): [string, string][] {
  return flowControl.map(({ trafficClass, ...counted }): [string, string] => [
    `class ${trafficClass}`,
    `flow control: ${counted.framesReceived} received, paused ${whole(Math.round(counted.pausedNs / 1e3))} us; ` +
      `${counted.framesSent} sent, far end paused ${whole(Math.round(counted.farEndPausedNs / 1e3))} us`,
  ]);
}

/** What became of the memory that was asked back, if any was. */
function balloonFacts(run: RunResult): [string, string][] {
  const { memory } = run;
  const { balloon } = memory;
  if (balloon === undefined) return [];
  const metrics = BALLOON_METRICS;
  const text = (metric: Parameters<typeof metricText<RunResult>>[0]) => metricText(metric, run);
  const late = balloon.lateReads + balloon.lateWrites;
  return [
    [
      'balloon',
      `${text(metrics.balloonAsked)} pages asked for: ${text(metrics.balloonReclaimed)} reclaimed, ${text(metrics.balloonWaiting)} waiting, ${text(metrics.balloonRefused)} refused`,
    ],
    [
      'reclaim time',
      balloon.reclaimNs === undefined
        ? 'no page was reclaimed'
        : `p50 ${text(metrics.reclaimP50Ns)} us, p99 ${text(metrics.reclaimP99Ns)} us`,
    ],
    [
      'pinned',
      `${counted(memory.mostPinnedPages, 'page')} at most, ${whole(memory.pinnedPages.at(-1)?.pages ?? 0)} at the end`,
    ],
    [
      'given away',
      late === 0
        ? 'no device reached a page of its new owner'
        : `${counted(late, 'device access', 'device accesses')} to pages of their new owner, ${text(metrics.damagedPages)} pages damaged`,
    ],
  ];
}

import { costTable } from '../../../host/cpu/costs.js';
import { mean, percent, printFigures, textTable } from '../reference-figure.js';
import { CALIBRATED } from './calibrate.js';
import { NATIVE_MBPS } from './published.js';
import type { Cdna2007Result, TestbedPoint } from './reproduce.js';
import { WARM_UP_NS, WARM_UP_NS_A_GUEST, WINDOW_NS, WINDOW_NS_A_GUEST } from './testbed.js';

/** What was found, what it predicts, and the published figures beside it. */
export function printCdna2007(result: Cdna2007Result): string {
  const { figures, parameters, points } = result;
  const defaults = costTable();
  const { cdna, xen } = parameters.interruptGapNs;
  return [
    `CDNA and Xen as in the paper's tables 2 to 4 and figures 3 and 4: one core of 2.4 GHz, one port of 2 Gb/s, ${result.seeds} seeds.`,
    `Not looked at: the first ${WARM_UP_NS / 1e6} ms and ${WARM_UP_NS_A_GUEST / 1e6} ms a guest. ` +
      `Looked at: ${WINDOW_NS / 1e6} ms and ${WINDOW_NS_A_GUEST / 1e6} ms a guest.`,
    'Marks: S in a public source, D derived, M+ M M- from memory and not confirmed (M- too vague to be expected).',
    '',
    'Fitted to the rows with one guest (CDNA, Xen with the Intel NIC), cycles; in brackets the default:',
    ...CALIBRATED.map((name) => `  ${name} ${parameters.costs[name]} (${defaults[name]})`),
    `  least time between interrupts, us: CDNA ${micro(cdna.transmit)} and ${micro(cdna.receive)}, ` +
      `Xen ${micro(xen.transmit)} and ${micro(xen.receive)} (transmit, receive)`,
    '',
    'Ours, means over the seeds; shares in percent of the CPU, interrupts a second:',
    pointTable(points),
    '',
    printFigures(figures),
    '',
    errorLine(figures, 'fitted'),
    errorLine(figures, 'predicted'),
    `Table 1 [M+]: native Linux, ${NATIVE_MBPS.transmit} and ${NATIVE_MBPS.receive} Mb/s, is not emulated (no hypervisor, more NICs); ` +
      'its Xen rows are those of tables 2 and 3. Seed ' +
      `${result.seed}.`,
    'Missed: Xen at 24 guests falls less than the paper says, and Xen takes fewer interrupts, none while receiving. Sources',
    'here are greedy and never slow down as TCP does, so the driver domain always finds full batches and polls. More in',
    'src/experiments/cdna-2007/README.md.',
  ].join('\n');
}

function pointTable(points: readonly TestbedPoint[]): string {
  return textTable(
    [
      'approach',
      'direction',
      'guests',
      'Mb/s',
      '(range)',
      'hyp',
      'driver',
      'guest',
      'idle',
      'interrupts',
      'virtual',
    ],
    points.map((point) => [
      point.approach,
      point.direction,
      `${point.guests}`,
      point.mbps.toFixed(0),
      `${point.mbps_range[0].toFixed(0)}-${point.mbps_range[1].toFixed(0)}`,
      ...[point.hypervisor, point.driverDomain, point.guest, point.idle].map((share) => share.toFixed(1)),
      point.physicalInterrupts.toFixed(0),
      point.virtualInterrupts.toFixed(0),
    ]),
  );
}

function errorLine(figures: Cdna2007Result['figures'], role: 'fitted' | 'predicted'): string {
  const of = (isShare: boolean) =>
    figures
      .filter((figure) => figure.role === role && (figure.unit === '% of CPU') === isShare)
      .map(({ error }) => Math.abs(error ?? 0));
  const shares = of(true);
  const others = of(false);
  return (
    `${role}: shares off by ${percent(mean(shares)).slice(1)} of the CPU in the mean, at most ` +
    `${percent(Math.max(...shares)).slice(1)} (${shares.length}); rates, ratios and interrupts by ` +
    `${percent(mean(others)).slice(1)}, at most ${percent(Math.max(...others)).slice(1)} (${others.length}).`
  );
}

function micro(ns: number): string {
  return (ns / 1000).toFixed(1);
}

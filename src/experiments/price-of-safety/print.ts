import { printStatements } from '../checked-statement.js';
import { titleOf } from '../mapping-approaches.js';
import { printFigures, textTable } from '../reference-figure.js';
import { spreadText } from '../several-seeds.js';
import { BALLOON, type BalloonPoint } from './balloon.js';
import { balloonCells } from './balloon-figures.js';
import { FULL_WARM_UP_NS, FULL_WINDOW_NS, MESSAGES, WARM_UP_NS, WINDOW_NS } from './bench.js';
import type { PricePoint } from './measure.js';
import type { PriceOfSafetyResult } from './reproduce.js';

/** CPU with and without, what the balloon gets, and what was published. */
export function printPriceOfSafety(result: PriceOfSafetyResult): string {
  const { small, large } = MESSAGES;
  return [
    `What protection from DMA costs: one guest, one core of 2.4 GHz, ${result.seeds} seeds; costs as reproduce cdna-2007 found them.`,
    `Small: frames of ${small.frameBytes} bytes, ${thousands(small.framesPerSecond)} a second (Poisson). ` +
      `Large: ${large.frameBytes} bytes, ${thousands(large.framesPerSecond)}. Link 1 Gb/s.`,
    `Not looked at ${WARM_UP_NS / 1e6} ms, looked at ${WINDOW_NS / 1e6} ms. Full core: as many frames as it takes, ` +
      `wire of ${small.wideBps / 1e9} and ${large.wideBps / 1e9} Gb/s, ${FULL_WARM_UP_NS / 1e6} and ${FULL_WINDOW_NS / 1e6} ms.`,
    'CPU in percent of the core. On the metal both columns are one OS: its stack and driver, and what maps and takes interrupts.',
    '',
    pointTable(result.points),
    '',
    `The balloon: ${BALLOON.guests} guests of ${BALLOON.guestMegabytes} MB at ${BALLOON.transmitBps / 1e6} Mb/s out and ` +
      `${BALLOON.receiveBps / 1e6} in, a request every ${BALLOON.everyNs / 1e3} us for ${BALLOON.durationNs / 1e6} ms, ` +
      `${BALLOON.bufferPercent} % for pages with buffers.`,
    '',
    balloonTable(result.balloon),
    '',
    printFigures(result.figures),
    '',
    'How much the rise rests on the load (small messages sent, bare metal):',
    textTable(
      ['approach, frames/s offered', 'CPU %', 'rise %'],
      result.loads.map((point) => [
        `${titleOf(point.approach)}, ${thousands(point.offered_per_s)}`,
        spreadText(point.cpu_percent),
        spreadText(point.rise_percent),
      ]),
    ),
    '',
    'Beside each other, not compared (percent):',
    ...result.beside.map(
      ({ name, value, certainty, source, ours, why }) =>
        `  ${name}: ${value} [${certainty}] ${source}; ours ${ours.toFixed(0)}. Not compared: ${why}.`,
    ),
    '',
    printStatements(result.statements),
    '',
    `No parameter was set from these figures. What "bare metal" is made of, and what is missed: README.md. Seed ${result.seed}.`,
  ].join('\n');
}

function pointTable(points: readonly PricePoint[]): string {
  return textTable(
    [
      'setting, case, approach',
      'frames/s',
      'guest',
      'hypervisor',
      'CPU',
      'rise %',
      'calls/frame',
      'full: frames/s',
      '% of none',
    ],
    points.map((point) => [
      `${point.setting}, ${point.message} ${point.direction}, ${titleOf(point.approach)}`,
      point.frames_per_s.toFixed(0),
      point.guest_percent.toFixed(1),
      point.hypervisor_percent.toFixed(1),
      spreadText(point.cpu_percent),
      point.approach === 'none' ? '-' : spreadText(point.rise_percent),
      point.hypercalls_per_frame.toFixed(2),
      point.full_frames_per_s.mean.toFixed(0),
      spreadText(point.full_share_percent),
    ]),
  );
}

function balloonTable(points: readonly BalloonPoint[]): string {
  return textTable(
    [
      'approach',
      'asked',
      'reclaimed',
      'refused',
      'free p50 us',
      'p99 us',
      'most pinned',
      'late accesses',
      'damaged',
    ],
    points.map(balloonCells),
  );
}

function thousands(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/gu, ',');
}

import type { FigureParameter, ReportFigure } from '../../report/html/figure.js';
import { type DotRow, dotPanels, type StackRow, stackPanels } from '../approach-panels.js';
import { statementsAnswer, statementsFigure } from '../checked-statement.js';
import { titleOf } from '../mapping-approaches.js';
import { publishedFigure, publishedSentence } from '../published-plot.js';
import { spanText, spreadText } from '../several-seeds.js';
import { BALLOON } from './balloon.js';
import { balloonFigure, pinnedFigure } from './balloon-figures.js';
import {
  CASES,
  FULL_WARM_UP_NS,
  FULL_WINDOW_NS,
  MESSAGES,
  SETTINGS,
  type Setting,
  VIRTUALIZATION_STEPS,
  WARM_UP_NS,
  WINDOW_NS,
} from './bench.js';
import { approachesOf, type PricePoint } from './measure.js';
import type { PriceOfSafetyResult } from './reproduce.js';

/** Short enough for the heading of a panel. */
const SETTING_TITLES = { metal: 'metal', hypervisor: 'virtual' } as const;
const PARTS = ['guest: stack and driver', 'hypervisor: interrupts and mapping'];

/** CPU by domain, the rate of a full core, pinned memory over time, and what the balloon got. */
export function priceOfSafetyFigures(result: PriceOfSafetyResult, repeat: string): ReportFigure[] {
  const parameters = parametersOf(result);
  return [
    cpuFigure(result.points, repeat, parameters),
    fullFigure(result.points, repeat, parameters),
    pinnedFigure(result.balloon, repeat, parameters),
    balloonFigure(result.balloon, repeat, parameters),
    publishedFigure(result.figures, { id: 'price-published', repeat, parameters }),
    statementsFigure(result.statements, { id: 'price-statements', repeat, parameters }),
  ];
}

/** What came of it, in a few sentences. */
export function priceOfSafetyAnswer({ points, balloon, figures, statements }: PriceOfSafetyResult): string {
  const risesOn = (setting: Setting, approach: string) =>
    rangeOf(
      points.filter((one) => one.setting === setting),
      approach,
    );
  const direct = balloon.find(({ approach }) => approach === 'iommu:direct-map');
  return (
    `At one rate of frames single-use takes ${risesOn('metal', 'iommu:single-use')} % more CPU on the metal and ` +
    `${risesOn('hypervisor', 'iommu:single-use')} % more under the hypervisor, CDNA's software ` +
    `${risesOn('hypervisor', 'cdna')} %, persistent and direct-map ` +
    `${risesOn('hypervisor', 'iommu:persistent')} and ${risesOn('hypervisor', 'iommu:direct-map')} %. Direct-map pins ${direct?.most_pinned_pages.most} frames and gives the balloon ${direct?.reclaimed.most}. ` +
    `${publishedSentence(figures)} ${statementsAnswer(statements)}`
  );
}

const PANELS = SETTINGS.flatMap((setting) => CASES.map((one) => panelOf({ setting, ...one })));
const APPROACHES = approachesOf('hypervisor').map(titleOf);

function panelOf({
  setting,
  message,
  direction,
}: Pick<PricePoint, 'setting' | 'message' | 'direction'>): string {
  return `${SETTING_TITLES[setting]}, ${message} ${direction === 'transmit' ? 'sent' : 'received'}`;
}

function cpuFigure(
  points: readonly PricePoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const rows: StackRow[] = points.map((point) => ({
    panel: panelOf(point),
    approach: titleOf(point.approach),
    values: [point.guest_percent, point.hypervisor_percent],
    label: point.approach === 'none' ? point.cpu_percent.mean.toFixed(0) : signed(point.rise_percent.mean),
  }));
  return {
    id: 'price-cpu',
    title: 'CPU with and without the IOMMU',
    sentence:
      'CPU at one rate of frames, by who spends it; the label is how much more than without protection (for none, the CPU itself). On the metal both are one OS; virtual is under the hypervisor.',
    plot: stackPanels(
      {
        title: 'CPU at the same rate of frames, by domain',
        description:
          'A panel a setting, size of messages and direction; a bar an approach, first the guest, then the hypervisor. ' +
          `single-use adds ${rangeOf(points, 'iommu:single-use')} percent of CPU, persistent ${rangeOf(points, 'iommu:persistent')}.`,
        panels: PANELS,
        approaches: APPROACHES,
        axis: '% of the core',
        rows,
        columns: 4,
      },
      PARTS,
    ),
    table: {
      heads: [
        'setting',
        'approach',
        'guest %',
        'hypervisor %',
        'CPU % (range)',
        'rise % (range)',
        'hypercalls/frame',
      ],
      rows: points.map((point) => [
        panelOf(point),
        titleOf(point.approach),
        point.guest_percent.toFixed(1),
        point.hypervisor_percent.toFixed(1),
        spreadText(point.cpu_percent),
        spreadText(point.rise_percent),
        point.hypercalls_per_frame.toFixed(2),
      ]),
    },
    repeat,
    parameters,
  };
}

function fullFigure(
  points: readonly PricePoint[],
  repeat: string,
  parameters: readonly FigureParameter[],
): ReportFigure {
  const rows: DotRow[] = points.map(({ full_share_percent: share, ...point }) => ({
    panel: panelOf(point),
    approach: titleOf(point.approach),
    ...share,
    label: share.mean.toFixed(0),
  }));
  return {
    id: 'price-full',
    title: 'What a full core still carries',
    sentence: 'Frames a second when the core is the limit, in percent of those without protection.',
    plot: dotPanels(
      {
        title: 'Frames a second of a full core, % of those without protection',
        description:
          'A panel a setting, size of messages and direction; a dot an approach, with a line from the least to the most of the seeds.',
        panels: PANELS,
        approaches: APPROACHES,
        axis: '% of none',
        rows,
        columns: 4,
      },
      Math.max(...points.map(({ full_share_percent }) => full_share_percent.most)),
    ),
    table: {
      heads: ['setting', 'approach', 'frames/s (range)', '% of none (range)'],
      rows: points.map((point) => [
        panelOf(point),
        titleOf(point.approach),
        spreadText(point.full_frames_per_s, 0),
        spreadText(point.full_share_percent),
      ]),
    },
    repeat,
    parameters,
  };
}

function parametersOf({ seed, seeds }: PriceOfSafetyResult): FigureParameter[] {
  const { small, large } = MESSAGES;
  return [
    { name: 'machine', value: 'one core of 2.4 GHz, 1 Gb/s, one guest' },
    { name: 'costs', value: 'as reproduce cdna-2007 found them' },
    { name: 'cost nothing on the metal', value: VIRTUALIZATION_STEPS.join(', ') },
    { name: 'small', value: `${small.frameBytes} bytes, ${small.framesPerSecond} frames/s` },
    { name: 'large', value: `${large.frameBytes} bytes, ${large.framesPerSecond} frames/s` },
    { name: 'fixed load', value: `warm-up ${WARM_UP_NS / 1e6} ms, window ${WINDOW_NS / 1e6} ms` },
    { name: 'full core', value: `warm-up ${FULL_WARM_UP_NS / 1e6} ms, window ${FULL_WINDOW_NS / 1e6} ms` },
    {
      name: 'balloon',
      value: `${BALLOON.guests} guests of ${BALLOON.guestMegabytes} MB, a request every ${BALLOON.everyNs / 1e3} us, ${BALLOON.durationNs / 1e6} ms`,
    },
    { name: 'seeds', value: `${seeds}, from ${seed}` },
  ];
}

function rangeOf(points: readonly PricePoint[], approach: string): string {
  return spanText(
    points.filter((one) => one.approach === approach).map(({ rise_percent }) => rise_percent.mean),
  );
}

function signed(percent: number): string {
  const text = percent.toFixed(0);
  return percent < 0 || text === '0' || text === '-0' ? '+0 %' : `+${text} %`;
}

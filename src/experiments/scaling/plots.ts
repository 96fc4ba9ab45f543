import type { TopLevelSpec } from 'vega-lite';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { PLOT_COLOURS, PLOT_DASHES } from '../../report/plot.js';
import { legendAbove, panelGrid, panelsOf } from '../../report/plots/panels.js';
import type { PlotWidth } from '../../report/plots/width.js';
import { GUESTS } from './reproduce.js';

/** One value of a panel. */
export interface Mark {
  readonly approach: string;
  readonly guests: number;
  readonly kind: string;
  readonly value: number;
}

/** Headings: a strategy of the IOMMU by its own name, which is short enough. */
const headingOf = (approach: string) => approach.replace('iommu:', '');
const APPROACH_NAMES = APPROACHES.map(({ name }) => name);
/** Numbers of guests below an axis: as many as there is room for. */
const TICKS: Readonly<Record<PlotWidth, readonly number[]>> = {
  wide: [1, 4, 16, 64, 1024],
  narrow: [1, 16, 1024],
};
/** Lines of a logarithmic axis. */
const DECADES = [1, 10, 100, 1_000, 10_000, 100_000];
/** Labels and title of the axis on the left, and what labels below reach over. */
const LEFT_PIXELS = 105;
const SHAPES = ['circle', 'square', 'diamond'];

/** A line a kind, told apart by dash and by the shape of its points; a panel an approach. */
export function linePanels(
  width: PlotWidth,
  marks: readonly Mark[],
  title: string,
  options: { readonly rule?: number; readonly logarithmic?: boolean },
): TopLevelSpec {
  const kinds = [...new Set(marks.map(({ kind }) => kind))];
  const legend = kinds.length > 1 ? legendAbove(kinds, width) : null;
  const byKind = (range: readonly unknown[]) => ({
    field: 'kind',
    type: 'nominal' as const,
    legend,
    scale: { domain: kinds, range: range.slice(0, kinds.length) },
  });
  const lines = {
    mark: { type: 'line', strokeWidth: 1.5, point: { size: 22, filled: true } },
    encoding: {
      x: {
        field: 'guests',
        type: 'quantitative',
        title: 'guests',
        scale: { type: 'log', base: 2, domain: [GUESTS[0], GUESTS.at(-1)] },
        axis: {
          values: [...TICKS[width]],
          format: 'd',
          grid: false,
          labelOverlap: false,
          labelFlush: true,
          labelFontSize: 8,
        },
      },
      y: {
        field: 'value',
        type: 'quantitative',
        title,
        ...(options.logarithmic === true ? { scale: { type: 'log' }, axis: { values: DECADES } } : {}),
      },
      color: byKind(PLOT_COLOURS),
      ...(kinds.length > 1 ? { strokeDash: byKind(PLOT_DASHES), shape: byKind(SHAPES) } : {}),
    },
  };
  const rule = {
    mark: { type: 'rule', strokeDash: [3, 3], opacity: 0.6 },
    encoding: { y: { datum: options.rule ?? 0 } },
  };
  return inPanels(width, marks, (size) => ({
    ...size,
    layer: options.rule === undefined ? [lines] : [rule, lines],
  }));
}

/** Cores at work, one bar for each number of guests; parts are hatched, and in the order of the legend. */
export function stackPanels(width: PlotWidth, marks: readonly Mark[]): TopLevelSpec {
  const kinds = ['hypervisor', 'driver domain', 'guests'];
  const levels = marks.map((mark) => ({ ...mark, level: kinds.indexOf(mark.kind) }));
  return inPanels(width, levels, (size) => ({
    ...size,
    mark: { type: 'bar' },
    encoding: {
      x: {
        field: 'guests',
        type: 'ordinal',
        title: 'guests',
        axis: { labelAngle: 0, values: [...TICKS[width]], labelOverlap: false, labelFontSize: 8 },
      },
      y: { field: 'value', type: 'quantitative', title: 'cores', stack: 'zero' },
      color: {
        field: 'kind',
        type: 'nominal',
        legend: legendAbove(kinds, width),
        scale: { domain: kinds, range: PLOT_COLOURS.slice(0, kinds.length) },
      },
      order: { field: 'level', type: 'quantitative' },
    },
  }));
}

function inPanels(
  width: PlotWidth,
  marks: readonly Mark[],
  spec: (size: { readonly width: number; readonly height: number }) => object,
): TopLevelSpec {
  const names = APPROACH_NAMES.filter((name) => marks.some(({ approach }) => approach === name));
  const grid = panelGrid(names.length, width, LEFT_PIXELS);
  return {
    data: {
      values: marks.map((mark) => ({
        ...mark,
        approach: headingOf(mark.approach),
        value: Number(mark.value.toPrecision(5)),
      })),
    },
    ...panelsOf('approach', names.map(headingOf), grid),
    spec: spec({ width: grid.width, height: grid.height }),
  } as TopLevelSpec;
}

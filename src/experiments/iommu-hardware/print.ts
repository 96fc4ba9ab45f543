import Table from 'cli-table3';
import { DATA_ORIGIN, type ErrorSummary, type IommuHardwareResult, type PointResult } from './reproduce.js';

/**
 * The result as text: a table for each operation and cache state, windows down and sizes across, each cell with the
 * measured and the emulated rate (millions of transactions a second) and the error.
 */
export function printIommuHardware(result: IommuHardwareResult): string {
  const on = result.points.filter(({ iommu }) => iommu === 'on');
  const lines = [
    `IOMMU against hardware: ${result.machine}, random DMA with the IOMMU on.`,
    'Cells: measured, emulated (million transactions a second), error. * was fitted, the rest is predicted.',
    '',
  ];
  for (const op of ['read', 'write'] as const) {
    for (const cache of new Set(on.map((point) => point.cache))) {
      const points = on.filter((point) => point.op === op && point.cache === cache);
      if (points.length > 0) lines.push(`${op}, ${cache}`, tableOf(points), '');
    }
  }
  const { parameters } = result;
  lines.push(
    `All IOMMU-on rows:    ${sentence(result.summary)}`,
    `Predicted rows alone: ${sentence(result.predicted)}`,
    '',
    `Found from the IOMMU-off rows: rates and latency of engine, link and memory.`,
    `Found from the ${parameters.fitted_to_size_bytes}-byte IOMMU-on rows: ${parameters.iotlb_entries} IOTLB entries, ` +
      `walks of ${parameters.read_walk_ns} ns (reads) and ${parameters.write_walk_ns} ns (writes).`,
    `The same for every machine: ${parameters.walkers} walkers, ${parameters.spare_reads} spare reads, ` +
      `${parameters.writes_in_flight} writes in flight. Seed ${result.seed}.`,
    `Measurements: ${DATA_ORIGIN}.`,
  );
  return lines.join('\n');
}

function tableOf(points: readonly PointResult[]): string {
  const sizes = [...new Set(points.map(({ size_bytes }) => size_bytes))].sort((a, b) => a - b);
  const windows = [...new Set(points.map(({ window_bytes }) => window_bytes))].sort((a, b) => a - b);
  const table = new Table({
    head: [
      'window',
      ...sizes.map((size) => `${size} B${points.some((p) => p.size_bytes === size && p.fitted) ? ' *' : ''}`),
    ],
    colAligns: ['right', ...sizes.map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
  });
  for (const window of windows) {
    table.push([
      windowName(window),
      ...sizes.map((size) => cell(points.find((p) => p.size_bytes === size && p.window_bytes === window))),
    ]);
  }
  return table.toString();
}

function cell(point: PointResult | undefined): string {
  if (point === undefined) return '-';
  const error = `${point.error < 0 ? '-' : '+'}${(Math.abs(point.error) * 100).toFixed(1)}%`;
  return `${millions(point.measured_tps)} ${millions(point.emulated_tps)} ${error.padStart(6)}`;
}

function millions(tps: number): string {
  return (tps / 1e6).toFixed(2);
}

function windowName(bytes: number): string {
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`;
}

function sentence({ rows, medianAbsError, p95AbsError, maxAbsError }: ErrorSummary): string {
  const percent = (fraction: number) => `${(fraction * 100).toFixed(1)} %`;
  return (
    `absolute error median ${percent(medianAbsError)}, 95th percentile ${percent(p95AbsError)}, ` +
    `largest ${percent(maxAbsError)} (${rows} rows).`
  );
}

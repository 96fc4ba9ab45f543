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
    'Cells: measured, emulated (million transactions per second), error. No parameter was fitted to these rows.',
    '',
  ];
  for (const op of ['read', 'write'] as const) {
    for (const cache of new Set(on.map((point) => point.cache))) {
      const points = on.filter((point) => point.op === op && point.cache === cache);
      if (points.length > 0) lines.push(`${op}, ${cache}`, tableOf(points), '');
    }
  }
  if (result.latencies.length > 0)
    lines.push('64-byte read, one outstanding, hwarm', latencyTable(result), '');
  const { parameters } = result;
  lines.push(
    `Rates with the IOMMU on: ${sentence(result.bandwidth)}`,
    `Latency:                 ${sentence(result.latency)}`,
    '',
    `Found from the IOMMU-off rows: rates of engine, link and memory, and the latency of a read.`,
    parameters.unit === 'latency'
      ? `Found from the latencies: ${parameters.iotlb_entries} IOTLB entries, walks of ${parameters.walk_ns} ns.`
      : `The default unit: ${parameters.iotlb_entries} IOTLB entries, walks of ${parameters.walk_ns} ns; superpages leave nothing to fit.`,
    `The same for every machine: ${parameters.walkers} walkers that start ${parameters.read_walk_interval_ns} ns (reads) or ` +
      `${parameters.write_walk_interval_ns} ns (writes) apart,`,
    `${parameters.spare_reads} spare reads, ${parameters.writes_in_flight} writes in flight. Seed ${result.seed}.`,
    `Measurements: ${DATA_ORIGIN}.`,
  );
  return lines.join('\n');
}

function tableOf(points: readonly PointResult[]): string {
  const sizes = [...new Set(points.map(({ size_bytes }) => size_bytes))].sort((a, b) => a - b);
  const windows = [...new Set(points.map(({ window_bytes }) => window_bytes))].sort((a, b) => a - b);
  const table = new Table({
    head: ['window', ...sizes.map((size) => `${size} B`)],
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

function latencyTable({ latencies }: IommuHardwareResult): string {
  const table = new Table({
    head: ['window', 'measured, ns', 'emulated, ns', 'error'],
    colAligns: ['right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { window_bytes, measured_ns, emulated_ns, error } of latencies) {
    table.push([windowName(window_bytes), measured_ns.toFixed(1), emulated_ns.toFixed(1), signed(error)]);
  }
  return table.toString();
}

function cell(point: PointResult | undefined): string {
  if (point === undefined) return '-';
  return `${millions(point.measured_tps)} ${millions(point.emulated_tps)} ${signed(point.error).padStart(6)}`;
}

function signed(error: number): string {
  return `${error < 0 ? '-' : '+'}${(Math.abs(error) * 100).toFixed(1)}%`;
}

function millions(tps: number): string {
  return (tps / 1e6).toFixed(2);
}

function windowName(bytes: number): string {
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MB` : `${bytes / 2 ** 10} KB`;
}

function sentence({ rows, medianError, p95Error, maxError }: ErrorSummary): string {
  const percent = (fraction: number) => `${(fraction * 100).toFixed(1)} %`;
  return (
    `absolute error median ${percent(medianError)}, 95th percentile ${percent(p95Error)}, ` +
    `largest ${percent(maxError)} (${rows} rows).`
  );
}

import { askOnce } from '../child.js';
import { FLAT_FILE, flatComponentOf } from '../flat/flat-components.js';
import { round } from '../measure.js';
import type { Row, Section } from '../section.js';
import type { ComponentsAnswer, ComponentsQuestion } from '../tasks/components.js';

const APPROACHES = [
  { protection: 'cdna', flat: false },
  { protection: 'cdna', flat: true },
  { protection: 'iommu:direct-map', flat: false },
  { protection: 'iommu:direct-map', flat: true },
  { protection: 'iommu:single-use', flat: false },
  { protection: 'iommu:single-use', flat: true },
  { protection: 'driver-domain', flat: false },
] as const;

/** Components by the prefix of a file's path; the first match counts. */
const COMPONENTS: readonly (readonly [prefix: string, component: string])[] = [
  ['scheduler/disciplines/', 'scheduler: disciplines'],
  ['scheduler/event-kernel.', 'scheduler: event kernel'],
  ['scheduler/timing-wheel.', 'scheduler: event kernel'],
  ['scheduler/', 'scheduler: grants and streams'],
  ['node_modules/rxjs/', 'scheduler: grants and streams'],
  ['nic/', 'nic'],
  ['host/bus/', 'host: bus and memory'],
  ['host/memory/', 'host: bus and memory'],
  ['host/cpu/', 'host: cpu'],
  ['host/hypervisor/', 'host: hypervisor'],
  ['host/protection/', 'host: protection'],
  ['host/iommu/', 'host: iommu'],
  ['guests/', 'guests'],
];
const COPYING = 'copying bytes';
const COLLECTING = 'collecting garbage';
const REST = 'the rest';

/** Where bytes are copied for all components, and the engine's names for its own copies. */
const COPY_FILE = 'nic/copy-bytes.ts';
const COPYING_FILES: ReadonlySet<string> = new Set([
  COPY_FILE,
  'host/memory/physical-memory.ts',
  'nic/receive-queues.ts',
  'guests/link-partner.ts',
]);
const COPY_BUILTINS: ReadonlySet<string> = new Set(['set', 'fill', 'subarray', 'copyWithin']);

/** The bench itself: the floor that is run between stretches, and the loop around the machine. */
const BENCH = 'bench/';

/**
 * A budget of a packet: where a CPU profile saw the processor, folded by component, times the time of a packet in the
 * same stretch, of the emulator and of the flat reference. Each approach has its own process. Copying is counted
 * separately, for all callers: the floor copies too.
 * Profiling makes everything some percent slower than the end-to-end rows are.
 */
export const components: Section = {
  name: 'components',
  title: 'Time by component: CPU profile of the end-to-end run, ns per packet, 32 contexts',
  async run({ quick, progress }) {
    const rows: Row[] = [];
    for (const { protection: approach, flat } of quick ? APPROACHES.slice(0, 2) : APPROACHES) {
      const protection = flat ? `flat ${approach}` : approach;
      for (const frameBytes of quick ? [1514] : [60, 1514]) {
        progress(`components: ${protection}, ${frameBytes} bytes`);
        const question: ComponentsQuestion = {
          machine: { protection: approach, contexts: 32, frameBytes },
          flat,
          warmUpPackets: quick ? 50_000 : 150_000,
          packets: quick ? 20_000 : 600_000,
        };
        const { nsPerPacket, floorRatio, seen } = await askOnce<ComponentsAnswer>('components', question);
        const floorNs = nsPerPacket / floorRatio;
        for (const [component, share] of fold(seen)) {
          const ns = share * nsPerPacket;
          rows.push({
            protection,
            frameBytes,
            component,
            nsPerPacket: round(ns),
            sharePercent: round(share * 100),
            floorRatio: round(ns / floorNs),
          });
        }
        rows.push({
          protection,
          frameBytes,
          component: 'all',
          nsPerPacket: round(nsPerPacket),
          sharePercent: 100,
          floorRatio: round(floorRatio),
        });
      }
    }
    return rows;
  },
};

/** Shares of components, largest first; the bench itself does not count. */
function fold(seen: ComponentsAnswer['seen']): [component: string, share: number][] {
  const shares = new Map<string, number>();
  let total = 0;
  for (const { place, builtin, share } of seen) {
    const isBench = place.file.startsWith(BENCH) && place.file !== FLAT_FILE;
    if (isBench || builtin === '(idle)') continue;
    const component = componentOf(place.file, place.name, builtin);
    shares.set(component, (shares.get(component) ?? 0) + share);
    total += share;
  }
  return [...shares]
    .map(([component, share]): [string, number] => [component, share / total])
    .sort(([, a], [, b]) => b - a);
}

function componentOf(file: string, name: string, builtin: string): string {
  const innermost = builtin === '' ? name : builtin;
  if (innermost === '(garbage collector)') return COLLECTING;
  if (file === COPY_FILE || (COPYING_FILES.has(file) && COPY_BUILTINS.has(innermost))) return COPYING;
  if (file === FLAT_FILE) return COPY_BUILTINS.has(builtin) ? COPYING : (flatComponentOf(name) ?? REST);
  return COMPONENTS.find(([prefix]) => file.startsWith(prefix))?.[1] ?? REST;
}

import { askOnce } from '../child.js';
import { round } from '../measure.js';
import type { Row, Section } from '../section.js';
import type { RoomsAnswer, RoomsQuestion } from '../tasks/rooms.js';

const APPROACHES = ['cdna', 'iommu:direct-map', 'iommu:single-use', 'driver-domain'] as const;

/** Components by the prefix of a file's path; the first match counts. */
const ROOMS: readonly (readonly [prefix: string, room: string])[] = [
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
 * same stretch. Each approach has its own process. Copying is counted separately, for all callers: the floor copies too.
 * Profiling makes everything some percent slower than the end-to-end rows are.
 */
export const rooms: Section = {
  name: 'rooms',
  title: 'Time by component: CPU profile of the end-to-end run, ns per packet, 32 contexts',
  async run({ quick, progress }) {
    const rows: Row[] = [];
    for (const protection of quick ? APPROACHES.slice(0, 2) : APPROACHES) {
      for (const frameBytes of quick ? [1514] : [60, 1514]) {
        progress(`rooms: ${protection}, ${frameBytes} bytes`);
        const question: RoomsQuestion = {
          machine: { protection, contexts: 32, frameBytes },
          warmUpPackets: quick ? 50_000 : 150_000,
          packets: quick ? 20_000 : 600_000,
        };
        const { nsPerPacket, floorRatio, seen } = await askOnce<RoomsAnswer>('rooms', question);
        const floorNs = nsPerPacket / floorRatio;
        for (const [room, share] of fold(seen)) {
          const ns = share * nsPerPacket;
          rows.push({
            protection,
            frameBytes,
            room,
            nsPerPacket: round(ns),
            sharePercent: round(share * 100),
            floorRatio: round(ns / floorNs),
          });
        }
        rows.push({
          protection,
          frameBytes,
          name: 'all',
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
function fold(seen: RoomsAnswer['seen']): [room: string, share: number][] {
  const shares = new Map<string, number>();
  let total = 0;
  for (const { place, builtin, share } of seen) {
    if (place.file.startsWith(BENCH) || builtin === '(idle)') continue;
    const room = roomOf(place.file, builtin === '' ? place.name : builtin);
    shares.set(room, (shares.get(room) ?? 0) + share);
    total += share;
  }
  return [...shares]
    .map(([room, share]): [string, number] => [room, share / total])
    .sort(([, a], [, b]) => b - a);
}

function roomOf(file: string, name: string): string {
  if (name === '(garbage collector)') return COLLECTING;
  if (file === COPY_FILE || (COPYING_FILES.has(file) && COPY_BUILTINS.has(name))) return COPYING;
  return ROOMS.find(([prefix]) => file.startsWith(prefix))?.[1] ?? REST;
}

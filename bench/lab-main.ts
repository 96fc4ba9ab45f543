// npm run bench:lab [MINUTES]: what a frame of the lab's page costs, and whether the page grows while it runs as fast as it
// can. Default: 30 minutes; 0 for the frames alone.
import { encodeLink } from '../src/lab/link.js';
import { presetOf } from '../src/lab/presets.js';
import { labFrames } from '../test/support/lab-frames.js';
import { labMemory } from '../test/support/lab-memory.js';

const minutes = Number(process.argv[2] ?? 30);
if (!(minutes >= 0)) throw new Error(`minutes are ${process.argv[2]}, expected a number, 0 or above`);

const SECONDS = 20;
for (const [preset, approach, paceNs] of [
  ['three-guests', 'cdna', 50_000],
  ['three-guests', 'cdna', null],
  ['eight-guests', 'iommu:single-use', null],
] as const) {
  const plan = {
    scenario: presetOf(preset)?.scenario ?? { guests: [] },
    approach,
    discipline: 'drr',
    seed: 1,
  };
  const link = encodeLink({ plans: [plan], position: { atNs: 0, events: 0 }, paceNs });
  const { frameCpuMs, framesPerSecond, statesPerSecond } = await labFrames(link, SECONDS);
  const pace = paceNs === null ? 'as fast as it can' : `${paceNs / 1000} us per second`;
  console.log(
    `${preset}, ${approach}, ${pace}: ${frameCpuMs.toFixed(1)} ms of processor time per frame on the main thread, ${framesPerSecond.toFixed(0)} frames and ${statesPerSecond.toFixed(0)} states per second here`,
  );
}

if (minutes === 0) process.exit();
console.log('seconds  page MB  worker MB  virtual ms');
await labMemory('', minutes * 60, Math.max(10, minutes * 6), ({ seconds, pageMb, workerMb, virtualMs }) => {
  const columns = [seconds.toFixed(0), pageMb.toFixed(1), workerMb.toFixed(1), virtualMs.toFixed(0)];
  console.log(columns.map((text, at) => text.padStart([7, 9, 11, 12][at] ?? 0)).join(''));
});

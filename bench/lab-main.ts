// npm run bench:lab [MINUTES]: whether the page of the lab grows while it runs as fast as it can. Default: 30 minutes.
import { labMemory } from '../test/support/lab-memory.js';

const minutes = Number(process.argv[2] ?? 30);
if (!(minutes > 0)) throw new Error(`minutes are ${process.argv[2]}, expected a number above 0`);
console.log('seconds  page MB  worker MB  virtual ms');
await labMemory('', minutes * 60, Math.max(10, minutes * 6), ({ seconds, pageMb, workerMb, virtualMs }) => {
  const columns = [seconds.toFixed(0), pageMb.toFixed(1), workerMb.toFixed(1), virtualMs.toFixed(0)];
  console.log(columns.map((text, at) => text.padStart([7, 9, 11, 12][at] ?? 0)).join(''));
});

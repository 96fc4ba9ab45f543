// Two guests could each fill the whole wire. One sends long frames, the other short ones. Their shares depend on
// the discipline that grants DMA: run `npx tsx examples/two-guests-on-one-wire.ts` and compare.
import { defineScenario, simulate } from 'cdna-nic';

const scenario = defineScenario({
  guests: [
    { name: 'long', traffic: { kind: 'greedy', frameBytes: 1514 } },
    { name: 'short', traffic: { kind: 'greedy', frameBytes: 300 } },
  ],
  host: { cores: 4 },
  durationNs: 20_000_000,
});

console.log('discipline  long Mb/s  short Mb/s  largest gap, bytes');
for (const discipline of ['fifo', 'prr', 'drr', 'wf2q+']) {
  const { guests, fairness } = await simulate(scenario, { discipline });
  const [long = '', short = ''] = guests.map((guest) => (guest.transmitGoodputBps / 1e6).toFixed(1));
  const gap = Math.round(fairness.largestGapBytes);
  console.log(
    `${discipline.padEnd(10)}  ${long.padStart(9)}  ${short.padStart(10)}  ${String(gap).padStart(18)}`,
  );
}

// A scenario in TypeScript is an object like one in JSON, but an editor completes it and a compiler checks it:
// `npx cdna-nic run examples/scenarios/imix-and-requests.ts`.
import { defineScenario } from 'cdna-nic';

export default defineScenario({
  name: 'a mix of sizes, a client and its server',
  guests: [
    { name: 'imix', weight: 2, traffic: { kind: 'poisson', wireRateBps: 500_000_000, frameBytes: 'imix' } },
    { name: 'client', traffic: { kind: 'request', to: 'server', outstanding: 4 } },
    { name: 'server' },
  ],
  durationNs: 50_000_000,
});

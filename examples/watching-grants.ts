// Everything that happens in a machine is an Observable, and time is virtual: `bufferTime` counts its nanoseconds,
// not those of the host. This prints the bytes granted to each guest in each millisecond.
import { defineScenario, simulate } from 'cdna-nic';
import { type Grant, KernelScheduler } from 'cdna-nic/scheduler';
import { bufferTime, filter, map } from 'rxjs';

const scenario = defineScenario({
  guests: [
    { name: 'steady', traffic: { kind: 'constant', wireRateBps: 300_000_000 } },
    {
      name: 'bursts',
      traffic: { kind: 'on-off', peakWireRateBps: 900_000_000, meanOnNs: 2_000_000, meanOffNs: 2_000_000 },
    },
    { name: 'late', traffic: { kind: 'greedy', startNs: 4_000_000 }, weight: 2 },
  ],
  durationNs: 8_000_000,
});

const bytesOf = (grants: readonly Grant[], context: number) =>
  grants.reduce((sum, grant) => sum + (grant.context === context ? grant.bytes : 0), 0);

// From the first moment on: without a warm-up, which runs otherwise have.
const result = await simulate(scenario, {
  warmUpNs: 0,
  prepare({ kernel, host, guests }) {
    host.nic.grants$
      .pipe(
        bufferTime(1_000_000, new KernelScheduler(kernel)),
        filter((grants) => grants.length > 0),
        map((grants) => guests.map(({ name, port }) => ({ name, bytes: bytesOf(grants, port.context) }))),
      )
      .subscribe((shares) => {
        const text = shares.map(({ name, bytes }) => `${name} ${String(bytes).padStart(6)}`);
        console.log(`${kernel.nowNs / 1e6} ms: ${text.join('  ')} bytes`);
      });
  },
});
console.log(`${result.framesTransmitted} frames, fingerprint ${result.fingerprint}`);

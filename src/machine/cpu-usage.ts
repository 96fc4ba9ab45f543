import type { Host } from '../../host/host.js';
import { present } from '../../scheduler/present.js';
import type { RunResult } from './run-result.js';

/**
 * What domains took of the CPU time of a window, each in nanoseconds and as a fraction of all cores. CPU time is
 * conserved (host/cpu/processor.ts): what no domain had was idle, to the nanosecond.
 */
export function cpuUsage(host: Host, domainNs: readonly number[], durationNs: number): RunResult['cpu'] {
  const { cores } = host.processor;
  const wallNs = durationNs * cores;
  const domains = host.hypervisor.domains.map(({ name, kind }, index) => {
    const busyNs = present(domainNs[index]);
    return { name, kind, busyNs, fraction: busyNs / wallNs };
  });
  const idleNs = domains.reduce((left, { busyNs }) => left - busyNs, wallNs);
  return { cores, idleFraction: idleNs / wallNs, domains };
}

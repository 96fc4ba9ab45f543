import type { FaultPolicy } from '../../../host/hypervisor/fault-log.js';
import type { Discipline } from '../../../scheduler/discipline.js';
import type { RecentLatencies } from '../../lab/recent-latencies.js';
import type { LiveMachine } from '../live-machine.js';
import type { SessionSubject } from '../live-plan.js';

/** A session with real guests, as a page of the lab watches and changes it. What is changed is logged where the session is. */
export interface ServedSession {
  readonly machine: LiveMachine;
  readonly subject: SessionSubject;
  readonly transmitDiscipline: Discipline;
  readonly receiveDiscipline: Discipline;
  /** Of each real guest's last frames, by its number: from the notification to the last bit. */
  readonly latencies: RecentLatencies<number>;
  /** File that is being captured to; undefined while none is. */
  readonly capturing: string | undefined;
  /** Brings virtual time to now. */
  advance(): void;
  /** Looks at the machine: what is read of guests' memory meanwhile is no input of the session. */
  look<T>(act: () => T): T;
  setWeight(guest: number, weight: number): void;
  /** @param limitBps bits per second, or none */
  setLimit(guest: number, limitBps: number | undefined): void;
  setPriority(guest: number, priority: number): void;
  setPolicy(policy: FaultPolicy): void;
  /** Starts a capture, or completes the one that is being written. @throws OutputFileError */
  toggleCapture(): string | undefined;
}

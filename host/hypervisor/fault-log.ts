import type { Observable } from 'rxjs';
import type { FaultReason } from '../../nic/counters.js';
import type { ContextId } from '../../scheduler/branded.js';
import type { EventKernel } from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import type { SetupRefusal } from '../protection/guest-port.js';

/** Policies for a guest whose context faulted or whose request was refused. */
export const FAULT_POLICIES = ['log', 'revoke', 'kill'] as const;
export type FaultPolicy = (typeof FAULT_POLICIES)[number];

/**
 * A fault for which the IOMMU's driver stops a function: the device has not answered invalidations, or has made more
 * accesses that had to be denied than the limit allows.
 */
export type UnitFaultReason = 'device-silent' | 'fault-limit';

/** The hypervisor's record of a fault. */
export interface FaultRecord {
  readonly atNs: number;
  readonly domain: string;
  readonly context: ContextId;
  /** Which gate or part caught it. */
  readonly caughtBy: 'set-up' | 'nic' | 'iommu';
  readonly reason: FaultReason | SetupRefusal | UnitFaultReason;
  readonly action: FaultPolicy;
}

/** A storm of refusals must not become a storm of memory. */
const MAX_RECORDS = 1000;

/** Faults as the hypervisor writes them down: all are counted and streamed, the first thousand are kept. */
export class FaultLog {
  readonly faults$: Observable<FaultRecord>;
  readonly #subject: GuardedSubject<FaultRecord>;
  readonly #records: FaultRecord[] = [];
  #count = 0;

  constructor(kernel: EventKernel) {
    this.#subject = new GuardedSubject('host.hypervisor.faults$', kernel);
    this.faults$ = this.#subject.stream$;
  }

  get count(): number {
    return this.#count;
  }

  get records(): readonly FaultRecord[] {
    return this.#records;
  }

  add(record: FaultRecord): void {
    this.#count += 1;
    if (this.#records.length < MAX_RECORDS) this.#records.push(record);
    this.#subject.next(record);
  }
}

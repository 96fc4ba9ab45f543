import { contextId, storedContextId } from '../../scheduler/branded.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { DmaScheduler, type Grant } from '../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { SerialLine } from '../../scheduler/serial-line.js';

/** A link of 1 Gb/s behind a FIFO of 20,000 bytes, queues in front of it, and a scheduler between them. */
export class LabLink {
  readonly kernel = new EventKernel();
  readonly queues = new Map<number, number[]>();
  readonly grants: Grant[] = [];
  readonly granted: number[] = [];
  readonly scheduler: DmaScheduler;
  readonly line = new SerialLine(1e9);
  onGrant: (context: number) => void = () => {};

  constructor(discipline: Discipline, { creditBytes = 20_000, sends = true, waitsForStarved = false } = {}) {
    const departed = this.kernel.register('wire', (bytes) => this.scheduler.credit(bytes));
    this.scheduler = new DmaScheduler(this.kernel, {
      name: 'nic.transmit',
      discipline,
      waitsForStarved,
      heads: { headBytes: (context) => this.headBytes(context) },
      onGrant: (context) => {
        const bytes = this.queues.get(context)?.shift() ?? 0;
        this.granted.push(context);
        if (sends) this.kernel.scheduleAt(this.line.carry(bytes, this.kernel.nowNs), departed, bytes);
        this.onGrant(context);
      },
    });
    this.scheduler.grants$.subscribe((grant) => this.grants.push(grant));
    this.scheduler.credit(creditBytes);
  }

  headBytes(context: number): number {
    return this.queues.get(context)?.[0] ?? 0;
  }

  join(context: number, weight = 1): void {
    this.queues.set(context, []);
    this.scheduler.join(contextId(context), { weight });
  }

  post(context: number, frameBytes: number, count: number): void {
    for (let frame = 0; frame < count; frame += 1) {
      this.queues.get(context)?.push(frameBytes);
      this.scheduler.arrived(contextId(context), frameBytes);
    }
    this.ring(context);
  }

  ring(context: number): void {
    this.scheduler.ring(storedContextId(context));
  }

  giveBack(bytes: number): void {
    this.scheduler.credit(bytes);
  }

  bytesOf(context: number, from = 0): number {
    const grants = this.grants.filter((grant) => grant.context === context && grant.atNs >= from);
    return grants.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

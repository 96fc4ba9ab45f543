import type { Discipline } from '../../scheduler/discipline.js';
import { DmaScheduler, type Grant } from '../../scheduler/dma-scheduler.js';
import { EventKernel } from '../../scheduler/event-kernel.js';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { listen } from '../../scheduler/listen.js';
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
  readonly #doorbells = new GuardedSubject<number>('nic.doorbells$', this.kernel);
  readonly #ready = new GuardedSubject<number>('nic.ready$', this.kernel);

  constructor(discipline: Discipline, { roomBytes = 20_000, sends = true } = {}) {
    this.scheduler = new DmaScheduler(this.kernel, {
      name: 'nic.transmit',
      discipline,
      heads: { headBytes: (context) => this.headBytes(context) },
      doorbells$: this.#doorbells.stream$,
      linkReady$: this.#ready.stream$,
    });
    const departed = this.kernel.register('wire', (bytes) => this.#ready.next(bytes));
    listen(this.scheduler.granted$, this.kernel, (context) => {
      const bytes = this.queues.get(context)?.shift() ?? 0;
      this.granted.push(context);
      if (sends) this.kernel.scheduleAt(this.line.carry(bytes, this.kernel.nowNs), departed, bytes);
      this.onGrant(context);
    });
    this.scheduler.grants$.subscribe((grant) => this.grants.push(grant));
    this.scheduler.start();
    this.#ready.next(roomBytes);
  }

  headBytes(context: number): number {
    return this.queues.get(context)?.[0] ?? 0;
  }

  join(context: number, weight = 1): void {
    this.queues.set(context, []);
    this.scheduler.join(context, { weight });
  }

  post(context: number, frameBytes: number, count: number): void {
    for (let frame = 0; frame < count; frame += 1) {
      this.queues.get(context)?.push(frameBytes);
      this.scheduler.arrived(context, frameBytes);
    }
    this.ring(context);
  }

  ring(context: number): void {
    this.#doorbells.next(context);
  }

  giveBack(bytes: number): void {
    this.#ready.next(bytes);
  }

  bytesOf(context: number, from = 0): number {
    const grants = this.grants.filter((grant) => grant.context === context && grant.atNs >= from);
    return grants.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

import type { ContextId } from '../../scheduler/branded.js';
import { type Discipline, NONE } from '../../scheduler/discipline.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { SerialLine } from '../../scheduler/serial-line.js';
import type { Workload, WorkloadEvent } from './workload.js';

/** Frames that a context which wants to send has waiting: as many as a small ring holds. */
const WAITING_FRAMES = 8;

/** Called for every frame when its last bit has left. */
export type FrameSent = (context: ContextId, bytes: number, waitedNs: number, endNs: number) => void;

interface Queue {
  /** Bytes and arrival time of each frame, alternating, from `head` on. */
  readonly frames: number[];
  head: number;
  wants: boolean;
  /** Frames that it has made of itself. */
  made: number;
}

/**
 * One link, its queues, and a discipline that shares it out: a workload played from its first event to its end. The
 * discipline is called as the card's DMA scheduler calls it; the link has space for the frame that it carries, so what
 * is measured is the discipline alone.
 */
export class FairnessTrial {
  readonly #workload: Workload;
  readonly #discipline: Discipline;
  readonly #sent: FrameSent;
  readonly #line: SerialLine;
  readonly #queues: readonly Queue[];
  #backlogged = 0;
  #nowNs = 0;
  #next = 0;

  constructor(workload: Workload, discipline: Discipline, sent: FrameSent) {
    this.#workload = workload;
    this.#discipline = discipline;
    this.#sent = sent;
    this.#line = new SerialLine(workload.linkBps);
    this.#queues = workload.contenders.map(() => ({ frames: [], head: 0, wants: false, made: 0 }));
  }

  /** Plays the workload. Frames that have not left at its end are not reported. */
  run(): void {
    const { durationNs } = this.#workload;
    this.#hear(0);
    while (this.#nowNs < durationNs) {
      const untilNs = this.#backlogged > 0 ? this.#serve() : this.#nextEventNs();
      this.#hear(Math.min(untilNs, durationNs));
    }
    this.#discipline.checkInvariants();
  }

  /** Takes the next frame; returns when to decide again. */
  #serve(): number {
    const nowNs = this.#nowNs;
    const context = this.#discipline.select(nowNs);
    if (context === NONE) {
      const eligibleNs = this.#discipline.nextEligibleNs?.(nowNs);
      if (eligibleNs === undefined)
        throw new InvariantViolation(`${this.#discipline.name} serves no context while some wait`);
      return Math.min(Math.max(Math.ceil(eligibleNs), nowNs + 1), this.#nextEventNs());
    }
    const queue = this.#queue(context);
    const bytes = queue.frames[queue.head];
    const arrivedNs = queue.frames[queue.head + 1];
    if (bytes === undefined || arrivedNs === undefined)
      throw new InvariantViolation(`${this.#discipline.name} chose context ${context}, which has no frame`);
    queue.head += 2;
    // 0: a context without another frame has a head of no bytes.
    const nextBytes = queue.frames[queue.head] ?? 0;
    const endNs = this.#line.carry(bytes, nowNs);
    if (nextBytes === 0) this.#backlogged -= 1;
    this.#discipline.served(context, bytes, nextBytes, nowNs);
    if (queue.head === queue.frames.length || queue.head > 2048) {
      queue.frames.splice(0, queue.head);
      queue.head = 0;
    }
    if (queue.wants) this.#make(context);
    if (endNs <= this.#workload.durationNs) this.#sent(context, bytes, endNs - arrivedNs, endNs);
    return this.#line.freeAtNs;
  }

  /** What happens up to a moment, each at its own time. */
  #hear(untilNs: number): void {
    const { events } = this.#workload;
    for (let event = events[this.#next]; event !== undefined && event.atNs <= untilNs; ) {
      this.#nowNs = Math.max(this.#nowNs, event.atNs);
      this.#next += 1;
      this.#happen(event);
      event = events[this.#next];
    }
    this.#nowNs = Math.max(this.#nowNs, untilNs);
  }

  #happen({ kind, context, bytes }: WorkloadEvent): void {
    const queue = this.#queue(context);
    switch (kind) {
      case 'join':
        this.#discipline.join(context, this.#workload.contenders[context]?.share ?? { weight: 1 });
        return;
      case 'arrive':
        this.#arrive(context, bytes);
        return;
      case 'begin':
        queue.wants = true;
        for (let count = 0; count < WAITING_FRAMES; count += 1) this.#make(context);
        return;
      default:
        queue.wants = false;
        if (queue.head < queue.frames.length) {
          queue.frames.length = 0;
          queue.head = 0;
          this.#backlogged -= 1;
          this.#discipline.withdraw(context, this.#nowNs);
        }
        if (kind === 'leave') this.#discipline.leave(context, this.#nowNs);
    }
  }

  #make(context: ContextId): void {
    const queue = this.#queue(context);
    const sizes = this.#workload.contenders[context]?.frameBytes ?? [];
    const bytes = sizes[queue.made % sizes.length] ?? 60;
    queue.made += 1;
    this.#arrive(context, bytes);
  }

  #arrive(context: ContextId, bytes: number): void {
    const queue = this.#queue(context);
    const first = queue.head === queue.frames.length;
    queue.frames.push(bytes, this.#nowNs);
    this.#discipline.arrived?.(context, bytes, this.#nowNs);
    if (!first) return;
    this.#backlogged += 1;
    this.#discipline.activate(context, bytes, this.#nowNs);
  }

  #nextEventNs(): number {
    return this.#workload.events[this.#next]?.atNs ?? this.#workload.durationNs;
  }

  #queue(context: ContextId): Queue {
    const queue = this.#queues[context];
    if (queue === undefined) throw new InvariantViolation(`context ${context} takes no part`);
    return queue;
  }
}

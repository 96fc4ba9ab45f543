import type { Observable, Subscription } from 'rxjs';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';

/** Sent once, before anything else. */
export interface StreamsSetUp {
  readonly machine: GreedyMachineOptions;
  /**
   * Every stream of card, bus and schedulers asks `GuardedSubject.observed` before it builds an event. `removed` makes
   * that a constant false before any code is compiled, so that the compiler removes the question, the event and its
   * emission. What stays are the fields that hold the subjects. (The sources that feed drivers do not ask: their
   * streams are how frames get in, and stay.)
   */
  readonly emission: 'as it is' | 'removed';
  readonly warmUpPackets: number;
}

/** Asks for a stretch of so many packets, with one subscriber on each of these streams. */
export interface StreamsStretch {
  readonly packets: number;
  readonly subscribe: readonly string[];
}

export interface StreamsAnswer {
  /** This process's own processor time per packet: a neighbour that runs in between does not count. */
  readonly ns: number;
  readonly eventsPerPacket: number;
  /** Virtual time and kernel events since the start, by which two machines can be told apart. */
  readonly virtualNs: number;
  readonly executed: number;
}

let machine: GreedyMachine | undefined;
let seen = 0;

answer((question: StreamsSetUp | StreamsStretch): readonly string[] | StreamsAnswer => {
  if ('machine' in question) {
    if (question.emission === 'removed') {
      Object.defineProperty(GuardedSubject.prototype, 'observed', { get: () => false });
    }
    machine = new GreedyMachine(question.machine);
    machine.deliver(question.warmUpPackets);
    return Object.keys(streamsOf(machine));
  }
  if (machine === undefined) throw new Error('no machine was asked for');
  const streams = streamsOf(machine);
  const subscriptions: Subscription[] = question.subscribe.map((name) => {
    const stream$ = streams[name];
    if (stream$ === undefined) throw new Error(`there is no stream ${name}`);
    return stream$.subscribe(() => {
      seen += 1;
    });
  });
  seen = 0;
  const start = process.cpuUsage();
  const delivered = machine.deliver(question.packets);
  const { user, system } = process.cpuUsage(start);
  const ns = ((user + system) * 1000) / delivered;
  for (const subscription of subscriptions) subscription.unsubscribe();
  const { nowNs: virtualNs, executed } = machine.kernel;
  return { ns, eventsPerPacket: seen / delivered, virtualNs, executed };
});

/** Every stream that a machine offers. */
function streamsOf({ host }: GreedyMachine): Record<string, Observable<unknown>> {
  const { nic, bus, hypervisor } = host;
  return {
    ...nic.streams,
    grants$: nic.grants$,
    receiveGrants$: nic.receiveGrants$,
    denied$: bus.denied$,
    hypervisorFaults$: hypervisor.faults$,
  };
}

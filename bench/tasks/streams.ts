import type { Observable, Subscription } from 'rxjs';
import { GuardedSubject } from '../../scheduler/guarded-subject.js';
import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';

/** Sent once, before anything else. */
export interface StreamsSetUp {
  readonly machine: GreedyMachineOptions;
  /**
   * `without` puts a constant in the place of the question whether anybody listens, before any of the code is
   * compiled: the compiler then removes the question, and what would be built for an observer.
   */
  readonly subjects: 'as they are' | 'without';
  readonly warmUpPackets: number;
}

/** Asks for a stretch of so many packets, with one subscriber on each of these streams; answered with ns a packet
 * of this process's processor time: a neighbour that runs in between does not count. */
export interface StreamsStretch {
  readonly packets: number;
  readonly subscribe: readonly string[];
}

let machine: GreedyMachine | undefined;
let seen = 0;

answer((question: StreamsSetUp | StreamsStretch) => {
  if ('machine' in question) {
    if (question.subjects === 'without') {
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
  return { ns, eventsPerPacket: seen / delivered };
});

/** Every stream that a machine offers to whoever wants to look. */
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

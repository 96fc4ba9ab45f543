import { answer } from '../child.js';
import { GreedyMachine, type GreedyMachineOptions } from '../greedy-machine.js';

/** Processor time in which a machine is built and every context is opened, ns; the first of its process. */
answer((options: GreedyMachineOptions): number => {
  const start = process.cpuUsage();
  const machine = new GreedyMachine(options);
  const { user, system } = process.cpuUsage(start);
  if (machine.drivers.length !== options.contexts) throw new Error('a context is missing');
  return (user + system) * 1000;
});

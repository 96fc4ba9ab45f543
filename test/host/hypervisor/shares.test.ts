import { describe, expect, it } from 'vitest';
import { COSTS } from '../../../host/cpu/costs.js';
import { Cdna, PlainDma } from '../../../host/index.js';
import type { Protection } from '../../../host/protection/protection.js';
import { contextAfter, contextId } from '../../../scheduler/branded.js';
import type { Share } from '../../../scheduler/discipline.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { Machine, macOf } from '../support/machine.js';

const SHARE: Required<Share> = {
  weight: 3,
  priority: 2,
  deadlineNs: 40_000,
  tenant: 5,
  limitBps: 7_000_000_000,
  burstBytes: 20_000,
  minimumBps: 1_000_000,
  maxFrameBytes: 1514,
};

describe.each([
  ['none', () => new PlainDma()],
  ['cdna', () => new Cdna()],
] as const)('the share of a context under %s', (_, protection) => {
  function opened() {
    const machine = new Machine<Protection>(protection());
    const guest = machine.guest(1, { share: SHARE });
    return { machine, guest, context: guest.port.context };
  }

  it('is the one that the port was opened with', () => {
    const { machine, context } = opened();
    expect(machine.host.nic.contexts[context]?.share).toStrictEqual(SHARE);
  });

  it('keeps its other fields when the weight of the open context changes', () => {
    const { machine, context } = opened();
    machine.host.hypervisor.setWeight(context, 9);
    expect(machine.host.nic.contexts[context]?.share).toStrictEqual({ ...SHARE, weight: 9 });
  });

  it('keeps its other fields when limit and priority of the open context change, which the hypervisor pays for', () => {
    const { machine, context } = opened();
    const { hypervisor, nic, processor } = machine.host;
    machine.run();
    const charged = () => processor.cyclesOf(hypervisor.account);
    const before = charged();
    hypervisor.setLimit(context, 8_000_000_000);
    hypervisor.setPriority(context, 4);
    machine.run();
    expect(nic.contexts[context]?.share).toStrictEqual({ ...SHARE, limitBps: 8_000_000_000, priority: 4 });
    // SELECT, LIMIT_LOW, LIMIT_HIGH, COMMAND and SELECT, PRIORITY, COMMAND are written, COMMAND_STATUS is read twice.
    expect(charged() - before).toBe(7 * COSTS.doorbell.cycles + 2 * COSTS.registerRead.cycles);
    hypervisor.setLimit(context, undefined);
    const { limitBps: _, ...unlimited } = SHARE;
    expect(nic.contexts[context]?.share).toStrictEqual({ ...unlimited, priority: 4 });
  });

  it('does not pass to the next owner of the context', () => {
    const { machine, guest, context } = opened();
    machine.host.protection.closePort(guest.port);
    machine.run();
    const next = machine.guest(2, { mac: macOf(1), share: { weight: 4 } });
    expect(next.port.context).toBe(context);
    expect(machine.host.nic.contexts[context]?.share).toStrictEqual({ weight: 4 });
  });

  it('cannot be given to a context that is open, free or not there', () => {
    const { machine, context } = opened();
    const { nic } = machine.host;
    for (const [index, state] of [
      [context, 'open'],
      [contextAfter(context), 'free'],
      [contextId(nic.contexts.length), 'not there'],
    ] as const)
      expect(() => nic.entitle(index, SHARE)).toThrow(
        new InvariantViolation(`context ${index} is ${state}, expected allocated to be entitled to a share`),
      );
    expect(nic.contexts[context + 1]?.share).toStrictEqual({ weight: 1 });
  });
});

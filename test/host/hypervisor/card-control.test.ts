import { describe, expect, it } from 'vitest';
import { CardControl } from '../../../host/hypervisor/card-control.js';
import { PlainDma } from '../../../host/index.js';
import { busAddress } from '../../../nic/addresses.js';
import { contextId } from '../../../scheduler/branded.js';
import { InvariantViolation } from '../../../scheduler/errors.js';
import { Machine } from '../support/machine.js';

const COSTS = { doorbell: 100, registerRead: 1000 };

function card() {
  const machine = new Machine(new PlainDma(), { nic: { contexts: 4 }, host: { costs: COSTS } });
  const { host } = machine;
  const control = new CardControl(host.nic, host.window, host.processor, host.hypervisor.account);
  const { context } = machine.guest(1).port;
  machine.run();
  const cyclesOf = (action: () => void) => {
    const before = host.processor.cyclesOf(host.hypervisor.account);
    action();
    return host.processor.cyclesOf(host.hypervisor.account) - before;
  };
  return { host, control, context, cyclesOf };
}

describe('the driver of the management page', () => {
  it('stops a context, for two writes and a read', () => {
    const { host, control, context, cyclesOf } = card();
    expect(cyclesOf(() => control.revoke(context))).toBe(2 * COSTS.doorbell + COSTS.registerRead);
    expect(host.nic.contexts[context]?.state).toBe('free');
  });

  it.each([3, 4, 99])('throws when context %d, which no guest has, is to be revoked', (context) => {
    const { control } = card();
    expect(() => control.revoke(contextId(context))).toThrow(
      new InvariantViolation(
        `the card refused to revoke context ${context}: ${context < 4 ? 'wrong-state' : 'no-such-context'}`,
      ),
    );
  });

  it('throws when a register refuses its value', () => {
    const { control } = card();
    expect(() => control.attachVectorRing(busAddress(0x1000), 0)).toThrow(
      'refused 0 for its register VECTOR_RING_SIZE',
    );
  });

  it('pays for looking for faults, also when there is none', () => {
    const { control, cyclesOf } = card();
    expect(cyclesOf(() => expect(control.nextFault()).toBeUndefined())).toBe(COSTS.registerRead);
  });

  it('asks for the size of a vector once', () => {
    const { control, cyclesOf } = card();
    expect(cyclesOf(() => expect(control.vectorBytes).toBe(4))).toBe(0);
  });
});

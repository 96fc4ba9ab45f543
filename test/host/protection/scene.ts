import type { ProtectionPlan } from '../../../host/protection/protection.js';
import { Machine, PAGE, type TestGuest } from '../support/machine.js';

/** What secret pages are full of: no frame that the tests send has so much of it in a row. */
const MARKS = { victim: 0xa7, hypervisor: 0x5c } as const;
export type Robbed = keyof typeof MARKS;

/** A thief, a victim, and what must not be stolen. */
export interface AttackScenario {
  readonly machine: Machine;
  thief: TestGuest;
  readonly victim: TestGuest;
  /** A page of the victim, and one of the hypervisor, full of marks. */
  readonly secret: number;
  readonly hypervisorPage: number;
  /** An address behind the end of RAM. */
  readonly beyond: number;
  /** Pages that the thief may aim at: its own, the victim's, the hypervisor's, unowned ones. */
  readonly targets: readonly number[];
  /** The victim is given another page, and keeps secrets there too. */
  victimTakes(): void;
  /** Whose secrets went out on the wire, and whose were changed. */
  stolen(): { readonly leaked: readonly Robbed[]; readonly changed: readonly Robbed[] };
}

export function scene(protection: ProtectionPlan): AttackScenario {
  const machine = new Machine(protection);
  const [thief, victim] = [machine.guest(1), machine.guest(2)];
  const marked = (whose: Robbed) => new Uint8Array(PAGE).fill(MARKS[whose]);
  const own = [thief.page(), thief.page()];
  const secret = victim.page();
  own.push(thief.page());
  const hypervisorPage = machine.host.hypervisor.allocateOwn('hypervisor', PAGE);
  const secrets = [secret];
  victim.store(secret, marked('victim'));
  machine.poke(hypervisorPage, marked('hypervisor'));
  machine.run();
  const beyond = machine.host.memory.bytes;
  return {
    machine,
    thief,
    victim,
    secret,
    hypervisorPage,
    beyond,
    // A page before the victim's is the thief's, so that lengths reach across.
    targets: [...own, own[1] ?? 0, secret, secret, hypervisorPage, 0, beyond - PAGE, beyond],
    victimTakes() {
      if (secrets.length > 40) return;
      const page = victim.page();
      victim.store(page, marked('victim'));
      secrets.push(page);
    },
    stolen() {
      const pages = { victim: secrets, hypervisor: [hypervisorPage] };
      const both: Robbed[] = ['victim', 'hypervisor'];
      return {
        leaked: both.filter((whose) =>
          machine.wire.frames.some(({ bytes }) =>
            Buffer.from(bytes).includes(Buffer.alloc(32, MARKS[whose])),
          ),
        ),
        changed: both.filter((whose) =>
          pages[whose].some((page) => machine.peek(page, PAGE).some((byte) => byte !== MARKS[whose])),
        ),
      };
    },
  };
}

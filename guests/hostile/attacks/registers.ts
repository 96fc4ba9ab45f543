import { COMMANDS, MAILBOX, MANAGEMENT } from '../../../nic/registers.js';
import { type Attack, always } from '../attack.js';
import type { AttackScenario } from '../attack-scenario.js';

/** Pages of contexts that are not the attacker's. */
function foreignPages({ host, attacker }: AttackScenario): number[] {
  return host.nic.contexts
    .filter(({ index, state }) => index !== attacker.port.context && state === 'open')
    .map(({ index }) => index);
}

/** Attacks by register accesses: the MMU stops them, since the BAR is mapped one page per guest. */
export const REGISTER_ATTACKS: readonly Attack[] = [
  {
    name: 'foreign-doorbell',
    meaning: 'mailboxes of other contexts are written: producer indices, interrupt mask, receive mode',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      for (const page of foreignPages(scene)) {
        for (const mailbox of [
          MAILBOX.TX_PRODUCER,
          MAILBOX.RX_PRODUCER,
          MAILBOX.INTERRUPT_MASK,
          MAILBOX.RX_MODE,
        ]) {
          scene.attacker.poke(page, mailbox * 4, 0x7fff);
        }
      }
    }),
  },
  {
    name: 'ring-base',
    meaning:
      'the management page is written, and over the end of the own page, to move the ring of another context',
    by: 'guest',
    target: 'another guest',
    play: always((scene) => {
      const { attacker, host } = scene;
      const management = host.window.managementPage;
      const own = attacker.page();
      for (const page of foreignPages(scene)) {
        attacker.poke(management, MANAGEMENT.SELECT, page);
        attacker.poke(management, MANAGEMENT.TX_RING_LOW, own);
        attacker.poke(management, MANAGEMENT.RX_RING_LOW, own);
        attacker.poke(management, MANAGEMENT.COMMAND, COMMANDS.indexOf('revoke'));
        attacker.poke(management, MANAGEMENT.COMMAND, COMMANDS.indexOf('open'));
        attacker.poke(attacker.port.context, (page - attacker.port.context) * 4096, 0x7fff);
        attacker.poke(attacker.port.context, 4094, 0x7fff_ffff);
      }
    }),
  },
];

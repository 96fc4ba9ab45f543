import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cdna } from '../../../../host/index.js';
import { pageNumber } from '../../../../nic/addresses.js';
import { runs } from '../../../support/whole.js';
import { frame, Machine, macOf, PAGE, STRANGER, type TestGuest } from '../../support/machine.js';

const RELEASE_NS = 1_000_000;
const cdna = () => new Machine(new Cdna({ releaseTimeoutNs: RELEASE_NS }));

function two() {
  const machine = cdna();
  const [bad, victim] = [machine.guest(1), machine.guest(2)];
  machine.run();
  return { machine, bad, victim };
}

/** Both directions are to give the same answer. */
function refusals(machine: Machine, guest: TestGuest, address: number, length: number): unknown[] {
  const { pages } = machine.host;
  const pins = pages.pinsTaken;
  const answers = [guest.port.transmit, guest.port.receive].map((queue, direction) => {
    const accepted =
      direction === 0 ? guest.post({ address, length }) : guest.postReceive({ address, length });
    expect(accepted).toBe(0);
    const fault = queue.refusal;
    expect(fault).toMatchObject({ domain: guest.domain.id, address, length });
    return fault?.refusal;
  });
  expect(pages.pinsTaken, 'a refused request takes no references').toBe(pins);
  expect(answers[0]).toBe(answers[1]);
  return [answers[0]];
}

describe("CDNA's set-up gate", () => {
  it('refuses a page of another guest, as a value, and charges it to the guest that asked', () => {
    const { machine, bad, victim } = two();
    const page = victim.page();
    victim.store(page, frame(1, 2, 64));
    expect(refusals(machine, bad, page, 64)).toEqual(['not-owner']);
    machine.run();
    expect(machine.wire.frames).toEqual([]);
    expect(machine.peek(page, 64)).toEqual(frame(1, 2, 64));
    expect(machine.host.hypervisor.faultLog.map((fault) => fault.domain)).toEqual(['guest 1', 'guest 1']);
    const counters = machine.host.protection.counters();
    expect([counters.accepted, counters.refused]).toEqual([0, 2]);
  });

  it('checks every page: a buffer that begins in an own page and ends in a foreign one is refused', () => {
    const { machine, bad, victim } = two();
    // Allocated alternately, so that their pages alternate.
    const mine = bad.page();
    const next = victim.page();
    expect(next).toBe(mine + PAGE);
    expect(refusals(machine, bad, next - 1, 2)).toEqual(['not-owner']);
    expect(refusals(machine, bad, mine, PAGE + 1)).toEqual(['not-owner']);
    expect(bad.post({ address: mine, length: PAGE })).toBe(1);
  });

  it.each([
    ['hypervisor memory', 0, 64, 'not-owner'],
    ['beyond RAM', 64 * 2 ** 20, 64, 'not-ram'],
    ['across the end of RAM', 64 * 2 ** 20 - 1, 2, 'not-owner'],
    ['far beyond RAM', 2 ** 60, 64, 'not-ram'],
    ['a negative address', -PAGE, 64, 'not-ram'],
    ['an address that is no number', Number.NaN, 64, 'not-ram'],
    ['half an address', 4096.5, 64, 'not-ram'],
    ['infinitely far', Number.POSITIVE_INFINITY, 64, 'not-ram'],
    ['no owner', 63 * 2 ** 20, 64, 'not-owner'],
  ])('refuses %s', (_what, address, length, refusal) => {
    const { machine, bad } = two();
    expect(refusals(machine, bad, address, length)).toEqual([refusal]);
  });

  it('refuses lengths that no descriptor has', () => {
    const { machine, bad } = two();
    const pages = bad.pages(5);
    for (const length of [0, 16_385, 65_536, 0xffffffff])
      expect(refusals(machine, bad, pages, length)).toEqual(['bad-length']);
    expect(bad.postReceive({ address: pages, length: 16_384 })).toBe(1);
  });

  it("refuses the guest's own descriptor ring and status block: they are the hypervisor's", () => {
    const { machine, bad } = two();
    for (let frameNumber = 0; frameNumber < machine.host.pages.pageCount; frameNumber += 1) {
      if (machine.host.pages.kind(pageNumber(frameNumber)) !== 'descriptor-ring') continue;
      expect(refusals(machine, bad, frameNumber * PAGE, 16)).toEqual(['not-owner']);
      expect(bad.store(frameNumber * PAGE, frame(1, 2, 16)), 'nor can its CPU').toBe('page-fault');
    }
  });

  it('refuses a page that is on its way out', () => {
    const { machine, bad } = two();
    const page = bad.send(frame(STRANGER, macOf(1)));
    expect(bad.domain.release(pageNumber(page / PAGE))).toBe('pending');
    expect(refusals(machine, bad, page, 64)).toEqual(['not-owner']);
  });

  it('accepts what comes before the bad buffer and nothing behind it; the next good request works', () => {
    const { machine, bad, victim } = two();
    const [one, two_, foreign] = [bad.page(), bad.page(), victim.page()];
    bad.store(one, frame(STRANGER, macOf(1), 80, 1));
    bad.store(two_, frame(STRANGER, macOf(1), 90, 2));
    const accepted = bad.post(
      { address: one, length: 80 },
      { address: foreign, length: 64 },
      { address: two_, length: 90 },
    );
    expect(accepted).toBe(1);
    expect(bad.post({ address: two_, length: 90 })).toBe(1);
    expect(bad.port.transmit.refusal).toBeUndefined();
    machine.run();
    expect(machine.wire.frames.map((sent) => sent.bytes)).toEqual([
      frame(STRANGER, macOf(1), 80, 1),
      frame(STRANGER, macOf(1), 90, 2),
    ]);
  });

  it('refuses a frame whole when one of its buffers is refused', () => {
    const { machine, bad, victim } = two();
    const [head, tail] = [bad.page(), victim.page()];
    expect(bad.post({ address: head, length: 64, flags: 0 }, { address: tail, length: 64 })).toBe(0);
    const whole = frame(STRANGER, macOf(1));
    bad.send(whole);
    machine.run();
    expect(machine.wire.frames.map((sent) => sent.bytes)).toEqual([whole]);
  });

  it('never pins or passes a page that the guest does not own, whatever it asks for', () => {
    const request = fc.record({
      receive: fc.boolean(),
      frame: fc.integer({ min: -2, max: 2050 }),
      offset: fc.nat(PAGE - 1),
      length: fc.oneof(fc.integer({ min: 0, max: 9000 }), fc.nat(20_000)),
    });
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 20 }), (requests) => {
        const machine = new Machine(new Cdna(), { host: { memoryBytes: 8 * 2 ** 20 } });
        const { pages } = machine.host;
        const guest = machine.guest(1);
        const other = machine.guest(2);
        for (let turn = 0; turn < 8; turn += 1) (turn % 3 === 0 ? other : guest).page();
        for (const { receive, frame: at, offset, length } of requests) {
          // Most tries near the pages that have an owner.
          const address = (at % 4 === 0 ? at : 10 + (Math.abs(at) % 14)) * PAGE + offset;
          let allowed = length > 0 && length <= 16_384;
          for (
            let byte = address;
            byte < address + length;
            byte += byte % PAGE === 0 ? PAGE : PAGE - (byte % PAGE)
          )
            allowed &&= pages.owner(pageNumber(Math.floor(byte / PAGE))) === guest.domain.id;
          const buffer = { address, length };
          const accepted = receive ? guest.postReceive(buffer) : guest.post(buffer);
          const queue = receive ? guest.port.receive : guest.port.transmit;
          if (accepted === 1) expect(allowed).toBe(true);
          else if (allowed)
            expect(queue.producer, 'a good buffer is refused only for want of space').toBe(queue.slots);
          else expect(queue.refusal).toBeDefined();
          machine.host.protection.checkInvariants();
        }
        for (let at = 0; at < pages.pageCount; at += 1)
          if (pages.count(pageNumber(at)) > 0) expect(pages.owner(pageNumber(at))).toBe(guest.domain.id);
        pages.checkInvariants();
      }),
      { numRuns: runs(100) },
    );
  });

  it('charges one hypercall per batch, and for each page that it checks and pins', () => {
    const { machine, bad } = two();
    const { processor, hypervisor } = machine.host;
    const { costs } = processor;
    const pages = bad.pages(4);
    const before = processor.cyclesOf(hypervisor.account);
    const calls = hypervisor.hypercalls;
    bad.post(
      { address: pages, length: 100 },
      { address: pages + PAGE - 50, length: 100 },
      { address: pages + PAGE, length: 3 * PAGE },
    );
    expect(hypervisor.hypercalls).toBe(calls + 1);
    const pagesSeen = 1 + 2 + 3;
    expect(processor.cyclesOf(hypervisor.account) - before).toBe(
      costs.hypercall + pagesSeen * (costs.validatePage + costs.pinPage) + 3 * costs.writeDescriptor,
    );
  });

  it.each([0, 1.5, -1, Number.NaN])('refuses a release timeout of %s', (releaseTimeoutNs) => {
    expect(() => new Cdna({ releaseTimeoutNs })).toThrow(
      /cdna\.releaseTimeoutNs is .*, expected a whole number/,
    );
  });
});

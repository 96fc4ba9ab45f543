import { describe, expect, it } from 'vitest';
import { ContextPort } from '../../../host/protection/context-port.js';
import { BufferBatch } from '../../../host/protection/guest-port.js';
import { PlainDma } from '../../../host/protection/none/plain-dma.js';
import { OpenSetupGate } from '../../../host/protection/open-setup-gate.js';
import { ringLayout } from '../../../host/protection/ring-layout.js';
import { guestPhysicalAddress, pageNumber, untranslated } from '../../../nic/addresses.js';
import { present } from '../../../scheduler/present.js';
import { frame, Machine, macOf, PAGE, PORT, STRANGER } from '../support/machine.js';

/** Rings of 16 slots each and a status block, every one on a page of its own. */
const RING_PAGES = 3;

function bench() {
  const machine = new Machine(new PlainDma());
  const domain = machine.host.createGuest('guest', 1);
  const gate = new OpenSetupGate(domain);
  const open = (hypervisorRings: boolean, ownRings?: number, guestTranslates = false) =>
    new ContextPort({
      parts: machine.host,
      domain,
      options: { ...PORT, ...(ownRings === undefined ? {} : { ownRings: guestPhysicalAddress(ownRings) }) },
      transmitGate: gate,
      receiveGate: gate,
      hypervisorRings,
      guestTranslates,
      busAddressOf: untranslated,
    });
  const close = (port: ContextPort) => {
    port.markClosed();
    port.freeRings();
  };
  const post = (port: ContextPort, address: number, count: number) => {
    const batch = new BufferBatch(16);
    for (let index = 0; index < count; index += 1) batch.add(guestPhysicalAddress(address), 100, 1);
    return port.transmit.post(batch);
  };
  const kindAt = (address: number) => machine.host.pages.kind(pageNumber(address / PAGE));
  return { machine, domain, open, close, post, kindAt };
}

describe('rings of a port', () => {
  it('are pages of the guest, and go back to the machine with the port', () => {
    const { machine, domain, open, close } = bench();
    const owned = domain.ownedPages.size;
    const port = open(false);
    const { address, bytes } = present(port.ringMemory);
    expect([bytes, domain.ownedPages.size - owned]).toEqual([RING_PAGES * PAGE, RING_PAGES]);
    for (let at = address / PAGE; at < (address + bytes) / PAGE; at += 1)
      expect(domain.ownedPages.has(pageNumber(at))).toBe(true);
    // The page behind them is the guest's own, and stays so.
    const [behind = pageNumber(0)] = domain.allocate(1);
    expect(behind).toBe((address + bytes) / PAGE);
    close(port);
    expect([domain.ownedPages.size, domain.ownedPages.has(behind)]).toEqual([owned + 1, true]);
    expect(machine.host.pages.owner(pageNumber(address / PAGE))).toBe(-1);
  });

  it('are the hypervisor’s where only it may write them, and go back to it', () => {
    const { machine, domain, open, close, kindAt } = bench();
    const owned = domain.ownedPages.size;
    const free = machine.host.pages.freePages;
    const port = open(true);
    const { address } = present(port.ringMemory);
    expect(kindAt(address)).toBe('descriptor-ring');
    expect([domain.ownedPages.size - owned, free - machine.host.pages.freePages]).toEqual([0, RING_PAGES]);
    close(port);
    expect([kindAt(address), machine.host.pages.freePages]).toEqual(['free', free]);
  });

  it('are where the driver says, if it keeps them itself: nobody else takes, writes or frees them', () => {
    const { machine, domain, open, close, post } = bench();
    const own = (domain.allocate(RING_PAGES, true)[0] ?? 0) * PAGE;
    const buffer = (domain.allocate(1)[0] ?? 0) * PAGE;
    const [owned, free] = [domain.ownedPages.size, machine.host.pages.freePages];
    const port = open(false, own);
    expect(port.ringMemory).toEqual({ address: own, bytes: RING_PAGES * PAGE });
    const context = machine.host.nic.contexts[port.context];
    expect([context?.transmit.base, context?.receive.base]).toEqual([own, own + PAGE]);
    const { account } = domain;
    const before = machine.host.processor.cyclesOf(account);
    expect(post(port, buffer, 3)).toBe(3);
    expect(port.transmit.accepted).toBe(3);
    // The driver writes descriptors, on time that is its own and not ours to charge.
    expect(machine.host.processor.cyclesOf(account)).toBe(before);
    expect(machine.peek(own, RING_PAGES * PAGE).every((byte) => byte === 0)).toBe(true);
    close(port);
    expect([domain.ownedPages.size, machine.host.pages.freePages]).toEqual([owned, free]);
  });

  it('are memory that nobody here knows, where the driver has an IOMMU of its own', () => {
    const { domain, open, close, post } = bench();
    const [owned, ioAddress] = [domain.ownedPages.size, 0x7_0000_0000];
    const port = open(false, ioAddress, true);
    expect([port.ringMemory, port.transmit.isReadable]).toEqual([undefined, false]);
    expect(post(port, (domain.allocate(1)[0] ?? 0) * PAGE, 2)).toBe(2);
    expect(() => port.transmit.ringAddress).toThrow();
    close(port);
    expect([domain.ownedPages.size - owned, port.transmit.consumer()]).toEqual([1, 0]);
  });

  it('cannot be both the driver’s and the hypervisor’s', () => {
    const { domain, open } = bench();
    const own = (domain.allocate(RING_PAGES, true)[0] ?? 0) * PAGE;
    expect(() => open(true, own)).toThrow(/a guest keeps rings where only the hypervisor may write them/u);
  });
});

describe('the queues of a port that is closed', () => {
  it('have sent what was sent, and of what came only what was taken', () => {
    const machine = new Machine(new PlainDma());
    const guest = machine.guest(1);
    machine.run();
    for (let slot = 0; slot < 8; slot += 1) guest.postReceive({ address: guest.page(), length: 2048 });
    machine.run();
    for (const seed of [1, 2, 3]) {
      guest.send(frame(STRANGER, macOf(1), 100, seed));
      machine.arrive(frame(macOf(1), STRANGER, 100, seed));
      machine.arrive(frame(macOf(1), STRANGER, 200, seed));
    }
    machine.run();
    const { transmit, receive } = guest.port;
    expect([transmit.consumer(), receive.consumer()]).toEqual([3, 6]);
    transmit.finish(1);
    receive.finish(2);
    expect(receive.completedLength(2)).toBe(100);
    machine.host.protection.closePort(guest.port);
    expect([transmit.consumer(), receive.consumer()]).toEqual([3, 2]);
    expect([receive.completedLength(2), receive.completedFlags(2)]).toEqual([0, 0]);
  });

  it('have sent what the driver has said, where the status block is out of our sight', () => {
    const { machine, domain, open, close, post } = bench();
    const own = (domain.allocate(RING_PAGES, true)[0] ?? 0) * PAGE;
    const port = open(false, own);
    expect(post(port, own, 4)).toBe(4);
    machine.poke(own + ringLayout(16, 16).status, Uint8Array.of(3, 0, 0, 0));
    port.transmit.finish(2);
    // Length 100, done, in both rings: the driver's memory stays as it is.
    const layout = ringLayout(16, 16);
    for (const at of [layout.transmit, layout.receive])
      machine.poke(own + at + 8, Uint8Array.of(100, 0, 5, 0));
    expect([port.receive.completedLength(0), port.receive.completedFlags(0)]).toEqual([100, 5]);
    close(port);
    expect(port.transmit.consumer()).toBe(2);
    expect([port.receive.completedLength(0), port.receive.completedFlags(0)]).toEqual([0, 0]);
  });
});

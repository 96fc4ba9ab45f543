// A guest gives its card a buffer that belongs to another guest. Under CDNA the hypervisor validates it first, refuses it,
// and gives the reason. Under plain DMA nothing is checked, and the other guest's bytes are sent on the wire.
import { makeProtection } from 'cdna-nic';
import { BufferBatch, Host } from 'cdna-nic/host';
import { FLAG_END_OF_PACKET, guestAddress, pageAddress } from 'cdna-nic/nic';
import { EventKernel, makeDiscipline } from 'cdna-nic/scheduler';

const SECRET = new TextEncoder().encode('the other guest keeps this here for itself, and no other has it.');

for (const approach of ['none', 'cdna', 'iommu:single-use']) {
  const kernel = new EventKernel();
  const wire: string[] = [];
  const host = new Host({
    kernel,
    protection: makeProtection(approach),
    wire: {
      transmitted: (bytes, offset, length) =>
        wire.push(new TextDecoder().decode(bytes.slice(offset, offset + length))),
    },
    transmitDiscipline: makeDiscipline('drr'),
    receiveDiscipline: makeDiscipline('drr'),
  });
  const victim = host.createGuest('victim', 0);
  const [number] = victim.allocate(1);
  if (number === undefined) throw new Error('no page was given');
  const page = guestAddress(pageAddress(number));
  victim.write(page, SECRET.length, SECRET, 0);

  const curious = host.createGuest('curious', 1);
  const port = host.openPort(curious, {
    mac: 0x020000000001,
    share: { weight: 1 },
    transmitSlots: 64,
    receiveSlots: 64,
    antiSpoofing: false,
    promiscuous: false,
  });
  const batch = new BufferBatch(1);
  batch.add(page, SECRET.length, FLAG_END_OF_PACKET);
  const accepted = port.transmit.post(batch);
  port.transmit.ring();
  kernel.run(1_000_000);

  const why = port.transmit.refusal?.refusal ?? 'nothing';
  console.log(`${approach}: ${accepted} accepted, refused for: ${why}`);
  for (const fault of host.hypervisor.faultLog)
    console.log(`  hypervisor's log: ${fault.domain}, caught by ${fault.caughtBy}, ${fault.reason}`);
  console.log(wire.length === 0 ? '  nothing on the wire' : `  on the wire: ${wire[0]}`);
}

import { describe, expect, it } from 'vitest';
import { BufferBatch } from '../../../host/protection/guest-port.js';
import { FLAG_END_OF_PACKET } from '../../../nic/descriptor.js';
import { LabMachine } from '../../../src/lab/lab-machine.js';
import { checkPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { FrameFollower } from '../../../src/lab/story/frame-follower.js';
import type { ScenarioInput } from '../../../src/scenario/schema.js';
import { either } from '../../support/whole.js';

/** A machine that has run for a while, and the frames of context 0 that leave it from then on, by their first index. */
function machineAt(atNs: number, scenario: ScenarioInput, approach = 'cdna') {
  const lab = new LabMachine(checkPlan({ scenario, approach, discipline: 'drr', seed: 1 }));
  lab.runTo(atNs);
  const { host, guests } = lab.machine;
  const [guest] = guests;
  if (guest === undefined) throw new Error('no guest');
  const left = new Map<number, { startNs: number; endNs: number }>();
  let last = { startNs: -1, endNs: -1 };
  host.nic.streams.lentFrames$.subscribe(({ context, direction, startNs, endNs }) => {
    if (context === guest.port.context && direction === 'transmit') last = { startNs, endNs };
  });
  host.nic.streams.descriptors$.subscribe(({ context, direction, index, state }) => {
    if (context === guest.port.context && direction === 'transmit' && state === 'completed')
      left.set(index, last);
  });
  return { lab, host, guest, left };
}

describe('the story of a frame that is followed', () => {
  const twoWays = presetOf('two-ways')?.scenario ?? { guests: [{}] };

  it.each([
    [0, 'cdna'],
    [300_000, 'cdna'],
    [500_000, 'cdna'],
    [300_000, 'iommu:single-use'],
  ])(
    'from %i ns under %s: the frame that leaves is ours and none that was in the FIFO before it',
    (atNs, approach) => {
      for (let delayNs = 0; delayNs < 20_000; delayNs += either(2_500, 7_500)) {
        const { lab, host, guest, left } = machineAt(
          atNs + delayNs,
          presetOf('three-guests')?.scenario ?? twoWays,
          approach,
        );
        const follower = new FrameFollower(host, guest);
        lab.runTo(atNs + 4_000_000);
        const { story } = follower;
        expect(story.finished).toBe(true);
        const ours = left.get(story.index);
        expect(ours).toBeDefined();
        const wire = story.steps.filter(({ station }) => station === 'wire');
        expect(wire.map(({ facts }) => facts[0])).toEqual([
          `${story.bytes} bytes, first bit at ${ours?.startNs} ns, last at ${ours?.endNs} ns`,
        ]);
        lab.close();
      }
    },
  );

  it('the write that finishes it is that of the status block, however many frames are received meanwhile', () => {
    for (let atNs = 100_000; atNs < 500_000; atNs += 50_000) {
      const { lab, host, guest } = machineAt(atNs, twoWays);
      const follower = new FrameFollower(host, guest);
      lab.runTo(atNs + 400_000);
      const { story } = follower;
      const written = story.steps.filter(({ title }) => title === 'The consumer index is written back');
      expect(written).toHaveLength(1);
      const status = host.nic.contexts[guest.port.context]?.statusAddress ?? -1;
      // The status block is two words: transmit consumer, receive consumer.
      expect(written[0]?.facts[1]).toBe(`8 bytes at 0x${status.toString(16)}`);
      const consumer = Number(/^transmit consumer (\d+)/u.exec(written[0]?.facts[0] ?? '')?.[1]);
      expect((consumer - story.index) >>> 0).toBeGreaterThan(0);
      expect((consumer - story.index) >>> 0).toBeLessThan(guest.port.transmit.slots);
      lab.close();
    }
  });

  it('has one doorbell: the one that hands its descriptors over', () => {
    const { lab, host, guest } = machineAt(300_000, presetOf('three-guests')?.scenario ?? twoWays);
    const follower = new FrameFollower(host, guest);
    lab.runTo(4_000_000);
    expect(follower.story.finished).toBe(true);
    const rung = follower.story.steps.filter(({ title }) => title === 'The doorbell rings');
    expect(rung).toHaveLength(1);
    const producer = Number(/TX_PRODUCER = (\d+)/u.exec(rung[0]?.facts[0] ?? '')?.[1]);
    expect(producer).toBeGreaterThan(follower.story.index);
    lab.close();
  });

  it('of a frame in very many buffers is told to its end: accesses beyond the first ones are told together', () => {
    const buffers = 100;
    const scenario: ScenarioInput = {
      guests: [{ traffic: { kind: 'none' }, transmitSlots: 256 }],
      nic: { descriptorCacheSlots: 128 },
    };
    const { lab, host, guest, left } = machineAt(0, scenario);
    const follower = new FrameFollower(host, guest);
    const batch = new BufferBatch(buffers);
    for (let index = 0; index < buffers; index += 1) {
      batch.addresses[index] = guest.driver.transmitBuffer(index);
      batch.lengths[index] = 14;
      batch.flags[index] = index === buffers - 1 ? FLAG_END_OF_PACKET : 0;
    }
    batch.count = buffers;
    guest.driver.close();
    expect(guest.port.transmit.post(batch)).toBe(buffers);
    guest.port.transmit.ring();
    lab.runTo(2_000_000);
    const { story } = follower;
    expect([...left.keys()]).toEqual([story.index]);
    expect(story.bytes).toBe(14 * buffers);
    expect(story.finished).toBe(true);
    expect(story.steps.at(-1)?.title).toBe('The card interrupts the hypervisor');
    const told = story.steps.filter(({ station }) => station === 'access-gate');
    const more = told
      .map(({ title }) => /^(\d+) more accesses of the card$/u.exec(title)?.[1])
      .filter(Boolean);
    expect(more).toHaveLength(1);
    // Each buffer is read at least once, and the descriptors before them.
    expect(told.length - 1 + Number(more[0])).toBeGreaterThan(buffers);
    expect(story.steps.length).toBeLessThan(80);
    lab.close();
  });
});

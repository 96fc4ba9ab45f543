import { describe, expect, it } from 'vitest';
import { APPROACHES } from '../../../host/protection/approaches.js';
import { pageNumber } from '../../../nic/addresses.js';
import { LabMachine } from '../../../src/lab/lab-machine.js';
import { checkPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { FrameFollower } from '../../../src/lab/story/frame-follower.js';

const scenario = presetOf('two-ways')?.scenario ?? { guests: [{}] };
const OWN_CONTEXTS = APPROACHES.map(({ name }) => name).filter((name) => name !== 'driver-domain');

/** What the taps say of each received frame of a context, by the first descriptor that it came through. */
interface Received {
  readonly bytes: Uint8Array;
  readonly arrivedNs: number;
  readonly completeNs: number;
}

/** A machine that has run for a while, and what comes for its first guest from then on. */
function machineAt(approach: string, atNs: number) {
  const lab = new LabMachine(checkPlan({ scenario, approach, discipline: 'drr', seed: 1 }));
  lab.runTo(atNs);
  const { host, guests } = lab.machine;
  const [guest] = guests;
  if (guest === undefined) throw new Error('no guest');
  const { context } = guest.port;
  const { streams, contexts } = host.nic;
  const id = contexts[context]?.requesterId;
  const frames = new Map<number, Received>();
  const writes: { atNs: number; physical: number; bytes: Uint8Array }[] = [];
  const interrupts: number[] = [];
  let index = -1;
  streams.descriptors$.subscribe((event) => {
    if (event.context === context && event.direction === 'receive' && event.state === 'completed')
      index = event.index;
  });
  streams.frames$.subscribe((frame) => {
    if (frame.context !== context || frame.direction !== 'receive') return;
    frames.set(index, { bytes: frame.bytes, arrivedNs: frame.startNs, completeNs: frame.endNs });
  });
  host.bus.accesses$.subscribe(({ requesterId, physical, length, write, atNs: when }) => {
    if (requesterId !== id || !write) return;
    const bytes = new Uint8Array(length);
    host.memory.read(physical as never, length, bytes, 0);
    writes.push({ atNs: when, physical, bytes });
  });
  streams.interrupts$.subscribe(({ contexts: bits, atNs: when }) => {
    if (bits.includes(context)) interrupts.push(when);
  });
  return { lab, host, guest, frames, writes, interrupts };
}

describe.each(OWN_CONTEXTS)('the story of a received frame under %s', (approach) => {
  it('is that of the frame that the taps tell of', () => {
    const atNs = 130_000;
    const { lab, host, guest, frames, writes, interrupts } = machineAt(approach, atNs);
    const follower = new FrameFollower(host, guest, 'receive');
    lab.runTo(atNs + 600_000);
    const { story } = follower;
    expect(story.finished).toBe(true);
    const ours = frames.get(story.index);
    if (ours === undefined) throw new Error('no such frame was received');
    const { steps } = story;
    expect(story.bytes).toBe(ours.bytes.length);
    expect(steps.map((step) => step.atNs)).toEqual(steps.map((step) => step.atNs).sort((a, b) => a - b));
    expect(steps[0]).toMatchObject({ station: 'wire', atNs: ours.arrivedNs });
    expect(steps.find(({ title }) => title === 'The frame is complete in memory')?.atNs).toBe(
      ours.completeNs,
    );

    // What was written to which page: the bytes of the frame lie there at the instant of the step.
    const payload = steps.filter(({ title }) => /^The card writes \d+ bytes of the frame$/u.test(title));
    const there = payload.map((step) => {
      const write = writes.find(
        (each) => each.atNs === step.atNs && Math.floor(each.physical / 4096) === step.page,
      );
      if (write === undefined) throw new Error(`no write at ${step.atNs} ns to page ${step.page}`);
      return write;
    });
    expect(Buffer.concat(there.map(({ bytes }) => bytes)).equals(ours.bytes)).toBe(true);
    for (const { walk, page } of payload) {
      expect(walk?.allowed).toBe(true);
      const isTranslated = approach.includes('iommu');
      expect(walk?.verdict.startsWith(`Translated to page ${page},`)).toBe(isTranslated);
      // The NIC's write lies somewhere in the page, whatever size the page of the tables has.
      const leaf = walk?.steps.at(-1);
      if (isTranslated) expect(leaf?.bits).toContainEqual({ name: 'W', set: true });
      if (approach === 'dev') expect(leaf?.bits).toEqual([{ name: `bit ${page & 31}`, set: false }]);
    }

    const setUp = steps.find(({ station }) => station === 'set-up-gate');
    const owner = host.hypervisor.domains[host.pages.owner(pageNumber(setUp?.page ?? -1))]?.name;
    expect(setUp?.facts[0]).toBe(`page ${setUp?.page} belongs to ${owner}`);
    expect(setUp?.facts.some((fact) => fact.startsWith('the hypervisor looked up the owner'))).toBe(
      approach.startsWith('cdna'),
    );
    const back = steps.find(({ title }) => title === 'The consumer index is written back');
    const consumer = Number(/^receive consumer (\d+)/u.exec(back?.facts[0] ?? '')?.[1]);
    expect((consumer - 1 - story.index) >>> 0).toBeLessThan(guest.port.receive.slots);
    // The driver hears of it by an interrupt, or has masked its context and polls.
    expect(interrupts.includes(steps.at(-1)?.atNs ?? -1)).toBe(steps.at(-1)?.station === 'hypervisor');
    expect(['The card interrupts the hypervisor', 'No interrupt is raised for it']).toContain(
      steps.at(-1)?.title,
    );
    lab.close();
  });
});

describe('a received frame that is followed', () => {
  it('is ours although others of the context wait before it and come after it', () => {
    // Frames of all sizes come faster than the machine's link to memory takes them.
    const busy = {
      guests: [
        {
          traffic: { kind: 'none' as const },
          receive: { kind: 'constant' as const, wireRateBps: 9_500_000_000, frameBytes: 'imix' as const },
          receiveSlots: 256,
        },
      ],
      nic: {
        rateBps: 10_000_000_000,
        receiveDmaBytes: 16_384,
        pcie: { generation: 1 as const, lanes: 1 as const },
      },
    };
    const plan = checkPlan({ scenario: busy, approach: 'cdna', discipline: 'drr', seed: 1 });
    const lab = new LabMachine(plan);
    const { host, guests } = lab.machine;
    const [guest] = guests;
    if (guest === undefined) throw new Error('no guest');
    lab.runTo(300_000);
    const completed = new Map<number, { arrivedNs: number; bytes: number }>();
    let index = -1;
    host.nic.streams.descriptors$.subscribe(({ direction, state, index: at }) => {
      if (direction === 'receive' && state === 'completed') index = at;
    });
    host.nic.streams.lentFrames$.subscribe(({ direction, startNs, length }) => {
      if (direction === 'receive') completed.set(index, { arrivedNs: startNs, bytes: length });
    });
    let waited = 0;
    for (let step = 0; step < 6; step += 1) {
      const follower = new FrameFollower(host, guest, 'receive');
      lab.runTo(host.kernel.nowNs + 700_000);
      const { story } = follower;
      expect(story.finished).toBe(true);
      if (story.index < 0) continue;
      const ours = completed.get(story.index);
      expect(ours).toEqual({ arrivedNs: story.steps[0]?.atNs, bytes: story.bytes });
      if (!story.steps.some(({ facts }) => facts[0]?.startsWith('no frame of this context'))) waited += 1;
    }
    expect(waited).toBeGreaterThan(0);
    lab.close();
  });

  it('changes nothing in the run', () => {
    const fingerprint = (followed: boolean) => {
      const { lab, host, guest } = machineAt('driver-domain', 100_000);
      const followers = followed
        ? (['transmit', 'receive'] as const).map((way) => new FrameFollower(host, guest, way))
        : [];
      lab.runTo(400_000);
      expect(followers.every(({ story }) => story.steps.length > 0)).toBe(true);
      return lab.fingerprint;
    };
    expect(fingerprint(true)).toBe(fingerprint(false));
  });
});

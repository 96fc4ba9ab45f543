import { describe, expect, it } from 'vitest';
import type { TimedMove } from '../../../host/protection/driver-domain/bridge-moves.js';
import { LabMachine } from '../../../src/lab/lab-machine.js';
import { checkPlan } from '../../../src/lab/plan.js';
import { presetOf } from '../../../src/lab/presets.js';
import { bridgeOf, isFrontEnd } from '../../../src/lab/probes.js';
import { FrameFollower } from '../../../src/lab/story/frame-follower.js';
import type { FrameStep } from '../../../src/lab/story/frame-story.js';

const scenario = presetOf('two-ways')?.scenario ?? { guests: [{}] };

function machineAt(atNs: number) {
  const lab = new LabMachine(checkPlan({ scenario, approach: 'driver-domain', discipline: 'drr', seed: 1 }));
  lab.runTo(atNs);
  const { host, guests } = lab.machine;
  const bridge = bridgeOf(host);
  const [guest] = guests;
  const port = guest?.port;
  if (bridge === undefined || guest === undefined || port === undefined || !isFrontEnd(port))
    throw new Error('no driver domain');
  const moves: TimedMove[] = [];
  bridge.moves$.subscribe((move) => moves.push(move));
  const readBytes = (address: number, length: number) => {
    const bytes = new Uint8Array(length);
    host.memory.read(address as never, length, bytes, 0);
    return bytes;
  };
  return { lab, host, guest, port, bridge, moves, readBytes };
}

/** The addresses that a fact names, in its order. */
function addressesIn(step: FrameStep | undefined): number[] {
  return [...(step?.facts[0] ?? '').matchAll(/0x[0-9a-f]+/gu)].map(([text]) => Number(text));
}

describe.each([100_000, 300_000])('a frame behind a driver domain, followed from %i ns', (atNs) => {
  it("that is sent: request, grant, copy, the driver domain's own context, wire", () => {
    const { lab, host, guest, port, bridge, moves, readBytes } = machineAt(atNs);
    const sent: { atNs: number; bytes: Uint8Array }[] = [];
    host.nic.streams.frames$.subscribe(({ direction, bytes, endNs }) => {
      if (direction === 'transmit') sent.push({ atNs: endNs, bytes });
    });
    const follower = new FrameFollower(host, guest);
    // What the guest has in its buffer is looked at while it is still there.
    while (follower.story.index < 0) lab.stepEvent();
    const [buffer = -1] = addressesIn(follower.story.steps[0]);
    const posted = readBytes(buffer, follower.story.bytes);
    const reference = port.transmit.shared.word(follower.story.index);
    lab.runTo(atNs + 1_500_000);
    const { story } = follower;
    const { steps } = story;
    expect(story.finished).toBe(true);
    expect(steps.map((step) => step.atNs)).toEqual(steps.map((step) => step.atNs).sort((a, b) => a - b));

    const copy = steps.find(({ title }) => title.endsWith('copies out of the guest'));
    const [from, to] = addressesIn(copy);
    expect(from).toBe(buffer);
    const use = moves.find(
      (move) => move.kind === 'grant' && move.operation === 'copy-out' && move.other === to,
    );
    expect(use).toMatchObject({ reference, owner: guest.domain.id, atNs: copy?.atNs, refusal: undefined });
    expect(copy?.walk?.steps[0]).toMatchObject({
      at: port.grants.addressOf(reference),
      bits: [
        { name: 'permit', set: true },
        { name: 'read-only', set: true },
      ],
      says: `for ${bridge.domain.name}, page ${Math.floor(buffer / 4096)}`,
    });
    expect(copy?.walk?.steps[1]?.value).toBe(guest.domain.name);

    const read = steps.filter(({ title }) => /^The card reads \d+ bytes of the frame$/u.test(title));
    expect(read.map((step) => addressesIn(step)[0])).toEqual([to]);
    const wire = steps.find(({ station }) => station === 'wire');
    const left = sent.find((frame) => wire?.facts[0]?.endsWith(`last at ${frame.atNs} ns`));
    expect(Buffer.from(posted).equals(left?.bytes ?? new Uint8Array())).toBe(true);
    const stations = new Set(steps.map(({ station }) => station));
    for (const station of [
      'guest',
      'set-up-gate',
      'driver-domain',
      'memory',
      'access-gate',
      'context',
      'scheduler',
    ])
      expect(stations).toContain(station);
    expect(steps.findIndex(({ title }) => title === `Request ${story.index} is answered`)).toBeLessThan(
      steps.findIndex(({ station }) => station === 'wire'),
    );
    lab.close();
  });

  it("that comes in: the driver domain's context, grant, copy into the guest, event", () => {
    const { lab, host, guest, port, bridge, moves, readBytes } = machineAt(atNs);
    const came: { atNs: number; bytes: Uint8Array }[] = [];
    host.nic.streams.frames$.subscribe(({ direction, bytes, startNs }) => {
      if (direction === 'receive') came.push({ atNs: startNs, bytes });
    });
    const follower = new FrameFollower(host, guest, 'receive');
    while (follower.story.index < 0) lab.stepEvent();
    // It has just been copied: the guest's driver has not had the time to look.
    const copy = follower.story.steps.find(({ title }) => title.endsWith('copies into the guest'));
    const [from, to = -1] = addressesIn(copy);
    const delivered = readBytes(to, follower.story.bytes);
    lab.runTo(host.kernel.nowNs + 500_000);
    const { story } = follower;
    const { steps } = story;
    expect(story.finished).toBe(true);
    const frame = came.find((each) => each.atNs === steps[0]?.atNs);
    expect(Buffer.from(delivered).equals(frame?.bytes ?? new Uint8Array())).toBe(true);
    const written = steps.filter(({ title }) => /^The card writes \d+ bytes of the frame$/u.test(title));
    expect(written.map((step) => addressesIn(step)[0])).toEqual([from]);
    expect(written[0]?.facts.at(-1)).toBe(
      `to page ${written[0]?.page}, which belongs to ${bridge.domain.name}`,
    );
    expect(copy?.walk?.steps[0]?.bits).toEqual([
      { name: 'permit', set: true },
      { name: 'read-only', set: false },
    ]);
    expect(copy?.page).toBe(Math.floor(to / 4096));
    expect(moves).toContainEqual(
      expect.objectContaining({
        kind: 'delivered',
        port: port.context,
        request: story.index,
        bytes: story.bytes,
      }),
    );
    const told = moves.some(
      (move) => move.kind === 'told' && move.port === port.context && move.atNs === steps.at(-1)?.atNs,
    );
    expect(told).toBe(steps.at(-1)?.station === 'hypervisor');
    lab.close();
  });
});

describe('a frame from guest to guest behind a driver domain', () => {
  it('is told without the card: the grants of both, and no wire', () => {
    const { lab, host, guest, bridge, port } = machineAt(100_000);
    const other = lab.machine.guests[1];
    if (other === undefined || !isFrontEnd(other.port)) throw new Error('no second guest');
    const taken: number[] = [];
    bridge.moves$.subscribe((move) => {
      if (move.kind === 'taken' && move.port === port.context) taken.push(move.first);
    });
    // The guest's next frame is made to be for its neighbour, while it waits to be taken.
    const sender = new FrameFollower(host, guest);
    while (sender.story.index < 0) lab.stepEvent();
    const [buffer = -1] = addressesIn(sender.story.steps[0]);
    const address = other.port.mac;
    const bytes = Uint8Array.from(
      [40, 32, 24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) & 0xff),
    );
    host.memory.write(buffer as never, bytes.length, bytes, 0);
    const receiver = new FrameFollower(host, other, 'receive');
    lab.runTo(1_500_000);
    expect(taken).toContain(sender.story.index);
    expect(sender.story.finished).toBe(true);
    expect(sender.story.steps.map(({ title }) => title)).toContain('The bridge gives it to a guest');
    expect(sender.story.steps.some(({ station }) => station === 'wire')).toBe(false);
    expect(receiver.story.finished).toBe(true);
    lab.close();
  });
});

import { readMac } from '../../nic/station-address.js';
import type { ControlFrameEvent, LentFrame } from '../../nic/streams.js';
import { type ContextId, NO_CONTEXT } from '../../scheduler/branded.js';
import type { Machine } from '../machine/machine.js';
import { GrantedFrames } from './granted-frames.js';
import type { PcapngStream } from './pcapng-stream.js';
import { RunRecorder } from './run-recorder.js';
import { TextLine } from './text-line.js';

/**
 * Writes what passes a card as a capture: an interface per context, named after its domain, and one for frames that
 * belong to no context. A frame that was sent has the time at which its last bit left, one that was received the time
 * at which it was whole in memory: times only grow. The comment says which grant let it pass.
 */
export class CaptureRecorder extends RunRecorder<PcapngStream> {
  readonly #machine: Machine;
  readonly #snapBytes: number | undefined;
  readonly #interfaceOf: number[] = [];
  /** Interfaces of guests behind a driver domain, by their addresses. */
  readonly #behind = new Map<number, number>();
  readonly #noContext: number;
  #controlFrames = 0;
  readonly #grants = {
    wire: new GrantedFrames(),
    inside: new GrantedFrames(),
    receive: new GrantedFrames(),
  };
  readonly #comment = new TextLine();

  /**
   * Starts to watch a machine that has not run yet.
   * @param snapBytes bytes of each frame that are kept; all of them when undefined.
   * @throws OutputFileError
   */
  constructor(writer: PcapngStream, machine: Machine, snapBytes?: number) {
    super(writer);
    this.#machine = machine;
    this.#snapBytes = snapBytes;
    const { nic } = machine.host;
    for (const { index, state } of nic.contexts) if (state === 'open') this.#interface(index);
    // A driver domain has the card's only context; the guests behind it are told apart by their addresses.
    if (machine.host.protection.intermediary !== undefined) {
      for (const { name, mac } of machine.guests) {
        const description = 'behind the driver domain, by its address';
        this.#behind.set(mac, this.#add(name, description));
      }
    }
    this.#noContext = this.writer.addInterface({
      name: 'no context',
      description: 'frames that were for no context',
      speedBps: nic.parameters.rateBps,
      ...(this.#snapBytes === undefined ? {} : { snapBytes: this.#snapBytes }),
    });
    this.subscriptions.push(
      nic.grants$.subscribe((grant) => this.#grants.wire.add(grant)),
      nic.innerGrants$.subscribe((grant) => this.#grants.inside.add(grant)),
      nic.receiveGrants$.subscribe((grant) => this.#grants.receive.add(grant)),
      nic.streams.lentFrames$.subscribe((frame) => this.#onFrame(frame)),
      nic.streams.controlFrames$.subscribe((frame) => this.#onControl(frame)),
      nic.streams.drops$.subscribe(({ direction, context, reason, bytes }) => {
        if (reason === 'source-mac-spoofed' || reason === 'mac-control')
          this.#grantOf(direction, context, bytes, false);
      }),
      nic.streams.faults$.subscribe(({ context }) => {
        for (const queues of Object.values(this.#grants)) queues.clear(context);
      }),
    );
  }

  /** The run is over: notes what was dropped. */
  override finish(): void {
    super.finish();
    const { counters, contexts } = this.#machine.host.nic;
    const atNs = this.#machine.kernel.nowNs;
    const about = { atNs, startNs: 0, endNs: atNs };
    for (const { mac, port, driver } of this.#machine.guests) {
      const iface = this.#behind.get(mac);
      if (iface === undefined) continue;
      const { framesTransmitted, framesReceived, drops } = this.#machine.host.trafficOf(port);
      this.writer.interfaceStatistics(iface, {
        ...about,
        receivedFrames: framesTransmitted + framesReceived,
        droppedFrames: sum(drops),
        osDroppedFrames: sum(driver.drops),
        ...comment({ ...drops, ...driver.drops }),
      });
    }
    for (const { index } of contexts) {
      const iface = this.#interfaceOf[index];
      if (iface === undefined) continue;
      const driver = this.#machine.guests.find(({ port }) => port.context === index)?.driver;
      const driverDrops = driver === undefined ? {} : driver.drops;
      const drops = counters.dropsOf(index);
      this.writer.interfaceStatistics(iface, {
        ...about,
        receivedFrames: counters.get('framesTransmitted', index) + counters.get('framesReceived', index),
        droppedFrames: sum(drops),
        osDroppedFrames: sum(driverDrops),
        ...comment({ ...drops, ...driverDrops }),
      });
    }
    const drops = counters.dropsOf(NO_CONTEXT);
    this.writer.interfaceStatistics(this.#noContext, {
      ...about,
      receivedFrames: this.#controlFrames,
      droppedFrames: sum(drops),
      ...comment(drops),
    });
  }

  /** A context that is opened later gets its interface then. */
  #interface(context: ContextId): number {
    const known = this.#interfaceOf[context];
    if (known !== undefined) return known;
    const { hypervisor } = this.#machine.host;
    const name = hypervisor.domainOf(context)?.name ?? `context ${context}`;
    const added = this.#add(name, `context ${context} of the card`);
    this.#interfaceOf[context] = added;
    return added;
  }

  #add(name: string, description: string): number {
    return this.writer.addInterface({
      name,
      description,
      speedBps: this.#machine.host.nic.parameters.rateBps,
      ...(this.#snapBytes === undefined ? {} : { snapBytes: this.#snapBytes }),
    });
  }

  /** The interface of a frame: that of the guest which sent it or gets it, where that can be told. */
  #interfaceFor(
    context: ContextId,
    direction: LentFrame['direction'],
    buffer: Uint8Array,
    offset: number,
  ): number {
    if (this.#behind.size > 0) {
      const behind = this.#behind.get(readMac(buffer, direction === 'transmit' ? offset + 6 : offset));
      if (behind !== undefined) return behind;
    }
    return this.#interface(context);
  }

  /**
   * Where the grant of a frame that has come out was, which is taken out; undefined if there was none. One that stayed inside
   * may have been granted as one for the wire, and one that was dropped by either exit.
   */
  #grantOf(
    direction: LentFrame['direction'],
    context: ContextId,
    bytes: number,
    switched: boolean,
  ): GrantedFrames | undefined {
    const { inside, receive, wire } = this.#grants;
    let queue = receive;
    if (direction === 'transmit') {
      const likely = switched ? inside : wire;
      const other = switched ? wire : inside;
      queue = likely.nextBytes(context) === bytes || other.nextBytes(context) !== bytes ? likely : other;
    }
    return queue.take(context, bytes) ? queue : undefined;
  }

  #onControl({ direction, bytes, atNs }: ControlFrameEvent): void {
    this.#controlFrames += 1;
    const kept = Math.min(bytes.length, this.#snapBytes ?? bytes.length);
    const about = { direction: direction === 'transmit' ? 'out' : 'in', comment: 'of the port' } as const;
    this.writer.packet(this.#noContext, atNs, bytes, 0, bytes.length, about, kept);
  }

  #onFrame({ direction, context, buffer, offset, length, startNs, endNs, switched }: LentFrame): void {
    const grant = this.#grantOf(direction, context, length, switched);
    const comment = this.#comment.clear();
    if (grant !== undefined)
      comment.text('granted by ').text(grant.takenReason).text(' at ').whole(grant.takenNs).text(' ns');
    if (switched) comment.text('; stayed inside the card');
    else if (direction === 'receive') comment.text('; came from the wire at ').whole(startNs).text(' ns');
    this.writer.lentPacket(
      this.#interfaceFor(context, direction, buffer, offset),
      endNs,
      buffer,
      offset,
      length,
      direction === 'transmit' ? 'out' : 'in',
      comment,
      Math.min(length, this.#snapBytes ?? length),
    );
  }
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function comment(counts: Readonly<Record<string, number>>): { comment: string } | Record<string, never> {
  const happened = Object.entries(counts).filter(([, count]) => count > 0);
  if (happened.length === 0) return {};
  return { comment: `dropped: ${happened.map(([reason, count]) => `${reason} ${count}`).join(', ')}` };
}

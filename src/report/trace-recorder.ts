import { WIRE_OVERHEAD_BYTES } from '../../nic/descriptor.js';
import type { DescriptorEvent, LentFrame } from '../../nic/streams.js';
import type { Machine } from '../machine/machine.js';
import { RunRecorder } from './run-recorder.js';
import type { TimelineWriter, TraceProcess, TraceTrack } from './timeline-writer.js';

/** The tracks of one context. */
interface ContextTracks {
  readonly transmit: TraceTrack;
  readonly receive: TraceTrack;
  readonly grants: TraceTrack;
  readonly doorbells: TraceTrack;
  readonly troubles: TraceTrack;
}

/** States in which a descriptor's life ends. */
const LAST_STATES: ReadonlySet<DescriptorEvent['state']> = new Set(['completed', 'faulted', 'discarded']);

/**
 * Writes the beginning of a run as a timeline: for the card the wire both ways, interrupts and refused accesses;
 * for each context its descriptors as spans that go through their states (`transferring` is the DMA), grants,
 * doorbells, drops and faults.
 */
export class TraceRecorder extends RunRecorder<TimelineWriter> {
  readonly #machine: Machine;
  readonly #endNs: number;
  readonly #card: TraceProcess;
  readonly #wireOut: TraceTrack;
  readonly #wireIn: TraceTrack;
  readonly #interrupts: TraceTrack;
  readonly #refused: TraceTrack;
  readonly #tracks = new Map<number, ContextTracks>();
  #wireInBusyNs = 0;

  /**
   * Starts to watch a machine that has not run yet.
   * @param endNs events after this moment are left out: a few milliseconds are megabytes.
   * @throws OutputFileError
   */
  constructor(writer: TimelineWriter, machine: Machine, endNs: number) {
    super(writer);
    this.#machine = machine;
    this.#endNs = endNs;
    this.#card = this.writer.addProcess('card');
    this.#wireOut = this.writer.addTrack(this.#card, 'wire, out');
    this.#wireIn = this.writer.addTrack(this.#card, 'wire, in');
    this.#interrupts = this.writer.addTrack(this.#card, 'interrupts');
    this.#refused = this.writer.addTrack(this.#card, 'accesses refused at the access gate');
    const { nic } = machine.host;
    for (const { index, state } of nic.contexts) if (state === 'open') this.#tracksOf(index);
    this.#subscribe();
  }

  #subscribe(): void {
    const { nic, bus, hypervisor } = this.#machine.host;
    const { streams } = nic;
    const writer = this.writer;
    const within = (atNs: number) => atNs <= this.#endNs;
    this.subscriptions.push(
      streams.doorbells$.subscribe(({ context, mailbox, value, atNs }) => {
        if (within(atNs)) {
          writer.instant(this.#tracksOf(context).doorbells, `mailbox ${mailbox}`, atNs, { value });
        }
      }),
      streams.descriptors$.subscribe((event) => {
        if (within(event.atNs)) this.#onDescriptors(event);
      }),
      streams.lentFrames$.subscribe((frame) => {
        if (within(frame.endNs)) this.#onFrame(frame);
      }),
      streams.interrupts$.subscribe(({ contexts, management, atNs }) => {
        const about = { contexts: contexts.join(' '), management };
        if (within(atNs)) writer.instant(this.#interrupts, 'interrupt', atNs, about);
      }),
      streams.faults$.subscribe(({ context, reason, detail, atNs }) => {
        if (within(atNs))
          writer.instant(this.#tracksOf(context).troubles, `fault: ${reason}`, atNs, { detail });
      }),
      streams.drops$.subscribe(({ context, reason, bytes, atNs }) => {
        if (!within(atNs)) return;
        const track = context < 0 ? this.#wireIn : this.#tracksOf(context).troubles;
        writer.instant(track, `drop: ${reason}`, atNs, { bytes });
      }),
      hypervisor.faults$.subscribe(({ domain, caughtBy, reason, atNs }) => {
        if (within(atNs)) writer.instant(this.#refused, `${domain}: ${reason}`, atNs, { caughtBy });
      }),
      bus.denied$.subscribe(({ requesterId, address, length, write, atNs }) => {
        const about = { requesterId, address, length };
        if (within(atNs))
          writer.instant(this.#refused, write ? 'write refused' : 'read refused', atNs, about);
      }),
      nic.grants$.subscribe(({ context, bytes, creditBytes, reason, atNs }) => {
        if (!within(atNs)) return;
        writer.instant(this.#tracksOf(context).grants, `transmit, ${bytes} bytes`, atNs, { reason });
        writer.counter(this.#card, 'credit of the transmit FIFO, bytes', atNs, { bytes: creditBytes });
      }),
      nic.receiveGrants$.subscribe(({ context, bytes, reason, atNs }) => {
        if (within(atNs)) {
          writer.instant(this.#tracksOf(context).grants, `receive, ${bytes} bytes`, atNs, { reason });
        }
      }),
    );
  }

  #tracksOf(context: number): ContextTracks {
    const known = this.#tracks.get(context);
    if (known !== undefined) return known;
    const name = this.#machine.host.hypervisor.domainOf(context)?.name ?? 'no guest';
    const process = this.writer.addProcess(`context ${context}: ${name}`);
    const tracks = {
      transmit: this.writer.addTrack(process, 'transmit descriptors'),
      receive: this.writer.addTrack(process, 'receive descriptors'),
      grants: this.writer.addTrack(process, 'grants'),
      doorbells: this.writer.addTrack(process, 'doorbells'),
      troubles: this.writer.addTrack(process, 'drops and faults'),
    };
    this.#tracks.set(context, tracks);
    return tracks;
  }

  /** A descriptor is always in one state: the span of the one that it leaves ends where the next begins. */
  #onDescriptors({ context, direction, index, count, state, atNs }: DescriptorEvent): void {
    const track = this.#tracksOf(context)[direction];
    for (let step = 0; step < count; step += 1) {
      const descriptor = (index + step) >>> 0;
      if (LAST_STATES.has(state)) {
        this.writer.leaveState(track, descriptor, atNs);
        this.writer.instant(track, state, atNs, { descriptor });
      } else this.writer.enterState(track, descriptor, state, atNs, { descriptor });
    }
  }

  #onFrame({ direction, context, length, startNs, endNs, switched }: LentFrame): void {
    const about = { context, bytes: length };
    const name = this.#machine.host.hypervisor.domainOf(context)?.name ?? `context ${context}`;
    if (direction === 'transmit') {
      if (!switched) this.writer.complete(this.#wireOut, name, startNs, endNs - startNs, about);
      return;
    }
    // The card hears of a frame when its last bit is in; copies of a broadcast have passed the wire once.
    const { rateBps } = this.#machine.host.nic.parameters;
    const wireNs = Math.floor(((length + WIRE_OVERHEAD_BYTES) * 8e9) / rateBps);
    const firstBitNs = Math.max(0, startNs - wireNs);
    if (firstBitNs < this.#wireInBusyNs) return;
    this.#wireInBusyNs = startNs;
    this.writer.complete(this.#wireIn, name, firstBitNs, startNs - firstBitNs, about);
  }
}

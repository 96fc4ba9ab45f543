import type { WalkEvent } from '../../host/iommu/translation/translation-cache.js';
import { WIRE_OVERHEAD_BYTES } from '../../nic/descriptor.js';
import { MAILBOX, MAILBOX_REGISTERS } from '../../nic/registers.js';
import type { DescriptorEvent, LentFrame } from '../../nic/streams.js';
import type { ContextId } from '../../scheduler/branded.js';
import { counted } from '../../scheduler/counted.js';
import type { Machine } from '../machine/machine.js';
import { FrameFlows } from './frame-flows.js';
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

/** Names that are put together for each event cost as much as the rest of it. */
const MAILBOX_NAMES = MAILBOX_REGISTERS.map((_, mailbox) => `mailbox ${mailbox}`);

/** States in which a descriptor's life ends. */
const LAST_STATES: ReadonlySet<DescriptorEvent['state']> = new Set(['completed', 'faulted', 'discarded']);

/**
 * Writes the beginning of a run as a timeline: whose time each core spends; hypercalls, validated buffers, pinned pages,
 * IOTLB misses, and each page walk on the row of its walker; for the card the wire both ways, interrupts and refused accesses;
 * for each context its descriptors as spans that go through their states (`transferring` is the DMA), grants,
 * doorbells, drops and faults. Arrows follow each frame from its doorbell over its grant and the wire to its completion.
 */
export class TraceRecorder extends RunRecorder<TimelineWriter> {
  readonly #machine: Machine;
  readonly #endNs: number;
  readonly #card: TraceProcess;
  readonly #wireOut: TraceTrack;
  readonly #wireIn: TraceTrack;
  readonly #interrupts: TraceTrack;
  readonly #refused: TraceTrack;
  readonly #tracks: (ContextTracks | undefined)[] = [];
  readonly #cores: readonly TraceTrack[];
  readonly #hypercalls: TraceTrack;
  readonly #validation: TraceTrack;
  readonly #memory: TraceProcess;
  readonly #flows = new FrameFlows();
  readonly #grantNames = new Map<number, string>();
  /** Which exit granted last; the descriptors of that grant change state next. */
  #grantedInside = false;
  readonly #counted = new Map<string, number>();
  readonly #unwatch: readonly (() => void)[];
  /** A row per page walker of the IOMMU. */
  readonly #walkers: TraceTrack[] = [];
  #wireInBusyNs = 0;
  /** Names of domains by account. */
  readonly #accountNames: (string | undefined)[] = [];
  /** What events of each frame say, filled anew for each of them. */
  readonly #said = {
    descriptor: { descriptor: 0 },
    frame: { context: 0, bytes: 0 },
    grant: { reason: '' },
    credit: { bytes: 0 },
    count: { value: 0 },
  };

  /**
   * Starts to watch a machine that has not run yet.
   * @param endNs events after this moment are left out: a few milliseconds are megabytes.
   * @throws OutputFileError
   */
  constructor(writer: TimelineWriter, machine: Machine, endNs: number) {
    super(writer);
    this.#machine = machine;
    this.#endNs = endNs;
    const { processor } = machine.host;
    const cpu = this.writer.addProcess('CPU');
    this.#cores = Array.from({ length: processor.cores }, (_, core) =>
      this.writer.addTrack(cpu, `cpu${core}`),
    );
    const hypervisor = this.writer.addProcess('hypervisor');
    this.#hypercalls = this.writer.addTrack(hypervisor, 'hypercalls');
    this.#validation = this.writer.addTrack(hypervisor, 'buffers accepted at the set-up gate');
    this.#memory = this.writer.addProcess('memory and translation');
    const { protection } = machine.host;
    const unwatchWalks = protection.watchWalks?.((walk) => this.#onWalk(walk));
    this.#unwatch = [
      processor.watch((core, account, startNs, endNs) => this.#onCpu(core, account, startNs, endNs)),
      ...(unwatchWalks === undefined ? [] : [unwatchWalks]),
    ];
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
    const said = this.#said;
    const within = (atNs: number) => atNs <= this.#endNs;
    this.subscriptions.push(
      streams.doorbells$.subscribe(({ context, mailbox, value, atNs }) => {
        if (!within(atNs)) return;
        const flows = mailbox === MAILBOX.TX_PRODUCER ? this.#flows.posted(context, value) : undefined;
        said.count.value = value;
        const name = MAILBOX_NAMES[mailbox] ?? `mailbox ${mailbox}`;
        writer.instant(this.#tracksOf(context).doorbells, name, atNs, said.count, flows);
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
      hypervisor.hypercalls$.subscribe((atNs) => {
        if (within(atNs)) writer.instant(this.#hypercalls, 'hypercall', atNs);
      }),
      hypervisor.setUps$.subscribe(({ domain, context, direction, count, atNs }) => {
        const name = hypervisor.domains.find(({ id }) => id === domain)?.name ?? `domain ${domain}`;
        if (within(atNs))
          writer.instant(this.#validation, name, atNs, { context, direction, buffers: count });
      }),
      streams.faults$.subscribe(({ context, reason, detail, atNs }) => {
        this.#flows.forget(context);
        if (within(atNs))
          writer.instant(this.#tracksOf(context).troubles, `fault: ${reason}`, atNs, { detail });
      }),
      streams.drops$.subscribe(({ context, direction, reason, bytes, atNs }) => {
        if (direction === 'transmit') this.#flows.left(context, false);
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
        this.#grantedInside = false;
        if (!within(atNs)) return;
        said.grant.reason = reason;
        said.credit.bytes = creditBytes;
        writer.instant(this.#tracksOf(context).grants, this.#grantName(bytes), atNs, said.grant);
        writer.counter(this.#card, 'credit of the transmit FIFO, bytes', atNs, said.credit);
      }),
      nic.innerGrants$.subscribe(({ context, bytes, reason, atNs }) => {
        this.#grantedInside = true;
        if (within(atNs))
          writer.instant(this.#tracksOf(context).grants, `inside, ${bytes} bytes`, atNs, { reason });
      }),
      nic.receiveGrants$.subscribe(({ context, bytes, reason, atNs }) => {
        if (within(atNs)) {
          writer.instant(this.#tracksOf(context).grants, `receive, ${bytes} bytes`, atNs, { reason });
        }
      }),
    );
  }

  /** The run is over: nothing more is recorded. */
  override finish(): void {
    for (const unwatch of this.#unwatch) unwatch();
    super.finish();
  }

  override abort(): void {
    for (const unwatch of this.#unwatch) unwatch();
    super.abort();
  }

  /** A core has worked for a domain; what the gates have done is looked at whenever one has. */
  #onCpu(core: number, account: number, startNs: number, endNs: number): void {
    if (startNs > this.#endNs) return;
    const { pages, protection } = this.#machine.host;
    const track = this.#cores[core];
    if (track !== undefined)
      this.writer.complete(track, this.#accountName(account), startNs, endNs - startNs);
    this.#count('pinned pages', pages.pinnedPages);
    const { translations } = protection;
    if (translations === undefined) return;
    this.#count('IOTLB misses so far', translations.requests - translations.hits);
    this.#count('page walks so far', translations.walks);
  }

  #accountName(account: number): string {
    const known = this.#accountNames[account];
    if (known !== undefined) return known;
    const { domains } = this.#machine.host.hypervisor;
    const name = domains.find((domain) => domain.account === account)?.name;
    if (name === undefined) return `account ${account}`;
    while (this.#accountNames.length <= account) this.#accountNames.push(undefined);
    this.#accountNames[account] = name;
    return name;
  }

  /** A walker does one walk after the other: those of one walker never overlap. */
  #onWalk({
    walker,
    requesterId,
    iova,
    write,
    askedNs,
    startNs,
    endNs,
    contextReads,
    tableReads,
    ok,
  }: WalkEvent): void {
    if (startNs > this.#endNs) return;
    while (this.#walkers.length <= walker) {
      this.#walkers.push(this.writer.addTrack(this.#memory, `page walker ${this.#walkers.length}`));
    }
    const track = this.#walkers[walker];
    if (track === undefined) return;
    const reads = contextReads + tableReads;
    const name = ok ? `walk, ${counted(reads, 'read')}` : 'walk, fault';
    this.writer.complete(track, name, startNs, endNs - startNs, {
      iova: `0x${iova.toString(16)}`,
      access: write ? 'write' : 'read',
      requester: requesterId,
      contextReads,
      tableReads,
      waitedForWalkerNs: startNs - askedNs,
    });
  }

  /** A name that is put together for each frame costs as much as the rest of its event. */
  #grantName(bytes: number): string {
    const known = this.#grantNames.get(bytes);
    if (known !== undefined) return known;
    const name = `transmit, ${bytes} bytes`;
    this.#grantNames.set(bytes, name);
    return name;
  }

  /** A graph has a point where its value changes. */
  #count(name: string, value: number): void {
    if (this.#counted.get(name) === value) return;
    this.#counted.set(name, value);
    this.#said.count.value = value;
    this.writer.counter(this.#memory, name, this.#machine.kernel.nowNs, this.#said.count);
  }

  #tracksOf(context: ContextId): ContextTracks {
    const known = this.#tracks[context];
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
    while (this.#tracks.length <= context) this.#tracks.push(undefined);
    this.#tracks[context] = tracks;
    return tracks;
  }

  /** A descriptor is always in one state: the span of the one that it leaves ends where the next begins. */
  #onDescriptors({ context, direction, index, count, state, atNs }: DescriptorEvent): void {
    const track = this.#tracksOf(context)[direction];
    const said = this.#said.descriptor;
    if (state === 'granted' && direction === 'transmit') {
      const flows = this.#flows.granted(context, index, count, this.#grantedInside);
      said.descriptor = index;
      this.writer.instant(track, 'granted', atNs, said, flows);
    }
    const isLast = LAST_STATES.has(state);
    for (let step = 0; step < count; step += 1) {
      const descriptor = (index + step) >>> 0;
      said.descriptor = descriptor;
      if (!isLast) {
        this.writer.enterState(track, descriptor, state, atNs, said);
        continue;
      }
      this.writer.leaveState(track, descriptor, atNs);
      const flows = direction === 'transmit' ? this.#flows.ended(context, descriptor) : undefined;
      this.writer.instant(track, state, atNs, said, flows);
    }
  }

  #onFrame({ direction, context, length, startNs, endNs, switched }: LentFrame): void {
    const about = this.#said.frame;
    about.context = context;
    about.bytes = length;
    const name = this.#machine.host.hypervisor.domainOf(context)?.name ?? `context ${context}`;
    if (direction === 'transmit') {
      const flows = this.#flows.left(context, switched);
      if (!switched) this.writer.complete(this.#wireOut, name, startNs, endNs - startNs, about, flows);
      return;
    }
    // The card hears of a frame when its last bit is in; copies of a broadcast have passed the wire once.
    const wireNs = Math.floor(
      ((length + WIRE_OVERHEAD_BYTES) * 8e9) / this.#machine.partner.rateOfArrival(startNs),
    );
    const firstBitNs = Math.max(0, startNs - wireNs);
    if (firstBitNs < this.#wireInBusyNs) return;
    this.#wireInBusyNs = startNs;
    this.writer.complete(this.#wireIn, name, firstBitNs, startNs - firstBitNs, about);
  }
}

import { useEffect, useRef } from 'preact/hooks';
import { present } from '../../../scheduler/present.js';
import { type GateLabel, gatesOf } from '../gates.js';
import type { MachineLayout, MachineState } from '../machine-state.js';
import type { PageBlock } from '../memory-map.js';
import type { LabPlan } from '../plan.js';
import type { ContextState, DomainState, GuestState, Snapshot } from '../snapshot.js';
import { countText, latencyText, rateText, wireRateText } from './format.js';
import { MemoryBlock } from './memory-block.js';
import { Overlay } from './overlay.js';
import {
  catalogue,
  film,
  filmAt,
  films,
  follow,
  followed,
  isFilmPlaying,
  isServed,
  latestPoint,
  layouts,
  look,
  machines,
  percentile,
  plans,
  replan,
  served,
  showPicture,
  story,
  subject,
} from './store.js';
import { ownerColour } from './theme.js';
import { tour, tourAt } from './tour-store.js';
import { WireStrip } from './wire-strip.js';

/** One machine: its domains, memory between the two gates, the card and the wire. */
export function Picture({ index }: { index: number }) {
  const layout = layouts.value[index];
  const state = machines.value[index];
  if (layout === undefined || state === undefined) return <section class="machine" aria-busy="true" />;
  return <ShownMachine index={index} layout={layout} state={state} />;
}

interface ShownMachineProps {
  readonly index: number;
  readonly layout: MachineLayout;
  readonly state: MachineState;
}

function ShownMachine({ index, layout, state }: ShownMachineProps) {
  const { snapshot, fingerprint } = state;
  const { domains, guests } = snapshot;
  const stack = useOverlay(index, layout, domains.length);
  const gates = gatesOf(layout.approach);
  const latest = latestPoint(index);
  // 0: nothing has been measured yet.
  const mbps = guests.map((_, at) => latest?.sentMbps[at] ?? 0);
  const hits = latest?.hitPercent ?? null;
  return (
    <section class="machine" aria-label={`Machine ${index + 1}, ${layout.approach}, ${layout.discipline}`}>
      {film.value === undefined ? (
        <MachineHead index={index} fingerprint={fingerprint} />
      ) : (
        <FilmHead index={index} />
      )}
      <div class="stack" ref={stack} style={{ '--columns': String(domains.length) }}>
        <div class="row domains">
          {domains.map((domain, column) => (
            <DomainCard
              key={column}
              index={index}
              column={column}
              domain={domain}
              guest={guests.find((guest) => guest.column === column)}
              // 0: nothing has been measured yet.
              cpuPercent={latest?.cpuPercent[column] ?? 0}
              mbps={mbps[guests.findIndex((guest) => guest.column === column)]}
            />
          ))}
        </div>
        <GateButton
          index={index}
          kind="set-up-gate"
          gate={gates.setUp}
          passed={`${countText(snapshot.setUp.accepted)} passed`}
          stopped={snapshot.setUp.refused}
          word="refused"
        />
        <Memory index={index} layout={layout} state={state} columns={domains.length} />
        <GateButton
          index={index}
          kind="access-gate"
          gate={gates.access}
          passed={
            hits === null
              ? `${countText(snapshot.access.checked)} checked`
              : `${hits.toFixed(0)} % IOTLB hits`
          }
          stopped={snapshot.access.denied}
          word="denied"
        />
        <Card index={index} discipline={layout.discipline} snapshot={snapshot} mbps={mbps} />
        <button
          type="button"
          data-anchor="wire"
          class={`wire ${markOf(index, 'wire')}`}
          onClick={() => look(index, { kind: 'wire' })}
        >
          <strong>wire</strong>
          <span class="wire-rate">{wireRateText(snapshot.wireRateBps)}</span>
          <WireStrip index={index} />
          <span class="number">{rateText(mbps.reduce((sum, share) => sum + share, 0) * 1e6)}</span>
        </button>
      </div>
    </section>
  );
}

/** Lays a canvas for what moves over the stack of a picture, and measures again when the layout is another. */
function useOverlay(index: number, layout: MachineLayout, domains: number) {
  const stack = useRef<HTMLDivElement>(null);
  const overlay = useRef<Overlay | undefined>(undefined);
  useEffect(() => {
    if (stack.current === null) return undefined;
    const made = new Overlay(stack.current, index);
    overlay.current = made;
    return () => made.close();
  }, [index]);
  useEffect(() => overlay.current?.measure(), [layout, domains]);
  return stack;
}

/** Parts of the picture that there is one of per machine. */
type Part = 'set-up-gate' | 'access-gate' | 'scheduler' | 'wire' | 'card';

/** Classes of a part: whether it is looked at, and whether the followed frame, or else the tour, is there now. */
function markOf(index: number, part: Part): string {
  const isSeen = subject.value?.machine === index && subject.value.subject.kind === part;
  const fromTour = tour.value?.steps[tourAt.value?.step ?? 0]?.lit;
  const fromStory = followed.value?.machine === index ? story.value?.steps.at(-1)?.station : undefined;
  return `${isSeen ? 'seen' : ''} ${(fromStory ?? fromTour) === part ? 'lit' : ''}`;
}

interface GateButtonProps {
  readonly index: number;
  readonly kind: 'set-up-gate' | 'access-gate';
  readonly gate: GateLabel;
  readonly passed: string;
  readonly stopped: number;
  /** What it is called when it stops something. */
  readonly word: string;
}

function GateButton({ index, kind, gate, passed, stopped, word }: GateButtonProps) {
  return (
    <button
      type="button"
      data-anchor={kind === 'set-up-gate' ? 'set-up' : 'access'}
      class={`gate ${gate.checks ? 'checks' : 'open'} ${markOf(index, kind)}`}
      onClick={() => look(index, { kind })}
    >
      <strong>{kind.replace('-gate', ' gate')}</strong>
      <span class="gate-label">{gate.label}</span>
      <span class="gate-count">
        {passed}
        <em class={stopped > 0 ? 'refusals' : ''}>
          {countText(stopped)} {word}
        </em>
      </span>
    </button>
  );
}

interface CardProps {
  readonly index: number;
  readonly discipline: string;
  readonly snapshot: Snapshot;
  /** Rate of each guest, Mb/s. */
  readonly mbps: readonly number[];
}

/** The card: itself, a context per guest below the column of its domain, and the DMA scheduler. */
function Card({ index, discipline, snapshot, mbps }: CardProps) {
  const { domains, contexts, guests, physicalInterrupts } = snapshot;
  return (
    <div class="card">
      <div class="row contexts">
        <button
          type="button"
          class={`card-self ${markOf(index, 'card')}`}
          data-anchor="card"
          onClick={() => look(index, { kind: 'card' })}
        >
          <strong>the card</strong>
          <span>
            {countText(physicalInterrupts)} {physicalInterrupts === 1 ? 'interrupt' : 'interrupts'}
          </span>
        </button>
        {domains.slice(1).map((_, at) => (
          <div class="context-cell" key={at + 1}>
            {contexts
              .filter(({ column }) => column === at + 1)
              .map((context) => (
                <ContextCard key={context.context} index={index} context={context} />
              ))}
          </div>
        ))}
      </div>
      <button
        type="button"
        data-anchor="scheduler"
        class={`scheduler ${markOf(index, 'scheduler')}`}
        onClick={() => look(index, { kind: 'scheduler' })}
      >
        <strong>DMA scheduler: {discipline}</strong>
        <ShareBar shares={mbps} columns={guests.map(({ column }) => column)} />
      </button>
    </div>
  );
}

function FilmHead({ index }: { index: number }) {
  const shown = films.value[index];
  if (shown === undefined) return null;
  return (
    <header class="machine-head film">
      <p>
        <b>{shown.attack}</b> on <b>{shown.approach}</b>, picture {filmAt.value + 1} of{' '}
        {shown.pictures.length}
      </p>
      <input
        type="range"
        min="0"
        max={shown.pictures.length - 1}
        value={filmAt.value}
        aria-label="Picture of the film"
        onInput={({ currentTarget }) => {
          isFilmPlaying.value = false;
          showPicture(Number(currentTarget.value));
        }}
      />
    </header>
  );
}

/** Approach and discipline of a session with real guests: they are what it was started with. */
function ServedHead({ plan, fingerprint }: { plan: LabPlan; fingerprint: string }) {
  const title = catalogue.value.approaches.find(({ name }) => name === plan.approach)?.title;
  return (
    <header class="machine-head served">
      <p>
        <b>{title ?? plan.approach}</b>, {plan.discipline}, real guests
      </p>
      <span
        class="fingerprint"
        title="Fingerprint of the session so far: `replay` of its record gives the same at its end."
      >
        <span class="visually-hidden">fingerprint </span>
        {fingerprint}
      </span>
    </header>
  );
}

function MachineHead({ index, fingerprint }: { index: number; fingerprint: string }) {
  const plan = plans.value[index];
  if (plan === undefined) return null;
  if (isServed.value) return <ServedHead plan={plan} fingerprint={fingerprint} />;
  const set = (change: { approach: string } | { discipline: string }) =>
    replan((other, machine) => (machine === index ? { ...other, ...change } : other));
  return (
    <header class="machine-head">
      <label>
        <span>approach</span>
        <select
          value={plan.approach}
          onChange={({ currentTarget }) => set({ approach: currentTarget.value })}
          data-knob={`approach-${index}`}
        >
          {catalogue.value.approaches.map(({ name, title }) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>discipline</span>
        <select
          value={plan.discipline}
          onChange={({ currentTarget }) => set({ discipline: currentTarget.value })}
          data-knob={`discipline-${index}`}
        >
          {catalogue.value.disciplines.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
          {catalogue.value.disciplines.every(({ name }) => name !== plan.discipline) && (
            <option value={plan.discipline}>{plan.discipline}</option>
          )}
        </select>
      </label>
      <span
        class="fingerprint"
        title="Fingerprint: a hash of everything that has happened. The command line gives the same."
      >
        <span class="visually-hidden">fingerprint </span>
        {fingerprint}
      </span>
    </header>
  );
}

interface DomainCardProps {
  readonly index: number;
  readonly column: number;
  readonly domain: DomainState;
  readonly guest: GuestState | undefined;
  readonly cpuPercent: number;
  readonly mbps: number | undefined;
}

function DomainCard({ index, column, domain, guest, cpuPercent, mbps }: DomainCardProps) {
  const isSeen =
    subject.value?.machine === index &&
    subject.value.subject.kind === 'domain' &&
    subject.value.subject.id === column;
  const cpu = Math.min(100, Math.max(0, cpuPercent));
  const virtualMachine = served.value?.guests.find((real) => real.column === column)?.state;
  return (
    <div
      class={`domain ${domain.kind} ${domain.alive ? '' : 'killed'}`}
      data-anchor={`domain-${column}`}
      style={{ '--owner': ownerColour(column) }}
    >
      <button
        type="button"
        class={`domain-main ${isSeen ? 'seen' : ''}`}
        onClick={() => look(index, { kind: 'domain', id: column })}
      >
        <strong>
          <i class="chip" aria-hidden="true" />
          <span>{domain.name}</span>
        </strong>
        {virtualMachine !== undefined && (
          <span class="virtual-machine" data-state={virtualMachine}>
            {virtualMachine === 'waiting' ? 'waits for its virtual machine' : virtualMachine}
          </span>
        )}
        {/* What a real guest's own CPU does is spent elsewhere. */}
        {virtualMachine === undefined && (
          <span class="cpu">
            <i style={{ width: `${cpu}%` }} />
            <b>CPU {cpu.toFixed(0)} %</b>
          </span>
        )}
        {guest !== undefined && (
          <span class="figures">
            <span>{rateText((mbps ?? 0) * 1e6)}</span>
            <span title="A percentile of the last frames, from the driver to the wire; the plot of latencies chooses which">
              {percentile.value} {latencyText(guest.latencies?.[percentile.value])}
            </span>
          </span>
        )}
        {guest === undefined && (
          <span class="figures">
            <span>{domain.kind === 'hypervisor' ? 'owns both gates' : 'bridges and copies'}</span>
          </span>
        )}
      </button>
      {guest !== undefined && film.value === undefined && !isServed.value && (
        <div class="follows">
          {FOLLOWED_WAYS.map(({ way, sign, what }) => (
            <FollowButton
              key={way}
              index={index}
              column={column}
              way={way}
              sign={sign}
              text={`Follow the next frame that ${domain.name} ${what}`}
            />
          ))}
        </div>
      )}
    </div>
  );
}

/** Frames go down to the wire, and come up from it. */
const FOLLOWED_WAYS = [
  { way: 'transmit', sign: '↓', what: 'sends' },
  { way: 'receive', sign: '↑', what: 'gets' },
] as const;

interface FollowButtonProps {
  readonly index: number;
  readonly column: number;
  readonly way: 'transmit' | 'receive';
  readonly sign: string;
  readonly text: string;
}

function FollowButton({ index, column, way, sign, text }: FollowButtonProps) {
  const now = followed.value;
  const isOn = now?.machine === index && now.column === column && now.way === way;
  return (
    <button
      type="button"
      class={`follow ${isOn ? 'on' : ''}`}
      data-follow={way}
      aria-pressed={isOn}
      title={text}
      onClick={() => follow(index, isOn ? undefined : column, way)}
    >
      <span aria-hidden="true">◎{sign}</span>
      <span class="visually-hidden">{text}</span>
    </button>
  );
}

function Memory({
  index,
  layout,
  state,
  columns,
}: {
  index: number;
  layout: MachineLayout;
  state: MachineState;
  columns: number;
}) {
  let first = 0;
  const placed = layout.blocks.map((block) => {
    const at = first;
    first += block.pages.length;
    return { block, at };
  });
  const inColumn = (column: number) => placed.filter(({ block }) => block.column === column);
  return (
    <div class="memory">
      <span class="layer" aria-hidden="true">
        memory
      </span>
      <div class="row">
        {Array.from({ length: columns }, (_, column) => (
          <div class="blocks" key={column} data-anchor={`memory-${column}`}>
            {inColumn(column).map(({ block, at }) => (
              <Block key={block.title} index={index} block={block} state={state} at={at} />
            ))}
          </div>
        ))}
      </div>
      <span class="pinned number">{countText(state.snapshot.pinnedPages)} pages pinned</span>
    </div>
  );
}

function Block({
  index,
  block,
  state,
  at,
}: {
  index: number;
  block: PageBlock;
  state: MachineState;
  at: number;
}) {
  const { pages, title, more } = block;
  return (
    <div class="block">
      <span class="block-title">
        {title}
        {more > 0 ? ` +${more}` : ''}
      </span>
      <MemoryBlock
        machine={index}
        first={at}
        pages={pages}
        label={`${title}: ${pages.length} pages, ${state.pins.subarray(at, at + pages.length).reduce((sum, pin) => sum + (pin > 0 ? 1 : 0), 0)} pinned`}
        onPage={(page) => look(index, { kind: 'page', id: page })}
      />
    </div>
  );
}

function ContextCard({ index, context }: { index: number; context: ContextState }) {
  const { state, transmit, receive, faultReason, column } = context;
  const isSeen =
    subject.value?.machine === index &&
    subject.value.subject.kind === 'context' &&
    subject.value.subject.id === context.context;
  return (
    <button
      type="button"
      class={`context ${state} ${isSeen ? 'seen' : ''}`}
      data-anchor={`context-${column}`}
      style={{ '--owner': ownerColour(column) }}
      onClick={() => look(index, { kind: 'context', id: context.context })}
    >
      <strong>context {context.context}</strong>
      {state === 'open' ? (
        <>
          <Ring name="tx" ring={transmit} />
          <Ring name="rx" ring={receive} />
        </>
      ) : (
        <span class="stopped">{faultReason === 'none' ? state : faultReason}</span>
      )}
    </button>
  );
}

function Ring({ name, ring }: { name: string; ring: ContextState['transmit'] }) {
  const posted = (ring.producer - ring.consumer) >>> 0;
  const onCard = (ring.fetched - ring.consumer) >>> 0;
  const share = (count: number) =>
    `${ring.slots === 0 ? 0 : (Math.min(count, ring.slots) * 100) / ring.slots}%`;
  return (
    <span class="ring" title={`${posted} of ${ring.slots} posted, ${onCard} on the card`}>
      <b>{name}</b>
      <span class="gauge">
        <i class="posted" style={{ width: share(posted) }} />
        <i class="fetched" style={{ width: share(onCard) }} />
      </span>
      <b class="number">{posted}</b>
    </span>
  );
}

function ShareBar({ shares, columns }: { shares: readonly number[]; columns: readonly number[] }) {
  const total = shares.reduce((sum, share) => sum + share, 0);
  const label = shares.map((share) => `${total > 0 ? ((share * 100) / total).toFixed(0) : 0} %`).join(', ');
  return (
    <span class="shares" role="img" aria-label={`shares of the wire: ${label}`}>
      {shares.map((share, at) => (
        <i
          key={columns[at]}
          style={{
            flexGrow: String(total > 0 ? share : 1),
            background: `color-mix(in srgb, ${ownerColour(present(columns[at]))} 70%, var(--ink))`,
          }}
        >
          {total > 0 && share / total > 0.08 ? `${((share * 100) / total).toFixed(0)}%` : ''}
        </i>
      ))}
    </span>
  );
}

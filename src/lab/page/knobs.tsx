import { DEFAULT_NIC } from '../../../nic/parameters.js';
import type { ScenarioInput } from '../../scenario/schema.js';
import { MOST_LAB_GUESTS } from '../limits.js';
import type { LabPlan } from '../plan.js';
import { PRESETS, SMALL_GUEST } from '../presets.js';
import { wireRateText } from './format.js';
import { captures, change as changeNow, machines, open, plans, replan } from './store.js';
import { ownerColour } from './theme.js';

/** A guest of a scenario. */
export type Guest = ScenarioInput['guests'][number];
type Traffic = NonNullable<Guest['traffic']>;

/** Changes the scenario of every machine alike: what is compared side by side is never the traffic. */
function rescene(change: (scenario: ScenarioInput) => ScenarioInput): void {
  replan((plan) => ({ ...plan, scenario: change(plan.scenario) }));
}

/** Guests one by one, so that each has knobs of its own. */
export function separateGuests(guests: readonly Guest[]): Guest[] {
  let before = 0;
  return guests.flatMap((guest) => {
    const { count = 1, ...one } = guest;
    const first = before;
    before += count;
    if (count === 1) return [one];
    // As a run names them: those without a name by their place among all.
    return Array.from({ length: count }, (_, copy) => ({
      ...one,
      name: one.name === undefined ? `guest${first + copy}` : `${one.name}${copy}`,
    }));
  });
}

/**
 * What is turned. Weight, limit, priority, balloon, what a guest sends and the rate of the wire are turned while the machine
 * runs; all else starts it anew at time 0 with the same seed.
 */
export function KnobsPanel() {
  const [plan] = plans.value;
  if (plan === undefined) return null;
  const { scenario, seed } = plan;
  const guests = separateGuests(scenario.guests);
  return (
    <div class="knobs">
      <ScenarioKnob scenario={scenario} />
      <div class="pair">
        <RateKnob scenario={scenario} />
        <SeedKnob seed={seed} />
      </div>
      <div class="pair">
        <IotlbKnob scenario={scenario} />
        <VendorKnob scenario={scenario} />
      </div>
      <h3>Guests</h3>
      {guests.map((guest, at) => (
        <GuestKnobs key={guest.name ?? at} guest={guest} at={at} />
      ))}
      <GuestCount count={guests.length} />
      <SideBySide />
    </div>
  );
}

interface ScenarioProps {
  readonly scenario: ScenarioInput;
}

function ScenarioKnob({ scenario }: ScenarioProps) {
  return (
    <label>
      <span>scenario</span>
      <select
        data-knob="scenario"
        value={
          PRESETS.find((preset) => JSON.stringify(preset.scenario) === JSON.stringify(scenario))?.name ?? ''
        }
        onChange={({ currentTarget }) => {
          const preset = PRESETS.find(({ name }) => name === currentTarget.value);
          if (preset === undefined) return;
          captures.value = [];
          replan((other) => ({ ...other, scenario: preset.scenario }));
        }}
      >
        <option value="" disabled>
          {scenario.name ?? 'one of your own'}
        </option>
        {PRESETS.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Rates that wires have. */
const RATES = [100e6, 1e9, 10e9, 25e9, 100e9];

function RateKnob({ scenario }: ScenarioProps) {
  const changed = (scenario.changes ?? []).findLast(({ rateBps }) => rateBps !== undefined)?.rateBps;
  const now = changed ?? scenario.nic?.rateBps ?? DEFAULT_NIC.rateBps;
  const offered = RATES.includes(now) ? RATES : [...RATES, now].sort((one, other) => one - other);
  return (
    <label>
      <span>rate of the wire, now</span>
      <select
        data-knob="rate"
        value={String(now)}
        onChange={({ currentTarget }) => changeNow({ rateBps: Number(currentTarget.value) })}
      >
        {offered.map((rate) => (
          <option key={rate} value={String(rate)}>
            {wireRateText(rate)}
          </option>
        ))}
      </select>
    </label>
  );
}

function SeedKnob({ seed }: { seed: number }) {
  return (
    <label>
      <span>seed</span>
      <input
        data-knob="seed"
        type="number"
        min="0"
        max="4294967295"
        value={String(seed)}
        onChange={({ currentTarget }) => {
          const next = Number(currentTarget.value);
          replan((other) => ({ ...other, seed: next }));
        }}
      />
    </label>
  );
}

function IotlbKnob({ scenario }: ScenarioProps) {
  return (
    <label>
      <span>IOTLB entries</span>
      <select
        data-knob="iotlb"
        value={String(scenario.iommu?.iotlbEntries ?? '')}
        onChange={({ currentTarget }) => {
          const text = currentTarget.value;
          rescene((other) => {
            const { iotlbEntries: _dropped, ...rest } = other.iommu ?? {};
            return { ...other, iommu: text === '' ? rest : { ...rest, iotlbEntries: Number(text) } };
          });
        }}
      >
        <option value="">default</option>
        {[1, 2, 4, 8, 16, 32, 64, 128, 256, 1024].map((entries) => (
          <option key={entries} value={String(entries)}>
            {entries}
          </option>
        ))}
      </select>
    </label>
  );
}

function VendorKnob({ scenario }: ScenarioProps) {
  return (
    <label>
      <span>IOMMU vendor</span>
      <select
        data-knob="vendor"
        value={scenario.iommu?.vendor ?? 'vtd'}
        onChange={({ currentTarget }) => {
          const vendor = currentTarget.value === 'amdvi' ? 'amdvi' : 'vtd';
          rescene((other) => ({ ...other, iommu: { ...other.iommu, vendor } }));
        }}
      >
        <option value="vtd">Intel VT-d</option>
        <option value="amdvi">AMD-Vi</option>
      </select>
    </label>
  );
}

function GuestCount({ count }: { count: number }) {
  return (
    <div class="guest-count">
      <button
        type="button"
        data-knob="add-guest"
        disabled={count >= MOST_LAB_GUESTS}
        onClick={() =>
          rescene((other) => ({
            ...other,
            guests: [
              ...separateGuests(other.guests),
              { name: freeName(other), traffic: { kind: 'greedy' }, ...SMALL_GUEST },
            ],
          }))
        }
      >
        add a guest
      </button>
      <button
        type="button"
        class="quiet"
        data-knob="remove-guest"
        disabled={count <= 1}
        onClick={() => rescene((other) => ({ ...other, guests: separateGuests(other.guests).slice(0, -1) }))}
      >
        remove the last
      </button>
    </div>
  );
}

function SideBySide() {
  return (
    <label class="side">
      <input
        type="checkbox"
        data-knob="side-by-side"
        checked={plans.value.length === 2}
        onChange={({ currentTarget }) => {
          const [one] = plans.value;
          if (one === undefined) return;
          const other: LabPlan = {
            ...one,
            approach: one.approach === 'cdna' ? 'iommu:single-use' : 'cdna',
          };
          open(currentTarget.checked ? [one, other] : [one]);
        }}
      />
      <span>two machines side by side, on the same seed and the same traffic</span>
    </label>
  );
}

function freeName(scenario: ScenarioInput): string {
  const taken = new Set(separateGuests(scenario.guests).map(({ name }) => name));
  for (let number = taken.size + 1; ; number += 1) if (!taken.has(`guest${number}`)) return `guest${number}`;
}

const KINDS: readonly { readonly kind: string; readonly text: string; readonly traffic: Traffic }[] = [
  { kind: 'greedy', text: 'as fast as it can', traffic: { kind: 'greedy' } },
  { kind: 'constant', text: 'constant rate', traffic: { kind: 'constant', wireRateBps: 200_000_000 } },
  { kind: 'poisson', text: 'Poisson arrivals', traffic: { kind: 'poisson', wireRateBps: 200_000_000 } },
  { kind: 'on-off', text: 'bursts', traffic: { kind: 'on-off', peakWireRateBps: 800_000_000 } },
  { kind: 'pareto', text: 'heavy-tailed bursts', traffic: { kind: 'pareto', peakWireRateBps: 800_000_000 } },
  { kind: 'request', text: 'requests', traffic: { kind: 'request' } },
  { kind: 'none', text: 'sends nothing', traffic: { kind: 'none' } },
];

/** What a guest sends now: what the last change has brought, or else what it began with. */
function trafficNow(name: string, guest: Guest): Traffic {
  const changes = plans.value[0]?.scenario.changes ?? [];
  const changed = changes.findLast((each) => each.guest === name && each.traffic !== undefined)?.traffic;
  return changed ?? guest.traffic ?? { kind: 'none' };
}

type SentTraffic = NonNullable<NonNullable<ScenarioInput['changes']>[number]['traffic']>;

/** Traffic that a change may bring, or take the place of: what only sends. It begins when it is turned. */
function sent(traffic: Traffic | undefined): SentTraffic | undefined {
  if (traffic === undefined || traffic.kind === 'none') return { kind: 'none' };
  if (traffic.kind === 'replay' || traffic.kind === 'request') return undefined;
  const { startNs: _before, ...rest } = traffic;
  return rest;
}

function GuestKnobs({ guest, at }: { guest: Guest; at: number }) {
  const name = guest.name ?? `guest${at}`;
  const traffic = trafficNow(name, guest);
  const column = machines.value[0]?.snapshot.guests[at]?.column ?? at + 1;
  const change = (next: Traffic) => {
    const [before, after] = [sent(guest.traffic), sent(next)];
    if (before !== undefined && after !== undefined) changeNow({ guest: name, traffic: after });
    else
      rescene((other) => ({
        ...other,
        guests: separateGuests(other.guests).map((each, index) =>
          index === at ? { ...each, traffic: next } : each,
        ),
      }));
  };
  const bytes = 'frameBytes' in traffic ? traffic.frameBytes : undefined;
  return (
    <fieldset style={{ '--owner': ownerColour(column) }}>
      <legend>
        <i class="chip" aria-hidden="true" />
        {name}
      </legend>
      <label>
        <span>sends</span>
        <select
          data-knob={`traffic-${at}`}
          value={traffic.kind}
          onChange={({ currentTarget }) => {
            const kind = KINDS.find((each) => each.kind === currentTarget.value);
            if (kind !== undefined) change(kind.traffic);
          }}
        >
          {KINDS.map(({ kind, text }) => (
            <option key={kind} value={kind}>
              {text}
            </option>
          ))}
          {KINDS.every(({ kind }) => kind !== traffic.kind) && (
            <option value={traffic.kind}>{traffic.kind}</option>
          )}
        </select>
      </label>
      {'frameBytes' in traffic || traffic.kind === 'greedy' ? (
        <label>
          <span>frames</span>
          <select
            data-knob={`bytes-${at}`}
            value={typeof bytes === 'object' ? '' : String(bytes ?? 1514)}
            onChange={({ currentTarget }) => {
              const size = currentTarget.value === 'imix' ? 'imix' : Number(currentTarget.value);
              change({ ...traffic, frameBytes: size } as Traffic);
            }}
          >
            {[60, 256, 512, 1024, 1514, 9018].map((size) => (
              <option key={size} value={String(size)}>
                {size} bytes
              </option>
            ))}
            <option value="imix">mixed sizes</option>
          </select>
        </label>
      ) : null}
      <LiveKnobs name={name} guest={guest} />
    </fieldset>
  );
}

/** Knobs of a guest's share, which are turned while the machine runs: each is an entry of the scenario's changes. */
export function ShareKnobs({ name, guest }: { name: string; guest: Guest }) {
  const [plan] = plans.value;
  const mine = (plan?.scenario.changes ?? []).filter((each) => each.guest === name);
  const last = <T,>(pick: (each: (typeof mine)[number]) => T | undefined): T | undefined =>
    mine.map(pick).findLast((value) => value !== undefined);
  const weight = last((each) => each.weight) ?? guest.weight ?? 1;
  const limitBps = last((each) => each.limitBps) ?? guest.share?.limitBps;
  const priority = last((each) => each.priority) ?? guest.share?.priority ?? 0;
  return (
    <>
      <label>
        <span>weight, now</span>
        <input
          type="number"
          min="1"
          max="65535"
          data-knob={`weight-${name}`}
          value={String(weight)}
          onChange={({ currentTarget }) => changeNow({ guest: name, weight: Number(currentTarget.value) })}
        />
      </label>
      {plan?.discipline.startsWith('limited:') === true && (
        <label>
          <span>limit, Mb/s, now</span>
          <input
            type="number"
            min="0"
            data-knob={`limit-${name}`}
            value={limitBps === undefined || limitBps === null ? '' : String(limitBps / 1e6)}
            placeholder="none"
            onChange={({ currentTarget }) => {
              const mbps = Number(currentTarget.value);
              changeNow({ guest: name, limitBps: mbps > 0 ? mbps * 1e6 : null });
            }}
          />
        </label>
      )}
      {plan?.discipline === 'priority' && (
        <label>
          <span>priority, now</span>
          <input
            type="number"
            min="0"
            max="255"
            data-knob={`priority-${name}`}
            value={String(priority)}
            onChange={({ currentTarget }) =>
              changeNow({ guest: name, priority: Number(currentTarget.value) })
            }
          />
        </label>
      )}
    </>
  );
}

/** What of a modelled guest is turned while the machine runs. */
function LiveKnobs({ name, guest }: { name: string; guest: Guest }) {
  return (
    <div class="live">
      <ShareKnobs name={name} guest={guest} />
      <button
        type="button"
        class="quiet"
        data-knob={`balloon-${name}`}
        title="The hypervisor asks the guest for memory; pages in use by the card wait for their last reference"
        onClick={() => changeNow({ guest: name, balloon: 8 })}
      >
        take 8 pages back
      </button>
    </div>
  );
}

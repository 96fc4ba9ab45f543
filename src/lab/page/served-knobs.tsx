import { computed } from '@preact/signals';
import { FAULT_POLICIES } from '../../../host/hypervisor/fault-log.js';
import { ShareKnobs, separateGuests } from './knobs.js';
import { plans, request, served } from './store.js';
import { ownerColour } from './theme.js';

const POLICY_MEANINGS: Readonly<Record<(typeof FAULT_POLICIES)[number], string>> = {
  log: 'log the fault',
  revoke: 'take its context away',
  kill: 'turn its machine away for good',
};

const columnText = computed(() => served.value?.guests.map(({ column }) => column).join() ?? '');
/** Column of each real guest; the knobs are drawn anew when it changes, not with each state. */
const columns = computed(() => columnText.value.split(',').map(Number));

/** What is turned in a session with real guests: shares, what becomes of a guest that faults, and the capture. */
export function ServedKnobs() {
  const guests = separateGuests(plans.value[0]?.scenario.guests ?? []).filter(
    ({ attached }) => attached === true,
  );
  return (
    <div class="knobs served">
      <p class="hint">
        What is turned here takes effect at once, for real machines, and stands in the session's record as
        keys do.
      </p>
      <PolicyKnob />
      <CaptureKnob />
      <h3>Real guests</h3>
      {guests.map((guest, at) => (
        <fieldset key={guest.name ?? at} style={{ '--owner': ownerColour(columns.value[at] ?? at + 1) }}>
          <legend>
            <i class="chip" aria-hidden="true" />
            {guest.name}
          </legend>
          <div class="live">
            <ShareKnobs name={guest.name ?? `guest${at}`} guest={guest} />
          </div>
        </fieldset>
      ))}
    </div>
  );
}

function PolicyKnob() {
  return (
    <label>
      <span>a guest that faults</span>
      <select
        data-knob="policy"
        value={served.value?.policy ?? 'log'}
        onChange={({ currentTarget }) => {
          const policy = FAULT_POLICIES.find((name) => name === currentTarget.value);
          if (policy !== undefined) request({ kind: 'policy', policy });
        }}
      >
        {FAULT_POLICIES.map((name) => (
          <option key={name} value={name}>
            {name}: {POLICY_MEANINGS[name]}
          </option>
        ))}
      </select>
    </label>
  );
}

function CaptureKnob() {
  const path = served.value?.capture;
  return (
    <div class="capture">
      <button
        type="button"
        data-knob="capture"
        aria-pressed={path !== undefined}
        onClick={() => request({ kind: 'capture', on: path === undefined })}
      >
        {path === undefined ? 'capture what passes the card' : 'complete the capture'}
      </button>
      {path !== undefined && <p class="hint">to {path}</p>}
    </div>
  );
}

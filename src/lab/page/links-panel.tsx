import { useEffect, useState } from 'preact/hooks';
import type { LabPlan } from '../plan.js';
import { terminalCommand } from '../terminal-command.js';
import { link, linkRefusal } from './address.js';
import { takeFiles } from './dropped-files.js';
import { activity, announcement, film, go, machines, plans, position, request } from './store.js';

const OUTPUT_TITLES = [
  { output: 'json', title: 'JSON' },
  { output: 'pcapng', title: 'pcapng' },
  { output: 'perfetto', title: 'Perfetto' },
  { output: 'scenario', title: 'scenario' },
] as const;

/** The state as a link, the same run in a terminal, and files that come in. */
export function LinksPanel() {
  // Between two events of one nanosecond no other run can be brought to stand: this one goes to the end of it.
  useEffect(() => {
    if (activity.value === 'paused' && film.value === undefined && position.value.events > 0)
      go({ atNs: position.value.atNs, events: Number.MAX_SAFE_INTEGER });
  }, []);
  const isStill = activity.value === 'paused' || activity.value === 'ended';
  const address = `${location.href.replace(/#.*$/u, '')}${link.value}`;
  return (
    <div class="links">
      <h3>This state as a link</h3>
      <p class="hint">
        Scenario, approach, discipline, seed, knobs, and the time at which the machine stands.
      </p>
      <Link isStill={isStill} address={address} />
      <h3>Run this in a terminal</h3>
      {!isStill || position.value.atNs === 0 ? (
        <p class="hint">
          When the machine has run and stands still, the command that gives the same fingerprint is here.
        </p>
      ) : (
        plans.value.map((plan, machine) => (
          <Command
            key={`${plan.approach} ${plan.discipline} ${machine}`}
            plan={plan}
            fingerprint={machines.value[machine]?.fingerprint ?? ''}
          />
        ))
      )}
      <h3>Take a file out</h3>
      <p class="hint">The run from its start to now: it is run once more, so a long one takes a while.</p>
      {plans.value.map((plan, machine) => (
        <p class="outputs" key={`${plan.approach} ${plan.discipline} ${machine}`}>
          {plans.value.length > 1 && <span>{plan.approach}: </span>}
          {OUTPUT_TITLES.map(({ output, title }) => (
            <button
              key={output}
              type="button"
              data-take-out={output}
              disabled={!isStill}
              onClick={() => request({ kind: 'take-out', machine, output })}
            >
              {title}
            </button>
          ))}
        </p>
      ))}
      <h3>Bring a file</h3>
      <p class="hint">
        Drop a scenario (.json) anywhere on the page, or a capture (pcap, pcapng, also gzip'd) that the first
        guest is to replay. A scenario that names modules is refused: the lab runs no code of a file.
      </p>
      <input
        type="file"
        multiple
        accept=".json,.pcap,.pcapng,.gz,.cap"
        aria-label="Scenario or capture"
        onChange={({ currentTarget }) => {
          void takeFiles([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
    </div>
  );
}

function Link({ isStill, address }: { isStill: boolean; address: string }) {
  if (!isStill) return <p>Pause the machine to get its link.</p>;
  if (linkRefusal.value !== '') return <p>No link carries this state: {linkRefusal.value}</p>;
  return <Copied label="link" text={address} />;
}

function Command({ plan, fingerprint }: { plan: LabPlan; fingerprint: string }) {
  const { text } = terminalCommand(plan, position.value.atNs);
  return (
    <>
      <p class="hint">
        {plan.approach}, {plan.discipline}: it prints the fingerprint <code>{fingerprint}</code>
      </p>
      <Copied label="command" text={text} />
    </>
  );
}

function Copied({ label, text }: { label: string; text: string }) {
  const [isCopied, setCopied] = useState(false);
  return (
    <div class="copied">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: text that scrolls has to be reached by keyboard */}
      <pre tabIndex={0} data-copied={label}>
        {text}
      </pre>
      <button
        type="button"
        onClick={() => {
          void navigator.clipboard.writeText(text).then(
            () => {
              setCopied(true);
              announcement.value = `The ${label} is copied.`;
            },
            () => {
              announcement.value = 'The browser does not let this page copy: mark the text and copy it.';
            },
          );
        }}
      >
        {isCopied ? 'copied' : `copy the ${label}`}
      </button>
    </div>
  );
}

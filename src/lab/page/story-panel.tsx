import type { AccessWalk } from '../access-steps.js';
import { timeText } from './format.js';
import { follow, followed, story } from './store.js';

/** The life of a followed frame, step by step. */
export function StoryPanel() {
  const told = story.value;
  const target = followed.value;
  if (target === undefined) return null;
  return (
    <section class="story" aria-label="A frame that is followed">
      <header>
        <h3>
          {told === undefined || told.steps.length === 0
            ? `Waiting for the next frame that ${target.way === 'transmit' ? 'is sent' : 'comes in'}`
            : `${target.way === 'transmit' ? 'Sent by' : 'Received by'} ${told.guest}${told.index < 0 ? '' : `: frame ${told.index}`}`}
        </h3>
        <div>
          {told?.finished === true && (
            <button type="button" onClick={() => follow(target.machine, target.column, target.way)}>
              the next one
            </button>
          )}
          <button type="button" class="quiet" onClick={() => follow(target.machine, undefined)}>
            let go
          </button>
        </div>
      </header>
      <ol>
        {told?.steps.map((step, at) => (
          <li key={`${at}-${step.title}`} data-station={step.station}>
            <time>{timeText(step.atNs)}</time>
            <b>{step.title}</b>
            {step.facts.map((fact) => (
              <p key={fact}>{fact}</p>
            ))}
            {step.walk !== undefined && <WalkTable walk={step.walk} />}
          </li>
        ))}
      </ol>
    </section>
  );
}

/** What the access gate read on its way to an answer, entry by entry, with the bits that decide. */
function WalkTable({ walk }: { walk: AccessWalk }) {
  return (
    <details class="walk" open={!walk.allowed}>
      <summary>
        {walk.gate === 'open'
          ? 'the access gate stands open'
          : `${walk.gate}: ${walk.allowed ? 'allowed' : 'denied'}`}
      </summary>
      {walk.steps.map(({ what, value, bits, says }) => (
        <div class="entry" key={what}>
          <span>{what}</span>
          <code>{value}</code>
          <span class="bits">
            {bits.map(({ name, set }) => (
              <i key={name} class={set ? 'set' : ''}>
                {name}
                <span class="visually-hidden">{set ? ' set' : ' clear'}</span>
              </i>
            ))}
          </span>
          <span class="says">{says}</span>
        </div>
      ))}
      <p class={walk.allowed ? '' : 'alarm'}>{walk.verdict}</p>
    </details>
  );
}

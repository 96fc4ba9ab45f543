import { present } from '../../../scheduler/present.js';
import { timeText } from './format.js';
import { machines, tokens } from './store.js';
import { ownerColour } from './theme.js';

/** Lines that are shown. */
const SHOWN = 40;

/** What happened last, in words, the newest first. */
export function JournalPanel() {
  const shown = machines.value.map((state, index) => ({
    state,
    lines: present(tokens[index]).lines.slice(-SHOWN).reverse(),
    // A line keeps its number, so that those which are there stay where they are in the document.
    last: present(tokens[index]).linesSoFar,
  }));
  return (
    <details class="journal" open>
      <summary>What happened last</summary>
      {shown.map(({ state, lines, last }, index) => (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls has to be reached by keyboard
        <ol key={index} tabIndex={0} aria-label={`Journal of machine ${index + 1}`}>
          {lines.map(({ kind, atNs, column, text }, at) => (
            <li key={last - at} class={kind} style={{ '--owner': ownerColour(column) }}>
              <time>{timeText(atNs)}</time>
              <b>{state.snapshot.domains[column]?.name ?? ''}</b>
              <span class="kind">{kind}</span>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      ))}
    </details>
  );
}

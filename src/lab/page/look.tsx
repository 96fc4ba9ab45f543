import type { Section } from '../inspect.js';
import { details, look, request, subject } from './store.js';

/** What is known of the thing that was clicked, with the datasheet's words. */
export function LookPanel() {
  const found = details.value;
  const seen = subject.value;
  return (
    <div class="look">
      <form
        class="look-page"
        onSubmit={(event) => {
          event.preventDefault();
          const page = Number(new FormData(event.currentTarget).get('page'));
          if (Number.isInteger(page) && page >= 0) look(seen?.machine ?? 0, { kind: 'page', id: page });
        }}
      >
        <label>
          page <input name="page" type="number" min="0" step="1" inputMode="numeric" required />
        </label>
        <button type="submit">look</button>
        {seen !== undefined && (
          <button
            type="button"
            class="quiet"
            onClick={() => {
              subject.value = undefined;
              details.value = undefined;
              request({ kind: 'inspect', machine: seen.machine });
            }}
          >
            close
          </button>
        )}
      </form>
      {seen === undefined || found === undefined ? (
        <p class="hint">
          Click on anything in the picture: a guest, a gate, a page, a context, the scheduler, the wire. Its
          registers, its ring and its tables stand here, and change as the machine runs.
        </p>
      ) : (
        <>
          <h3>{found.title}</h3>
          <p>{found.about}</p>
          {found.sections.map((section) => (
            <SectionTable key={section.title} section={section} />
          ))}
        </>
      )}
    </div>
  );
}

function SectionTable({ section: { title, about, head, rows } }: { section: Section }) {
  return (
    <section>
      <h4>{title}</h4>
      {about !== undefined && about !== '' && <p class="about">{about}</p>}
      {rows.length === 0 ? (
        <p class="about">none</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a table that scrolls has to be reached by keyboard
        <section class="scroll" tabIndex={0} aria-label={title}>
          <table>
            {head.some((cell) => cell !== '') && (
              <thead>
                <tr>
                  {head.map((cell, at) => (
                    <th key={`${at}-${cell}`} scope="col">
                      {cell}
                    </th>
                  ))}
                </tr>
              </thead>
            )}
            <tbody>
              {rows.map((row, at) => (
                <tr key={`${at}-${row[0]}`}>
                  {row.map((cell, column) => (
                    <td
                      key={`${column}-${head[column]}`}
                      class={/^-?[\d.,]+$|^0x/u.test(cell) ? 'number' : ''}
                    >
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}

import { TOURS } from '../tours/index.js';
import { FilmVerdict } from './attack-panel.js';
import { film } from './store.js';
import { enterTour, isQuestion, judgement, leaveTour, tour, tourAt } from './tour-store.js';

/** The list of tours, or the one that is under way. */
export function TourPanel() {
  const current = tour.value;
  const at = tourAt.value;
  if (current === undefined || at === undefined) return <TourList />;
  const entered = current.steps[at.step];
  const count = current.steps.length + 1;
  return (
    <article class="tour">
      <p class="kind">
        {current.title} · {at.step + 1} of {count}
      </p>
      {entered !== undefined && (
        <>
          <h3>{entered.title}</h3>
          {entered.text.map((paragraph) => (
            <p key={paragraph}>{paragraph}</p>
          ))}
          {film.value !== undefined && <FilmVerdict film={film.value} />}
        </>
      )}
      {isQuestion.value && <Question />}
      <nav aria-label="Steps of the tour">
        <button
          type="button"
          class="quiet"
          disabled={at.step === 0}
          onClick={() => enterTour(current.id, at.step - 1)}
        >
          back
        </button>
        <span class="dots" aria-hidden="true">
          {Array.from({ length: count }, (_, dot) => (
            <i key={dot} class={dot === at.step ? 'on' : ''} />
          ))}
        </span>
        {isQuestion.value ? (
          <button type="button" class="quiet" onClick={leaveTour}>
            all tours
          </button>
        ) : (
          <button
            type="button"
            class="primary"
            data-tour-next
            onClick={() => enterTour(current.id, at.step + 1)}
          >
            {at.step === count - 2 ? 'the question' : 'next'}
          </button>
        )}
      </nav>
    </article>
  );
}

function TourList() {
  return (
    <div class="tours">
      <p class="hint">
        Six tours, a few minutes each. Every one ends with a question that you answer by turning a knob.
      </p>
      <ol>
        {TOURS.map(({ id, title, about }) => (
          <li key={id}>
            <button type="button" data-tour={id} onClick={() => enterTour(id, 0)}>
              <strong>{title}</strong>
              <span>{about}</span>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Question() {
  const question = tour.value?.question;
  const judged = judgement.value;
  if (question === undefined) return null;
  return (
    <>
      <h3>Your turn</h3>
      <p class="question">{question.text}</p>
      <details>
        <summary>a hint</summary>
        <p>{question.hint}</p>
      </details>
      <p class={`judgement ${judged === undefined ? '' : judged.isRight ? 'right' : 'wrong'}`} role="status">
        {judged === undefined ? 'The knob stands as it was.' : judged.says}
      </p>
    </>
  );
}

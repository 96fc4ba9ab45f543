import { html } from '../report/html/markup.js';
import { type PageLink, pageHtml, type ReportPage } from '../report/html/page.js';
import type { FinishedExperiment } from './experiment.js';
import { storedSentence } from './stored-sentence.js';

/** How the experiments were called. */
export interface ReproduceCall {
  readonly seed: number;
  readonly repeat: string;
  /** The command line that gives one experiment again. */
  readonly repeatOf: (experiment: string) => string;
  /** The user's own measurements, if there were any: then there is no stored result to compare with. */
  readonly dataPath: string | undefined;
  /** Other pages of the folder. */
  readonly links?: readonly PageLink[];
}

/** The report of `reproduce` as one HTML file. */
export function reproducePage(finished: readonly FinishedExperiment[], call: ReproduceCall): string {
  return pageHtml({ ...describeReproduction(finished, call), links: call.links ?? [] });
}

/** What the report says and shows, before it is drawn. */
export function describeReproduction(
  finished: readonly FinishedExperiment[],
  { seed, repeat, dataPath, repeatOf }: ReproduceCall,
): ReportPage {
  const [only] = finished;
  const isOne = finished.length === 1 && only !== undefined;
  return {
    command: 'reproduce',
    title: isOne ? `Experiment ${only.experiment.name}` : 'Experiments of the field, repeated',
    question: isOne
      ? asQuestion(only.experiment.question)
      : 'What do the published experiments give on the emulated machine, and how far is that from what was published or measured?',
    setting: `${finished.map(({ experiment }) => experiment.name).join(', ')}; seed ${seed}${
      dataPath === undefined ? '' : `; measurements from ${dataPath}`
    }.`,
    answer: answerOf(finished, seed, dataPath),
    repeat,
    seed,
    sections: finished.map(({ experiment, outcome }) => ({
      id: `experiment-${experiment.name}`,
      title: isOne ? 'Figures' : experiment.name,
      text: isOne ? [] : [asQuestion(experiment.question)],
      figures: outcome.figures.map((figure) => ({ ...figure, id: ownId(experiment.name, figure.id) })),
      origin: { repeat: repeatOf(experiment.name), parameters: outcome.parameters },
      more: html`<details><summary>All that ${experiment.name} prints</summary><div class="scroll" tabindex="0" role="region" aria-label="Text of ${experiment.name}"><pre class="report">${outcome.text}</pre></div></details>
`,
    })),
  };
}

function answerOf(
  finished: readonly FinishedExperiment[],
  seed: number,
  dataPath: string | undefined,
): string[] {
  const answers = finished.map(({ experiment, outcome }) =>
    finished.length === 1 ? outcome.answer : `${experiment.name}: ${outcome.answer}`,
  );
  return dataPath === undefined ? [...answers, storedSentence(finished, seed)] : answers;
}

/** Figures of several experiments stand in one page. */
function ownId(experiment: string, id: string): string {
  return id.startsWith(experiment) ? id : `${experiment}-${id}`;
}

function asQuestion(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

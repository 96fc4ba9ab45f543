import { readFileSync } from 'node:fs';
import { InvariantViolation } from '../../scheduler/errors.js';
import type { Experiment } from '../experiments/experiment.js';
import type { ReproduceHead } from '../experiments/reproduce-document.js';
import { readStored, STORED_SEED } from '../experiments/stored-result.js';
import { withPart } from '../report/generated-part.js';
import type { ReportFigure } from '../report/html/figure.js';
import { markdownTable } from '../report/markdown-table.js';

/** What a README shows of a figure: its sentence, its table, or both. The rest is on the page of `reproduce`. */
type Shown = 'sentence' | 'table' | 'both';

/** Figures that READMEs show, by experiment and id. The others are too long for a README. */
const SHOWN: Readonly<Record<string, Readonly<Record<string, Shown>>>> = {
  'iommu-hardware': {},
  'walk-cost': { 'walk-cost-restored': 'both', 'walk-cost-line': 'table', 'walk-cost-published': 'table' },
  'cdna-2007': { 'cdna-2007-profiles': 'table' },
  'price-of-safety': {
    'price-full': 'both',
    'price-balloon': 'both',
    'price-published': 'table',
    'price-statements': 'table',
    'price-loads': 'both',
    'price-beside': 'both',
  },
  'nested-strict': { 'nested-strict-throughput': 'both', 'nested-strict-published': 'table' },
  strategies: {
    'strategies-cpu': 'both',
    'strategies-reuse': 'both',
    'strategies-hypercalls': 'both',
    'strategies-iotlb': 'both',
    'strategies-published': 'table',
    'strategies-statements': 'table',
  },
  scaling: {
    'scaling-goodput': 'sentence',
    'scaling-wait': 'sentence',
    'scaling-latency': 'sentence',
    'scaling-cpu': 'sentence',
    'scaling-interrupts': 'sentence',
    'scaling-iotlb': 'sentence',
    'scaling-walks': 'both',
    'scaling-published': 'table',
    'scaling-statements': 'table',
  },
  isolation: {
    'isolation-disciplines': 'sentence',
    'isolation-approaches': 'sentence',
    'isolation-hostilities': 'sentence',
    'isolation-shares': 'sentence',
    'isolation-by-discipline': 'both',
    'isolation-by-hostility': 'table',
  },
};

const BEGIN = '<!-- result: npm run docs:experiments -->';
const END = '<!-- /result -->';

/** A README of an experiment with what its stored result says. */
export function withResult(readme: string, experiment: Experiment): string {
  return withPart(readme, BEGIN, END, resultPart(experiment));
}

/** docs/experiments.md with the answers of all stored results. */
export function withAnswers(document: string, experiments: readonly Experiment[]): string {
  const answers = experiments.map((experiment) => {
    const { answer } = experiment.present(readStored(experiment.storedUrl));
    return `- [${experiment.name}](../src/experiments/${experiment.name}/README.md): ${answer}`;
  });
  const models = [...new Set(experiments.map(modelOf))].sort();
  const stored = `Stored with seed ${STORED_SEED}, model version ${models.join(' and ')}:`;
  return withPart(document, BEGIN, END, `${stored}\n\n${answers.join('\n')}`);
}

function resultPart(experiment: Experiment): string {
  const { name, storedUrl } = experiment;
  const { answer, notes, figures } = experiment.present(readStored(storedUrl));
  const shown = Object.entries(SHOWN[name] ?? {}).map(([id, what]) => {
    const figure = figures.find((one) => one.id === id);
    if (figure === undefined) throw new InvariantViolation(`${name} has no figure ${id}`);
    return figureText(figure, what);
  });
  const list = notes.length === 0 ? [] : [notes.map((note) => `- ${note}`).join('\n')];
  return [
    `From \`result.json\`: seed ${STORED_SEED}, model version ${modelOf(experiment)}.`,
    answer,
    ...shown,
    ...list,
  ].join('\n\n');
}

function figureText({ title, sentence, table }: ReportFigure, what: Shown): string {
  const head = what === 'table' ? `**${title}.**` : `**${title}.** ${sentence}`;
  return what === 'sentence' ? head : `${head}\n\n${markdownTable(table.heads, table.rows)}`;
}

function modelOf({ storedUrl }: Experiment): number {
  return (JSON.parse(readFileSync(storedUrl, 'utf8')) as ReproduceHead).model;
}

import { DEFAULT_HOST } from '../../../host/host.js';
import { type Approach, NAMED_APPROACHES } from '../../../host/protection/approaches.js';
import { counted } from '../../../scheduler/counted.js';
import { present } from '../../../scheduler/present.js';
import { gatesAnswer } from '../../attack/gates-answer.js';
import type { LetThrough } from '../../attack/let-through.js';
import { expandGuests } from '../../machine/expand-guests.js';
import type { RunResult } from '../../machine/run-result.js';
import { captureText, replayedCaptures } from '../capture-text.js';
import type { FigureParameter, ReportFigure } from '../html/figure.js';
import { html, idOf, type Markup } from '../html/markup.js';
import { type PageLink, pageHtml, type ReportPage } from '../html/page.js';
import { pinnedLinesFigure } from '../html/pinned.js';
import { cpuFraction } from '../metrics/run-metrics.js';
import { megabits, microseconds, percent } from '../number-text.js';
import { APPROACHES_PAGE } from '../page-names.js';
import { portText } from '../port-text.js';
import { headingLine, type RunHeading } from '../run-heading.js';
import { choiceAnswers, choiceFigure } from './choice.js';
import { type Compared, compareRuns, mostSlowed, PRICE_METRICS, ranked, shownGuests } from './compared.js';
import {
  balloonFigure,
  cpuFigure,
  flowControlFigure,
  goodputFigure,
  iotlbFigure,
  latencyFigure,
} from './figures.js';
import { limitsAnswers } from './limits.js';
import { priceFigure, priceTable } from './price-figure.js';
import { seedSamples, seedsFigure } from './seeds.js';
import { sharesFigure } from './shares-figure.js';

const MOST_GUESTS_NAMED = 12;
/** Goodputs within this fraction of the largest are alike. */
const ALIKE = 0.02;

/** The report of `compare` or of `run` as one HTML file. */
export function comparePage(
  heading: RunHeading,
  runs: readonly RunResult[],
  repeat: string,
  through: readonly LetThrough[] = [],
  links: readonly PageLink[] = [],
): string {
  return pageHtml(describeComparison(heading, runs, repeat, through, links));
}

/** What the report says and shows, before it is drawn. */
export function describeComparison(
  heading: RunHeading,
  everyRun: readonly RunResult[],
  repeat: string,
  through: readonly LetThrough[] = [],
  links: readonly PageLink[] = [],
): ReportPage {
  // Of several seeds the figures show the first, and one figure how far the others are from it.
  const seeds = new Set(everyRun.map(({ seed }) => seed)).size;
  const runs = everyRun.filter(({ seed }) => seed === heading.seed);
  const compared = compareRuns(runs, through, heading.loaded.scenario);
  const origin = { repeat, parameters: parametersOf(heading, runs) };
  const isOne = runs.length === 1;
  const opening = priceFigure(compared);
  return {
    command: heading.isSession === true ? 'replay' : isOne ? 'run' : 'compare',
    title: titleOf(heading, runs),
    question: isOne
      ? 'What did each guest get, and what did it cost?'
      : 'What does it cost to keep a guest’s network card out of memory that is not the guest’s, and what still gets through?',
    setting: `Scenario: ${headingLine(heading)}.`,
    answer: answerOf(compared),
    repeat,
    seed: heading.seed,
    links,
    broad: true,
    ...(opening === undefined ? {} : { opening: { figure: opening, origin } }),
    sections: [
      {
        id: 'price',
        title: isOne ? 'In short' : 'What to choose',
        text: [],
        figures: existing(
          choiceFigure(compared),
          opening === undefined ? inShort(compared) : undefined,
          seeds === 1
            ? undefined
            : seedsFigure(seedSamples(everyRun, through, heading.loaded.scenario), seeds),
        ),
        origin,
      },
      {
        id: 'service',
        title: 'What each guest gets',
        text: [],
        figures: existing(
          latencyFigure(runs),
          goodputFigure(runs),
          sharesFigure(runs, heading.durationNs),
          flowControlFigure(runs),
        ),
        origin,
      },
      { id: 'cost', title: 'What it costs', text: [], figures: [cpuFigure(runs)], origin },
      {
        id: 'memory-and-iommu',
        title: 'What is pinned, and what the IOMMU does',
        text: [],
        figures: memoryFigures(heading, runs),
        origin,
      },
      {
        id: 'approaches',
        title: 'What each approach is',
        text: [],
        figures: [],
        origin,
        more: approachesHtml(
          runs.map(({ protection }) => protection),
          links,
        ),
      },
    ],
  };
}

/** Those that there are. */
function existing<T>(...figures: readonly (T | undefined)[]): T[] {
  return figures.filter((figure) => figure !== undefined);
}

function memoryFigures({ loaded }: RunHeading, runs: readonly RunResult[]): ReportFigure[] {
  const samples = runs.map(({ protection, memory }) => ({
    approach: protection,
    samples: memory.pinnedPages,
    mostPages: memory.mostPinnedPages,
  }));
  const when = loaded.scenario.balloon === undefined ? 'over the run' : 'while the balloon asks for pages';
  return existing(pinnedLinesFigure('memory', samples, when), balloonFigure(runs), iotlbFigure(runs));
}

function titleOf({ isSession }: RunHeading, runs: readonly RunResult[]): string {
  if (isSession === true) return `A session of real guests under ${runs[0]?.protection}`;
  return runs.length === 1
    ? `One run under ${runs[0]?.protection}`
    : `${runs.length} approaches side by side`;
}

/** The table alone, where there is no plot to open the page with. */
function inShort(compared: readonly Compared[]): ReportFigure {
  const played = compared.some(({ through }) => through !== undefined);
  return {
    id: 'price-and-protection',
    title: played ? 'What it costs and what gets through' : 'What it costs',
    sentence:
      'CPU of all domains, goodput, the 99th percentile of the guest that waits longest, and memory that is pinned at most.',
    table: priceTable(compared),
  };
}

/** One sentence per approach, what it claims, and where docs say more. */
function approachesHtml(names: readonly string[], links: readonly PageLink[]): Markup {
  const known = NAMED_APPROACHES.filter(({ name }) => names.includes(name));
  const isBeside = links.some(({ file }) => file === APPROACHES_PAGE);
  const more = (name: string) => {
    const anchor = name.startsWith('iommu:') ? 'iommu' : idOf(name);
    return isBeside
      ? html`<a href="${APPROACHES_PAGE}#${anchor}">More on ${name}</a>`
      : html`<code>docs/protection.md</code>`;
  };
  return html`<dl>${known.map(
    ({ name, title, meaning, claims }) =>
      html`<dt id="approach-${idOf(name)}">${name}</dt><dd>${titledText(title, meaning)}. ${claimsText(claims)} ${more(name)}</dd>`,
  )}</dl>`;
}

/** Title and meaning as one; a word that both begin with stands once. */
function titledText(title: string, meaning: string): string {
  const [, first, rest] = /^([^:;]+)[:;] (.*)$/u.exec(meaning) ?? [];
  return first !== undefined && title.startsWith(first) ? `${title}: ${rest}` : `${title}: ${meaning}`;
}

function claimsText(claims: Approach['claims']): string {
  const protects = [
    ...(claims.hypervisor ? ['the hypervisor'] : []),
    ...(claims.interGuest
      ? [claims.separates === undefined ? 'other guests' : `other guests, up to ${claims.separates}`]
      : []),
    ...(claims.ownMistakes ? ['a guest from its own mistakes'] : []),
  ];
  if (protects.length === 0) return 'It claims to protect nothing.';
  return `It claims to protect ${protects.join(', ')}${claims.device ? ', from the card itself too' : ', but not from the card itself'}.`;
}

function answerOf(compared: readonly Compared[]): string[] {
  const [first] = compared;
  if (first === undefined) return ['Nothing was run.'];
  const through = compared.flatMap((one) => one.through ?? []);
  const violated = compared.filter(({ run }) => run.laws.some(({ held }) => !held)).map(({ name }) => name);
  return [
    ...(compared.length === 1
      ? [oneAnswer(first), ...throughAnswer(first)]
      : [
          ...choiceAnswers(compared),
          ...gatesAnswer(through),
          costAnswer(compared),
          ...latencyAnswers(compared),
          ...unplayed(first),
        ]),
    ...limitsAnswers(compared),
    violated.length === 0
      ? `All ${first.run.laws.length} invariants, from conservation of frames to the bounds of fairness, held in every run.`
      : `Invariants were violated under ${violated.join(', ')}: the figures of those runs are not to be trusted.`,
  ];
}

function oneAnswer({ run }: Compared): string {
  const cores = counted(run.cpu.cores, 'core');
  return `${run.protection} carries ${megabits(run.goodputBps)} Mb/s out with ${percent(1 - run.cpu.idleFraction)} % of ${cores} busy, ${percent(cpuFraction(run, 'hypervisor'))} % in the hypervisor.`;
}

function costAnswer(compared: readonly Compared[]): string {
  // Beside the others, goodput of a run whose frames stay inside is no measure of what it carries.
  const rates = ranked(
    compared.filter(({ keepsInside }) => !keepsInside),
    ({ run }) => run.goodputBps,
  );
  const work = ranked(compared, ({ run }) => 1 - run.cpu.idleFraction);
  const perBit = ranked(compared, (one) => PRICE_METRICS.cpuPerBit.of(one) as number | undefined);
  if (compared.length === 0) return '';
  const goodput = goodputText(rates, rates.length === compared.length ? 'all' : 'the others');
  const cores = counted(present(compared[0]).run.cpu.cores, 'core');
  const ends = (list: typeof work, text: (value: number) => string) =>
    `${text(present(list[0]).value)} (${present(list[0]).name}) to ${text(present(list.at(-1)).value)} (${present(list.at(-1)).name})`;
  const busy = `${cores} are busy from ${ends(work, (value) => `${percent(value)} %`)}`;
  return perBit.length < 2
    ? `${goodput}${busy}.`
    : `${goodput}${busy}; per bit that is carried, CPU time is ${ends(perBit, (value) => value.toFixed(2))} times that without protection.`;
}

/** How far goodputs are apart, the least first: a sentence with a space behind it; empty where there are no two. */
function goodputText(rates: ReturnType<typeof ranked>, which: string): string {
  const [slow, fast] = [rates[0], rates.at(-1)];
  if (slow === undefined || fast === undefined || rates.length < 2) return '';
  const isAlike = (fast.value - slow.value) / Math.max(1, fast.value) < ALIKE;
  return isAlike
    ? `Goodput is alike under ${which}, ${megabits(slow.value)} to ${megabits(fast.value)} Mb/s out: what differs is the price. `
    : `Goodput goes from ${megabits(slow.value)} Mb/s out (${slow.name}) to ${megabits(fast.value)} Mb/s (${fast.name}). `;
}

/** Guest by guest: percentiles of guests with different loads are never pooled. */
function latencyAnswers(compared: readonly Compared[]): string[] {
  const slowed = compared.flatMap((one) => {
    const most = mostSlowed(one);
    return most === undefined ? [] : [{ name: one.name, ...most }];
  });
  const worst = slowed.reduce<(typeof slowed)[number] | undefined>(
    (most, one) => (one.times > (most?.times ?? 0) ? one : most),
    undefined,
  );
  const guests = shownGuests(compared.map(({ run }) => run)).flatMap((name) => {
    const waits = ranked(
      compared,
      ({ run }) => run.guests.find((guest) => guest.name === name)?.latencyNs?.p99Ns,
    );
    const [least, most] = [waits[0], waits.at(-1)];
    return least === undefined || most === undefined
      ? []
      : [
          `${name} ${microseconds(least.value)} us (${least.name}) to ${microseconds(most.value)} us (${most.name})`,
        ];
  });
  return [
    `99th percentile of latency out, per guest, from the shortest to the longest: ${guests.join('; ')}.` +
      (worst === undefined || worst.times < 1.05
        ? ''
        : ` Suffering most is ${worst.guest} under ${worst.name}: ${worst.times.toFixed(1)} times as long as without protection.`),
  ];
}

/** What gets through one approach. */
function throughAnswer(one: Compared): string[] {
  if (one.through === undefined) return unplayed(one);
  const { byGuests, ofGuests, byCards, ofCards } = one.through;
  return [
    `${byGuests} of ${ofGuests} attacks by guests get through, and ${byCards} of ${ofCards} by the card.`,
  ];
}

function unplayed({ through }: Compared): string[] {
  return through === undefined
    ? ['What gets through was not played here; the command attack answers that.']
    : [];
}

/** What became of the captures that guests replay: the same in every run but for what was played of them. */
function replayParameters([first]: readonly RunResult[]): FigureParameter[] {
  if (first === undefined) return [];
  return replayedCaptures(first)
    .slice(0, MOST_GUESTS_NAMED)
    .map(({ guest, capture }) => ({ name: `replay of ${guest}`, value: captureText(capture) }));
}

function parametersOf(
  { loaded, discipline, warmUpNs, durationNs, seed }: RunHeading,
  runs: readonly RunResult[],
) {
  const { scenario, source } = loaded;
  const guests = expandGuests(scenario.guests);
  const named = guests
    .slice(0, MOST_GUESTS_NAMED)
    .map(
      ({ name, spec }) =>
        `${name} (weight ${spec.weight}, ${spec.attached === true ? 'a real machine' : spec.traffic.kind})`,
    );
  const more = guests.length > named.length ? [`and ${guests.length - named.length} more`] : [];
  const hertz = scenario.host?.hertz ?? DEFAULT_HOST.hertz;
  const parameters: FigureParameter[] = [
    { name: 'scenario', value: source },
    { name: 'guests', value: [...named, ...more].join(', ') },
    { name: 'approaches', value: runs.map(({ protection }) => protection).join(', ') },
    { name: 'DMA scheduler', value: discipline },
    {
      name: 'virtual time',
      value: `${durationNs / 1e6} ms${warmUpNs === 0 ? ', from the first nanosecond: no warm-up is cut' : ` after ${warmUpNs / 1e6} ms of warm-up, which are not measured`}`,
    },
    { name: 'seed', value: `${seed}` },
    { name: 'port', value: portText(scenario) },
    {
      name: 'CPU',
      value: `${counted(runs[0]?.cpu.cores ?? DEFAULT_HOST.cores, 'core')} of ${hertz / 1e9} GHz`,
    },
    ...replayParameters(runs),
    { name: 'runs', value: 'one per approach; the same seed gives each the same traffic' },
  ];
  if (scenario.balloon === undefined) return parameters;
  const { pages, everyNs } = scenario.balloon;
  return [
    ...parameters,
    { name: 'balloon', value: `${pages} pages asked back, one every ${everyNs / 1000} us` },
  ];
}

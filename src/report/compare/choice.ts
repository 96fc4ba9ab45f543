import { counted } from '../../../scheduler/counted.js';
import type { LetThrough } from '../../attack/let-through.js';
import type { ReportFigure } from '../html/figure.js';
import { GUEST_METRIC } from '../metrics/guest-metrics.js';
import { type Metric, metricText } from '../metrics/metric.js';
import { microseconds } from '../number-text.js';
import {
  type Compared,
  carriesAsMuch,
  guestOf,
  lesserGoodputPercent,
  PRICE_METRICS,
  shownGuests,
} from './compared.js';

/** Who is not trusted, and which attacks count then. */
interface Doubt {
  readonly id: 'guests' | 'all';
  readonly text: string;
  readonly through: (one: LetThrough) => number;
  readonly of: (one: LetThrough) => number;
  readonly attacks: string;
}

export const DOUBTS: readonly Doubt[] = [
  {
    id: 'guests',
    text: 'guests are not trusted, and the card is',
    through: ({ byGuests }) => byGuests,
    of: ({ ofGuests }) => ofGuests,
    attacks: 'attacks by guests',
  },
  {
    id: 'all',
    text: 'the card is not trusted either',
    through: ({ through }) => through,
    of: ({ of }) => of,
    attacks: 'attacks of all',
  },
];

/** An approach is cheaper only if it saves so much of what is paid. */
const CHEAPER = 0.01;

/**
 * Approaches that no other beats, the tightest first: each lets more attacks through than the one before it, and costs less
 * than every one before it. Empty where attacks were not played, or there is no run without protection.
 */
export function unbeaten(
  compared: readonly Compared[],
  { through }: Doubt,
  price: Metric<Compared> = PRICE_METRICS.cpuPerBit,
): Compared[] {
  const known = compared.flatMap((one) => {
    const cost = price.of(one);
    return one.through === undefined || typeof cost !== 'number'
      ? []
      : [{ one, cost, attacks: through(one.through) }];
  });
  known.sort((one, other) => one.attacks - other.attacks || one.cost - other.cost);
  let least = Number.POSITIVE_INFINITY;
  return known.flatMap(({ one, cost }) => {
    if (cost >= least * (1 - CHEAPER)) return [];
    least = cost;
    return [one];
  });
}

/** The guest that sends least: a call beside a bulk transfer. Undefined where there are no two that can be compared. */
function lightestGuest(compared: readonly Compared[]): string | undefined {
  const { run } = compared.find(({ none, run }) => none === run) ?? {};
  const sending = (run?.guests ?? []).filter(({ latencyNs }) => latencyNs !== undefined);
  if (sending.length < 2) return undefined;
  return sending.reduce((least, one) => (one.bytesTransmitted < least.bytesTransmitted ? one : least)).name;
}

/** A guest waits about as long as without protection up to this multiple. */
const LITTLE_LONGER = 1.1;

/** What to choose: for a guest that sends little, and by whom one does not trust. */
export function choiceAnswers(compared: readonly Compared[]): string[] {
  const sentences = DOUBTS.flatMap((doubt) => {
    const steps = unbeaten(compared, doubt);
    if (steps.length === 0) return [];
    const parts = steps.map((one, index) => {
      const { through } = one;
      if (through === undefined) return '';
      const got = `${doubt.through(through)} of ${doubt.of(through)}`;
      return index === 0
        ? `${one.name} lets the fewest ${doubt.attacks} through${scopeText(compared)}, ${got}${tiedText(compared, doubt, one)}, at ${timesText(one)} the CPU time per bit${fillsText(one)}`
        : `${one.name} lets ${got} through, at ${timesText(one)}${fillsText(one)}`;
    });
    return [`If ${doubt.text}: ${parts.join('; ')}.`];
  });
  const light = lightGuestAnswer(compared);
  return [...(light === undefined ? [] : [light]), ...sentences];
}

/** Of whom it is said, where the price of some is not known. */
function scopeText(compared: readonly Compared[]): string {
  return compared.some(({ keepsInside }) => keepsInside) ? ' of those with a price per bit' : '';
}

/** Others that let as few through: they take as much CPU time, or more. */
function tiedText(compared: readonly Compared[], { through }: Doubt, best: Compared): string {
  const fewest = best.through === undefined ? undefined : through(best.through);
  const tied = compared.filter(
    (one) =>
      one !== best &&
      one.through !== undefined &&
      through(one.through) === fewest &&
      PRICE_METRICS.cpuPerBit.of(one) !== undefined,
  );
  if (tied.length === 0) return '';
  return ` (as many as ${tied.map(({ name }) => name).join(', ')}, which ${tied.length === 1 ? 'takes' : 'take'} no less CPU time)`;
}

const timesText = (one: Compared) => `${metricText(PRICE_METRICS.cpuPerBit, one)} times`;

/** What is said of an approach that does not carry what no protection does. */
function fillsText(one: Compared): string {
  const percent = lesserGoodputPercent(one);
  return percent === undefined ? '' : ` (and it carries only ${percent} % of what no protection does)`;
}

/**
 * The approach that lets the fewest attacks through, of those under which the lightest guest waits little longer than without
 * protection, and that carry as much.
 */
function lightGuestAnswer(compared: readonly Compared[]): string | undefined {
  const name = lightestGuest(compared);
  if (name === undefined) return undefined;
  const known = compared.flatMap((one) => {
    const guest = guestOf(one.run, name);
    const without = one.none === undefined ? undefined : guestOf(one.none, name);
    const { through } = one;
    if (guest?.latencyNs === undefined || without?.latencyNs === undefined || through === undefined)
      return [];
    const times = guest.latencyNs.p99Ns / Math.max(1, without.latencyNs.p99Ns);
    return [{ one, through, times, text: `${metricText(GUEST_METRIC.latencyP99Ns, guest)} us` }];
  });
  const fit = known.filter(
    ({ one, times }) => times <= LITTLE_LONGER && !one.keepsInside && carriesAsMuch(one),
  );
  const costs = ({ one }: (typeof known)[number]) => PRICE_METRICS.cpuPerBit.of(one) as number;
  const [best] = fit.sort(
    (a, b) => a.through.through - b.through.through || costs(a) - costs(b) || a.times - b.times,
  );
  const longest = known.reduce<(typeof known)[number] | undefined>(
    (most, each) => (each.times > (most?.times ?? LITTLE_LONGER) ? each : most),
    undefined,
  );
  const plain = known.find(({ one }) => one.run === one.none);
  if (best === undefined || plain === undefined || best === plain) return undefined;
  const quicker = fit
    .filter((one) => one !== plain && one.times < best.times)
    .reduce<(typeof known)[number] | undefined>(
      (least, one) => (one.times < (least?.times ?? Number.POSITIVE_INFINITY) ? one : least),
      undefined,
    );
  const { through } = best;
  const without = plain.through;
  const gets = ({ through: count }: (typeof known)[number]) => `${count.through} of ${count.of}`;
  return (
    `For ${name}, the guest that sends least: ${best.one.name}. Of the approaches under which its frames wait at most a tenth longer ` +
    `than without protection, and that carry as much, it lets the fewest attacks through, ${gets(best)} ` +
    `(${through.byGuests} of ${through.ofGuests} by guests, ${through.byCards} of ${through.ofCards} by the card; without protection ${without.through} of ${without.of}), at ${timesText(best.one)} the CPU time per bit. ` +
    `The 99th percentile of its latency is then ${best.text}; ${plain.text} without protection${
      longest === undefined ? '' : `, and ${longest.text} under ${longest.one.name}, where it is longest`
    }.${
      quicker === undefined
        ? ''
        : ` Waiting and protection have to be weighed: under ${quicker.one.name} it waits least of these, ${quicker.text}, but ${gets(quicker)} attacks get through.`
    }`
  );
}

/** The same as a table: what each of them lets through, what it costs, and what each guest waits. */
export function choiceFigure(compared: readonly Compared[]): ReportFigure | undefined {
  const lists = DOUBTS.map((doubt) => ({ doubt, steps: unbeaten(compared, doubt) }));
  const chosen = compared.filter((one) => lists.some(({ steps }) => steps.includes(one)));
  if (chosen.length === 0) return undefined;
  const guests = shownGuests(compared.map(({ run }) => run));
  const { cpuPerBit, goodputOfNone } = PRICE_METRICS;
  chosen.sort((one, other) => (one.through?.through ?? 0) - (other.through?.through ?? 0));
  return {
    id: 'choice',
    title: 'Approaches that no other beats in attacks and CPU time',
    sentence: `Whichever lets fewer attacks through than one of these takes more CPU time per bit${scopeText(compared)}. Of ${counted(compared.length, 'approach', 'approaches')} ${counted(chosen.length, 'is', 'are')} left.${waitingText(compared)} Latency is the 99th percentile in us, with the multiple of that without protection in brackets.`,
    table: {
      heads: [
        'approach',
        'why',
        'through, by guests',
        'through, by the card',
        'CPU/bit, x none',
        'goodput, % of none',
        ...guests.map((name) => `${name}, p99`),
      ],
      rows: chosen.map((one) => [
        one.name,
        whyText(one, lists),
        one.through === undefined ? '-' : `${one.through.byGuests} of ${one.through.ofGuests}`,
        one.through === undefined ? '-' : `${one.through.byCards} of ${one.through.ofCards}`,
        metricText(cpuPerBit, one),
        metricText(goodputOfNone, one),
        ...guests.map((name) => waitText(one, name)),
      ]),
    },
  };
}

/** The same front by waiting, the other price of the first figure. */
function waitingText(compared: readonly Compared[]): string {
  const [, all] = DOUBTS;
  const steps = all === undefined ? [] : unbeaten(compared, all, PRICE_METRICS.slowdown);
  if (steps.length === 0) return '';
  const parts = steps.map(
    (one) =>
      `${one.name} (${one.through?.through} of ${one.through?.of} through, ${metricText(PRICE_METRICS.slowdown, one)} times)`,
  );
  return ` In attacks and in how much longer the guest that suffers most waits, no other beats ${parts.join(', ')}.`;
}

/** What an approach is the first in. */
function whyText(
  one: Compared,
  lists: readonly { readonly doubt: Doubt; readonly steps: readonly Compared[] }[],
) {
  const first = lists.filter(({ steps }) => steps[0] === one);
  if (first.length === 0) return 'takes less CPU time than what lets less through';
  return `lets the fewest ${first.map(({ doubt }) => doubt.attacks).join(', and ')} through`;
}

function waitText({ run, none }: Compared, name: string): string {
  const [own, without] = [guestOf(run, name), none === undefined ? undefined : guestOf(none, name)];
  if (own?.latencyNs === undefined) return '-';
  if (without?.latencyNs === undefined) return microseconds(own.latencyNs.p99Ns);
  const times = own.latencyNs.p99Ns / Math.max(1, without.latencyNs.p99Ns);
  return `${metricText(GUEST_METRIC.latencyP99Ns, own)} (${times.toFixed(2)}x)`;
}

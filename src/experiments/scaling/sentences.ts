import { plainText, spanText } from '../../report/metrics/spread.js';
import { CROWD, EXPECTED, FULL } from './expected.js';
import { FRAME_BYTES } from './machine.js';
import type { GreedyPoint, QuietPoint, ScalingPoint, ScalingResult, UnitChangePoint } from './measure.js';

/** A point at which every guest sent what it could. */
export type GreedyAt = ScalingPoint & { readonly greedy: GreedyPoint };

const CROWD_TEXT = CROWD.toLocaleString('en');
/** An approach that fills the wire with few guests and does not map: what more guests cost shows best there. */
const PLAIN = 'none';
/** Hit rate from which an IOTLB is said to hold what is needed. */
const HOLDS_ALL = 0.99;
const FEW = 4;
const SOME = 64;
const MANY = 256;

/** The answer for the head of a report. */
export function scalingAnswer({ points }: ScalingResult): string {
  const crowd = greedyAt(points, CROWD);
  const none = points.filter(({ guests, impossible }) => guests === CROWD && impossible !== undefined);
  return (
    `${CROWD_TEXT} guests get ${gbpsOf(crowd)} Gb/s of 10 in all, with a Jain's index of ${least(crowd)} or more; ${fullOf(crowd)} approaches fill the wire` +
    `${none.length === 0 ? '' : `, and ${none.map(({ approach }) => approach).join(', ')} cannot be set up`}.`
  );
}

export function goodputSentence(points: readonly ScalingPoint[]): string {
  const crowd = greedyAt(points, CROWD);
  const short = crowd.filter((point) => !isFull(point)).map(({ approach }) => approach);
  return (
    `One guest gets ${gbpsOf(greedyAt(points, 1))} Gb/s. With ${CROWD_TEXT} guests ${fullOf(crowd)} approaches fill the wire` +
    `${short.length === 0 ? '.' : `; short of it are ${short.join(', ')}.`}`
  );
}

export function waitSentence(points: readonly ScalingPoint[]): string {
  const medians = (guests: number) =>
    spanText(
      greedyAt(points, guests).map(({ greedy }) => greedy.wait_p50_us.mean / 1000),
      1,
    );
  return (
    `When all send what they can a frame waits for what is before it in all rings: a median of ${medians(SOME)} ms with ${SOME} guests, ` +
    `${medians(CROWD)} ms with ${CROWD_TEXT}. Full rings of so many are ${plainText(EXPECTED.wait.value, 1)} ms of the wire.`
  );
}

export function latencySentence(points: readonly ScalingPoint[]): string {
  const p99 = (guests: number, pick: (quiet: QuietPoint) => number) =>
    spanText(
      points.flatMap((point) =>
        point.guests === guests && point.approach !== BRIDGED && point.quiet !== undefined
          ? [pick(point.quiet)]
          : [],
      ),
    );
  const bridged = points.flatMap(({ approach, quiet }) =>
    approach === BRIDGED && quiet !== undefined ? [quiet.send_p99_us.mean] : [],
  );
  const send = (quiet: QuietPoint) => quiet.send_p99_us.mean;
  const receive = (quiet: QuietPoint) => quiet.receive_p99_us.mean;
  return (
    `With little traffic the 99th percentile to the wire is ${p99(1, send)} us with one guest and ${p99(CROWD, send)} with ${CROWD_TEXT}, by approach; ` +
    `from the wire ${p99(1, receive)} and ${p99(CROWD, receive)} us.` +
    `${bridged.length === 0 ? '' : ` Behind the driver domain, which has one ring for all, it is ${spanText(bridged)} us to the wire.`}`
  );
}

const BRIDGED = 'driver-domain';

export function cpuSentence(points: readonly ScalingPoint[]): string {
  const of = (guests: number) => greedyAt(points, guests).find(({ approach }) => approach === PLAIN);
  const text = (guests: number) => {
    const point = of(guests);
    if (point === undefined) return `nothing with ${guests}`;
    return `${plainText(coresOf(point), 1)} cores and ${plainText(wakesPerFrame(point), 2)} virtual interrupts per frame with ${guests.toLocaleString('en')} guests`;
  };
  const wakes = greedyAt(points, CROWD).map(wakesPerFrame);
  return (
    `The same frames cost more with more guests, because each guest is woken for fewer: under ${PLAIN} ${text(FEW)}, ${text(CROWD)}. ` +
    `By approach it is ${spanText(wakes, 2)} virtual interrupts per frame with ${CROWD_TEXT}.`
  );
}

export function interruptsSentence(points: readonly ScalingPoint[]): string {
  const all = points.flatMap(({ greedy }) => greedy ?? []);
  const physical = Math.max(...all.map(({ physical_interrupts_per_s }) => physical_interrupts_per_s.most));
  const virtual = Math.max(...all.map(({ virtual_interrupts_per_s }) => virtual_interrupts_per_s.most));
  return (
    `Physical interrupts reach ${thousands(physical)} per second; the least gap of the card allows ${thousands(EXPECTED.interrupts.value * 1000)}. ` +
    `Virtual ones, one per guest that has something, reach ${thousands(virtual)}.`
  );
}

export function iotlbSentence(points: readonly ScalingPoint[]): string {
  const hits = (guests: number) =>
    greedyAt(points, guests).flatMap(({ approach, greedy }) =>
      greedy.iotlb_hit_rate === undefined ? [] : [{ approach, rate: greedy.iotlb_hit_rate.mean }],
    );
  const all = hits(FEW).filter(({ rate }) => rate >= HOLDS_ALL);
  const rest = hits(FEW).filter(({ rate }) => rate < HOLDS_ALL);
  const percent = (rates: readonly { readonly rate: number }[]) =>
    `${spanText(rates.map(({ rate }) => rate * 100))} %`;
  return (
    `With ${FEW} guests the IOTLB has all translations under ${all.map(({ approach }) => approach).join(', ') || 'no approach'}` +
    `${rest.length === 0 ? '' : `, and ${percent(rest)} of them under the others`}; with ${MANY} guests it has ${percent(hits(MANY))}.`
  );
}

export function walksSentence({ unit_changes }: ScalingResult): string {
  const isShort = ({ goodput_gbps }: UnitChangePoint) => goodput_gbps.mean < FULL * EXPECTED.goodput.value;
  const text = (changes: readonly UnitChangePoint[]) => {
    const strategies = [...new Set(changes.map(({ approach }) => approach))];
    return strategies
      .map((name) => {
        const own = changes.filter(({ approach }) => approach === name).map(({ change }) => change);
        return `${name} (${own.join('; ')})`;
      })
      .join(' and ');
  };
  return (
    `${MANY} guests send what they can, and the IOMMU is changed. The wire is not full under ${text(unit_changes.filter(isShort))}; ` +
    `it is under ${text(unit_changes.filter((point) => !isShort(point)))}.`
  );
}

/** Points at which every guest sent what it could, of one number of guests or of all. */
export function greedyAt(points: readonly ScalingPoint[], count?: number): GreedyAt[] {
  return points.flatMap(({ greedy, ...point }) =>
    greedy === undefined || (count !== undefined && point.guests !== count) ? [] : [{ ...point, greedy }],
  );
}

function isFull({ greedy }: GreedyAt): boolean {
  return greedy.goodput_gbps.mean >= FULL * EXPECTED.goodput.value;
}

function fullOf(points: readonly GreedyAt[]): string {
  return `${points.filter(isFull).length} of ${points.length}`;
}

function gbpsOf(points: readonly GreedyAt[]): string {
  return spanText(
    points.map(({ greedy }) => greedy.goodput_gbps.mean),
    1,
  );
}

function least(points: readonly GreedyAt[]): string {
  return plainText(
    Math.floor(Math.min(...points.map(({ greedy }) => greedy.jain_index.least)) * 100) / 100,
    2,
  );
}

function coresOf({ greedy }: GreedyAt): number {
  const { hypervisor, driver_domain, guests } = greedy.cpu_cores;
  return hypervisor.mean + driver_domain.mean + guests.mean;
}

/** Virtual interrupts per frame that left; frames from their goodput. */
function wakesPerFrame({ greedy }: GreedyAt): number {
  const framesPerS = (greedy.goodput_gbps.mean * 1e9) / (FRAME_BYTES * 8);
  return greedy.virtual_interrupts_per_s.mean / framesPerS;
}

function thousands(perSecond: number): string {
  return `${plainText(perSecond / 1000, 0)},000`;
}

import { DEFAULT_HOST } from '../../../host/host.js';
import { DEFAULT_NIC } from '../../../nic/parameters.js';
import { expandGuests } from '../../machine/machine.js';
import type { RunResult } from '../../machine/run-result.js';
import type { FigureParameter } from '../html/figure.js';
import type { RunHeading } from '../run-heading.js';

/** Runs of one scenario, and what is said of them under every figure. */
export interface ComparedRuns {
  readonly heading: RunHeading;
  readonly runs: readonly RunResult[];
  readonly repeat: string;
  readonly parameters: readonly FigureParameter[];
}

const MOST_GUESTS_NAMED = 12;

/** @param repeat the command line that gives the runs again */
export function comparedRuns(heading: RunHeading, runs: readonly RunResult[], repeat: string): ComparedRuns {
  const { scenario, source } = heading.loaded;
  const guests = expandGuests(scenario.guests);
  const named = guests
    .slice(0, MOST_GUESTS_NAMED)
    .map(({ name, spec }) => `${name} (weight ${spec.weight}, ${spec.traffic.kind})`);
  const more = guests.length > named.length ? [`and ${guests.length - named.length} more`] : [];
  const hertz = scenario.host?.hertz ?? DEFAULT_HOST.hertz;
  const parameters: FigureParameter[] = [
    { name: 'scenario', value: source },
    { name: 'guests', value: [...named, ...more].join(', ') },
    { name: 'approaches', value: runs.map(({ protection }) => protection).join(', ') },
    { name: 'DMA scheduler', value: heading.discipline },
    {
      name: 'virtual time',
      value: `${heading.durationNs / 1e6} ms, ${heading.warmUpNs === 0 ? 'from the first nanosecond: no warm-up is cut' : `after ${heading.warmUpNs / 1e6} ms of warm-up`}`,
    },
    { name: 'seed', value: `${heading.seed}` },
    { name: 'port', value: `${(scenario.nic?.rateBps ?? DEFAULT_NIC.rateBps) / 1e9} Gb/s` },
    { name: 'CPU', value: `${runs[0]?.cpu.cores ?? DEFAULT_HOST.cores} cores of ${hertz / 1e9} GHz` },
    { name: 'runs', value: 'one an approach; the same seed gives each the same traffic' },
  ];
  if (scenario.balloon !== undefined) {
    const { pages, everyNs } = scenario.balloon;
    parameters.push({
      name: 'balloon',
      value: `${pages} pages asked back, one every ${everyNs / 1000} us`,
    });
  }
  return { heading, runs, repeat, parameters };
}

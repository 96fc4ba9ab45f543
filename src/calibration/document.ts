import { HEADLINES } from './headlines.js';
import { PARAMETERS } from './parameters.js';
import { type HeadlineRange, type Movement, NOISE_TRIES, type Sensitivity } from './sensitivity.js';

const GROUPS = ['CPU', 'IOMMU', 'invalidation queue', 'card', 'link'] as const;

const INTRODUCTION = `# Calibration

Every number that costs or saves time, where it comes from, how sure it is, and how much the headline figures move
with it. This page is written by \`npm run docs:calibration\`.

## Marks

| Mark | Meaning |
| --- | --- |
| S | Confirmed in a public source, which is named |
| S2 | Second hand: another text describes it |
| D | Derived from other figures, or fitted to data |
| M+ | From the literature as remembered; passes a check of its own, but not confirmed |
| M | From the literature as remembered, not confirmed |
| M- | Vague: shown, never expected |
| assumed | Our choice |

Where a number from a source is a split of a total, the total has the source's mark and the split is D.`;

const READING = `To be read with it: a figure is the mean of runs with seeds of their own, ${runsText()}. Xen's
rates are counted in polls of up to 64 frames, which are 2.7 % of what one run receives in its window, so smaller movements
there show as none or as a whole step of a run. \`unmapPage\` and \`queueInvalidation\` move nothing because the CPU waits
for the unit anyway, and their time passes within that wait. The machine of "strict, one walker" differs from the defaults,
and where a row's values are not its own the cell says in brackets what they are: its link has 16 lanes, and its walk
overhead is 65 ns and changes by the same factor. It has one walker whatever \`walkers\` says.

In "strict, one walker" seeds are not all: any change of timing also moves M, the table reads a page, and not steadily. With
an overhead of 45 to 85 ns in steps of a few ns M goes up and down between 2.16 and 2.24, and it is the lowest with nothing
changed. The throughput follows the line of \`walk-cost\` for that M within 0.2 %; at the same M the two changes of
\`walkOverheadNs\` would be worth +2.7 and -2.6 %. So M alone is worth up to 3 %: of a smaller cell of that column neither
size nor sign can be laid to the parameter, and two opposite changes can both lower it (\`receiveDmaBytes\`).`;

/** The tables of parameters: what needs no run. */
export function parameterTables(): string {
  return GROUPS.map((group) => {
    const rows = PARAMETERS.filter((parameter) => parameter.group === group).map((parameter) => {
      const { name, value, unit, meaning, source, certainty, found } = parameter;
      const cells = [
        `\`${name}\``,
        `${value}`,
        found === undefined ? '' : `${found}`,
        unit,
        meaning,
        source,
        certainty,
      ];
      return `| ${cells.join(' | ')} |`;
    });
    return [
      `## Parameters: ${group}`,
      '',
      '| Name | Default | In cdna-2007 | Unit | Of what | Source | Sure |',
      '| --- | ---: | ---: | --- | --- | --- | --- |',
      ...rows,
    ].join('\n');
  }).join('\n\n');
}

/** The whole page. */
export function calibrationPage({ start, noise, movements }: Sensitivity): string {
  const moving = movements.filter((movement) => movement.figures.some((_, at) => moves(movement, start, at)));
  const still = [
    ...new Set(
      movements.filter((one) => !moving.some(({ name }) => name === one.name)).map(({ name }) => name),
    ),
  ];
  const unchanged = PARAMETERS.filter(({ steps }) => steps.length === 0).map(({ name }) => name);
  const head = HEADLINES.map(({ name, unit }) => `${name} (${unit})`);
  return `${[
    INTRODUCTION,
    parameterTables(),
    '## How much the headlines move',
    'Headlines: the machine of `src/experiments/cdna-2007` with one guest and the costs found there, and the machine of ' +
      '`src/experiments/walk-cost` with 5 flows. One parameter at a time becomes 20 % less and 20 % more; where not every ' +
      'value exists it becomes the next one. Shares move in points of the CPU, rates in percent. ' +
      'Cells that move by less than 0.1 are empty.',
    READING,
    [
      `| Parameter | From | To | ${head.join(' | ')} |`,
      `| --- | ---: | ---: | ${head.map(() => '---:').join(' | ')} |`,
      `| (as it is) | | | ${start.map((value) => value.toFixed(1)).join(' | ')} |`,
      ...moving.map(
        (movement) =>
          `| \`${movement.name}\` | ${short(movement.from)} | ${short(movement.to)} | ` +
          `${movement.figures.map((_, at) => cell(movement, start, at)).join(' | ')} |`,
      ),
      `| (noise) | | | ${noise.map((range, at) => rangeOf(range, start, at).toFixed(2)).join(' | ')} |`,
    ].join('\n'),
    `The last row is the noise of each headline: its range, most less least, over ${NOISE_TRIES} measurements with other seeds ` +
      'and nothing changed, in the same points and percent. Cells smaller than the noise of their column mean nothing.',
    `These move no headline by 0.1: ${list(still)}.`,
    `Not changed, because they are counts or numbers without a cost, belong to the experiment, or follow another: ${list(unchanged)}. ` +
      'The times of memory behind the bus (a read takes 120 ns, assumed) cannot be set by a scenario and were not changed.',
  ].join('\n\n')}\n`;
}

/** Points for shares, percent for rates. */
function moved({ figures }: Movement, start: readonly number[], at: number): number {
  const before = start[at] ?? 0;
  return asMovement((figures[at] ?? 0) - before, before, at);
}

function rangeOf({ least, most }: HeadlineRange, start: readonly number[], at: number): number {
  return asMovement(most - least, start[at] ?? 0, at);
}

function asMovement(difference: number, before: number, at: number): number {
  return HEADLINES[at]?.unit === '% of CPU' ? difference : (100 * difference) / before;
}

function moves(movement: Movement, start: readonly number[], at: number): boolean {
  return Math.abs(moved(movement, start, at)) >= 0.1;
}

/** Empty where little moves, unless the parameter has other values there than the row says. */
function cell(movement: Movement, start: readonly number[], at: number): string {
  const figure = moves(movement, start, at) ? signed(moved(movement, start, at)) : '';
  const here = HEADLINES[at]?.here?.(movement.name, movement.from, movement.to);
  return here === undefined ? figure : `${figure} (${here})`.trim();
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(1)}`;
}

function short(value: number): string {
  return `${Number(value.toFixed(2))}`;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `\`${name}\``).join(', ');
}

/** How many runs a figure is the mean of: the usual number, then who has another. */
function runsText(): string {
  const usual = HEADLINES[0]?.runs;
  const others = HEADLINES.filter(({ runs }) => runs !== usual).map(
    ({ name, runs }) => `${runs} for "${name}"`,
  );
  return [`${usual}`, ...others].join(', ');
}

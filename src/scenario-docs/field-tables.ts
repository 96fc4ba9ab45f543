import { DEFAULT_LINK } from '../../guests/link-partner.js';
import { COSTS } from '../../host/cpu/costs.js';
import { DEFAULT_HOST } from '../../host/host.js';
import { DEFAULT_TIMING } from '../../host/iommu/translation/parameters.js';
import { STRATEGY_DEFAULTS } from '../../host/protection/iommu/strategies/index.js';
import { DEFAULT_NIC } from '../../nic/parameters.js';
import { DEFAULT_PCIE } from '../../nic/pcie-link.js';
import { InvariantViolation } from '../../scheduler/errors.js';
import { withPart } from '../report/generated-part.js';
import { markdownTable } from '../report/markdown-table.js';
import { scenarioJsonSchema } from '../scenario/json-schema.js';
import { RUN_DEFAULTS } from '../simulate.js';
import { type FieldSchema, fieldsOf, rangeText, valueText } from './field-text.js';

/** A table of fields: where they are in the schema of a scenario, and the defaults that the schema does not have. */
interface FieldTable {
  readonly path: readonly string[];
  readonly head: string;
  /** Values of constants, or words (a string) where the default is made from something else. */
  readonly defaults: Readonly<Record<string, unknown>>;
}

const words = (text: string) => ({ words: text });

const TABLES: Readonly<Record<string, FieldTable>> = {
  scenario: {
    path: [],
    head: 'field',
    defaults: {
      ...RUN_DEFAULTS,
      warmUpNs: words('a tenth of `durationNs`; 0 with a capture that is played once'),
      name: words('the file'),
      tenants: words('none'),
      nic: words('a card of today with 32 contexts'),
      host: words('2 cores at 2.4 GHz'),
      iommu: words('VT-d, a requester ID per context'),
      balloon: words('none'),
      changes: words('none'),
      quantumBytes: words('1,514'),
    },
  },
  guest: {
    path: ['guests'],
    head: 'field',
    defaults: {
      name: words('`guest0`, `guest1`, ...'),
      traffic: words('`{ "kind": "none" }`'),
      receive: words('none'),
      core: words('round-robin'),
      attached: false,
      card: 'virtio',
    },
  },
  share: { path: ['guests', 'share'], head: 'field of `share`', defaults: {} },
  tenant: {
    path: ['tenants'],
    head: 'field of `tenants`',
    defaults: { parent: words('directly below the wire') },
  },
  nic: {
    path: ['nic'],
    head: 'field of `nic`',
    defaults: { ...DEFAULT_NIC, contexts: words('32, or as many as there are guests'), switching: false },
  },
  pcie: { path: ['nic', 'pcie'], head: 'field of `nic.pcie`', defaults: { ...DEFAULT_PCIE } },
  host: {
    path: ['host'],
    head: 'field of `host`',
    defaults: {
      ...DEFAULT_HOST,
      memoryMegabytes: words('the guests’ and 512'),
      costs: words('the table below'),
    },
  },
  link: { path: ['link'], head: 'field of `link`', defaults: { ...DEFAULT_LINK } },
  pause: { path: ['link', 'pauses'], head: 'field of `link.pauses`', defaults: {} },
  iommu: {
    path: ['iommu'],
    head: 'field of `iommu`',
    defaults: {
      ...DEFAULT_TIMING,
      ...STRATEGY_DEFAULTS,
      vendor: 'vtd',
      oneRequesterId: false,
      cachingMode: false,
      faultLimit: words('none'),
    },
  },
  balloon: { path: ['balloon'], head: 'field of `balloon`', defaults: {} },
  change: { path: ['changes'], head: 'field of `changes`', defaults: {} },
};

/** Every table of docs/scenarios.md that is made from the schema and the tables of parameters, by name. */
export function scenarioTables(): Readonly<Record<string, string>> {
  const schema = JSON.parse(scenarioJsonSchema()) as FieldSchema;
  const tables = Object.entries(TABLES).map(([name, table]) => [name, fieldTable(schema, table)]);
  return {
    ...(Object.fromEntries(tables) as Record<string, string>),
    'traffic kinds': kindTable(trafficKinds(schema)),
    'traffic fields': trafficTable(trafficKinds(schema)),
    costs: costTable(),
  };
}

/** A text with its generated tables as they are now. @throws InvariantViolation for a place without a table, or a table without a place */
export function withTables(text: string, tables: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [name, table] of Object.entries(tables)) {
    result = withPart(result, `<!-- table: ${name} -->`, END, table);
  }
  const unknown = [...result.matchAll(/<!-- table: (.*?) -->/gu)].find(
    ([, name = '']) => !Object.hasOwn(tables, name),
  );
  if (unknown !== undefined) throw new InvariantViolation(`there is no table "${unknown[1]}"`);
  return result;
}

const END = '<!-- /table -->';

function fieldTable(schema: FieldSchema, { path, head, defaults }: FieldTable): string {
  const fields = Object.entries(fieldsOf(schema, path)).filter(([name]) => name !== '$schema');
  const rows = fields.map(([name, field]) => [
    `\`${name}\``,
    defaultText(name, field, defaults),
    rangeText(name, field),
    field.description ?? '',
  ]);
  const isBare = rows.every(([, value]) => value === '');
  return isBare
    ? markdownTable(
        [head, 'range', 'meaning'],
        rows.map(([name = '', , ...rest]) => [name, ...rest]),
      )
    : markdownTable([head, 'default', 'range', 'meaning'], rows);
}

function defaultText(name: string, field: FieldSchema, defaults: FieldTable['defaults']): string {
  const given = defaults[name] ?? field.default;
  if (typeof given === 'object' && given !== null && 'words' in given) return String(given.words);
  return given === undefined || typeof given === 'object' ? '' : valueText(name, given);
}

function trafficKinds(schema: FieldSchema): readonly FieldSchema[] {
  const traffic = fieldsOf(schema, ['guests']).traffic;
  const kinds = traffic?.oneOf ?? traffic?.anyOf;
  if (kinds === undefined) throw new InvariantViolation('the schema of a scenario has no kinds of traffic');
  return kinds;
}

function kindTable(kinds: readonly FieldSchema[]): string {
  return markdownTable(
    ['`kind`', 'fields', 'what it is'],
    kinds.map((kind) => {
      const { kind: name, ...fields } = kind.properties ?? {};
      return [
        `\`${name?.const}\``,
        Object.keys(fields)
          .map((field) => `\`${field}\``)
          .join(', '),
        kind.description ?? '',
      ];
    }),
  );
}

/** Fields of all kinds, each once: one name has one meaning. */
function trafficTable(kinds: readonly FieldSchema[]): string {
  const fields = new Map<string, FieldSchema>();
  for (const { properties = {} } of kinds)
    for (const [name, field] of Object.entries(properties)) if (name !== 'kind') fields.set(name, field);
  const defaults = { to: words('the far end') };
  return markdownTable(
    ['field', 'default', 'range', 'meaning'],
    [...fields].map(([name, field]) => [
      `\`${name}\``,
      defaultText(name, field, defaults),
      rangeText(name, field),
      field.description ?? '',
    ]),
  );
}

function costTable(): string {
  return markdownTable(
    ['name', 'cycles', 'per', 'source'],
    Object.entries(COSTS).map(([name, { cycles, per, source, certainty }]) => [
      `\`${name}\``,
      cycles.toLocaleString('en-US', { maximumFractionDigits: 3 }),
      per,
      source === certainty ? source : `${source} (${certainty})`,
    ]),
  );
}

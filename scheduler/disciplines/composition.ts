import type { Discipline, Share } from '../discipline.js';
import { ParameterError } from '../errors.js';
import { DISCIPLINES, type DisciplineEntry, type DisciplineOptions, type Tenant } from './catalogue.js';
import { MinimumGuarantee } from './minimum-guarantee.js';
import { TokenBucketLimit } from './token-bucket-limit.js';
import { TwoLevel } from './two-level.js';

/** How disciplines are composed by name; `a` and `b` stand for names in the catalogue or for compositions. */
export const COMPOSITIONS: readonly { readonly form: string; readonly meaning: string }[] = [
  {
    form: 'a/b',
    meaning: 'a hierarchy: a between tenants, b below each tenant; a/b/c has tenants of tenants, and so on',
  },
  { form: 'limited:a', meaning: 'a token bucket per context (limitBps, burstBytes) in front of a' },
  { form: 'minimum:a', meaning: 'a minimum rate per context (minimumBps), and a for the rest' },
  {
    form: 'a/(limited:b)',
    meaning:
      'a prefix reaches to the end of its parentheses: here it limits contexts, in (limited:a)/b tenants',
  },
];

/** What stands before a colon, and the fields of a share that it reads. */
const PREFIXES = {
  limited: {
    reads: ['limitBps', 'burstBytes'],
    around: (inner: Discipline): Discipline => new TokenBucketLimit(inner),
  },
  minimum: {
    reads: ['minimumBps'],
    around: (inner: Discipline): Discipline => new MinimumGuarantee(inner),
  },
} as const satisfies Record<
  string,
  { reads: readonly (keyof Share)[]; around: (inner: Discipline) => Discipline }
>;

/** A name is read recursively; this is far beyond any hierarchy of use. */
const MOST_NESTING = 64;

type Prefix = keyof typeof PREFIXES;

/** A composition as its name is read. */
export type Composition =
  | { readonly kind: 'single'; readonly entry: DisciplineEntry }
  | { readonly kind: 'prefixed'; readonly prefix: Prefix; readonly inner: Composition }
  | { readonly kind: 'levels'; readonly outer: Composition; readonly inner: Composition };

/**
 * Reads the name of a discipline or of a composition:
 *
 *     composition = prefix ":" composition | level [ "/" composition ]
 *     level       = name | "(" composition ")"
 *     prefix      = "limited" | "minimum"
 *
 * A prefix applies to everything to its right, up to the closing parenthesis: `limited:drr/sfq` is
 * `limited:(drr/sfq)`. A slash groups to the right, and `(a/b)/c` is the same as `a/(b/c)`.
 *
 * @throws ParameterError for what is not such a name; the message says where it stands and lists the known names.
 */
export function parseComposition(name: string): Composition {
  return new Reader(name).read();
}

/** Makes the discipline that a composition describes. */
export function buildComposition(composition: Composition, options: DisciplineOptions): Discipline {
  return build(composition, options, 1);
}

/**
 * The fields of a share that each level of a composition reads: of tenants for all levels but the last, which is that of
 * the contexts. `weight` is not listed; every share has one.
 */
export function fieldsOfLevels(composition: Composition): readonly ReadonlySet<keyof Share>[] {
  switch (composition.kind) {
    case 'single':
      return [new Set(composition.entry.reads)];
    case 'levels':
      return [...fieldsOfLevels(composition.outer), ...fieldsOfLevels(composition.inner)];
    case 'prefixed': {
      // A prefix acts per context, so it belongs to the last level.
      const levels = fieldsOfLevels(composition.inner);
      const contexts = new Set([...(levels.at(-1) ?? []), ...PREFIXES[composition.prefix].reads]);
      return [...levels.slice(0, -1), contexts];
    }
  }
}

/** @param depth 1 for the tenants below the link, one more for each level further down. */
function build(composition: Composition, options: DisciplineOptions, depth: number): Discipline {
  switch (composition.kind) {
    case 'single':
      return composition.entry.make(options);
    case 'prefixed':
      return PREFIXES[composition.prefix].around(build(composition.inner, options, depth));
    case 'levels': {
      const tenants = options.tenants ?? {};
      return new TwoLevel({
        outer: build(composition.outer, options, depth),
        makeInner: () => build(composition.inner, options, depth + 1),
        tenantOf: ({ tenant = 0 }) => ancestor(tenants, tenant, depth),
        tenantShare: (tenant, context) => shareAt(tenants, tenant, depth, context),
      });
    }
  }
}

type Tenants = Readonly<Record<number, Tenant>>;

/** The path from the link down to a tenant. @throws ParameterError when parents form a cycle. */
export function tenantPath(tenants: Tenants, tenant: number): readonly number[] {
  const path: number[] = [];
  for (let at: number | undefined = tenant; at !== undefined; at = tenants[at]?.parent) {
    if (path.includes(at))
      throw new ParameterError(
        `tenants: the parent of ${at} is ${tenants[at]?.parent}, expected none that is below it: a tenant is not among its own parents`,
      );
    path.unshift(at);
  }
  return path;
}

/** The tenant at a depth of the hierarchy; below the depth of the tenant it stands for itself. */
function ancestor(tenants: Tenants, tenant: number, depth: number): number {
  const path = tenantPath(tenants, tenant);
  return path[Math.min(depth, path.length) - 1] ?? tenant;
}

/**
 * The share of a tenant at a depth. A tenant that is not described has a weight of 1, and the priority and deadline of
 * its first context. At a depth below its own a tenant is alone, so that its share does not matter there.
 */
function shareAt(tenants: Tenants, tenant: number, depth: number, context: Share): Share {
  if (tenantPath(tenants, tenant).length < depth) return { weight: 1 };
  const described = tenants[tenant];
  if (described !== undefined) return described.share;
  const { priority, deadlineNs } = context;
  return {
    weight: 1,
    ...(priority === undefined ? {} : { priority }),
    ...(deadlineNs === undefined ? {} : { deadlineNs }),
  };
}

/** Reads a name from left to right. */
class Reader {
  readonly #name: string;
  #at = 0;
  #nesting = 0;

  constructor(name: string) {
    this.#name = name;
  }

  read(): Composition {
    const composition = this.#composition();
    if (this.#at < this.#name.length) this.#refuse(this.#name.slice(this.#at));
    return composition;
  }

  #composition(): Composition {
    this.#nesting += 1;
    if (this.#nesting > MOST_NESTING) {
      throw new ParameterError(
        `discipline has a name that is nested too deep, expected at most ${MOST_NESTING} levels, prefixes and parentheses`,
      );
    }
    const from = this.#at;
    if (this.#takes('(')) {
      const grouped = this.#composition();
      if (!this.#takes(')')) {
        throw new ParameterError(
          `discipline is "${this.#name}", expected a ")" for the "(" at character ${from + 1}`,
        );
      }
      return this.#below(grouped);
    }
    const word = this.#word();
    if (this.#takes(':')) {
      if (!isPrefix(word)) this.#refuse(`${word}:`);
      return { kind: 'prefixed', prefix: word, inner: this.#composition() };
    }
    const entry = DISCIPLINES.find((candidate) => candidate.name === word);
    if (entry === undefined) this.#refuse(this.#path(from) ?? word);
    return this.#below({ kind: 'single', entry });
  }

  /** What follows a level: a slash and the levels below it, or nothing. */
  #below(level: Composition): Composition {
    return this.#takes('/') ? this.#over(level, this.#composition()) : level;
  }

  #over(level: Composition, below: Composition): Composition {
    if (level.kind === 'levels') return this.#over(level.outer, this.#over(level.inner, below));
    if (fieldsOfLevels(level).length > 1) {
      throw new ParameterError(
        `discipline is "${this.#name}", expected one level on the left of a "/", not a hierarchy with a prefix`,
      );
    }
    return { kind: 'levels', outer: level, inner: below };
  }

  #word(): string {
    const from = this.#at;
    while (this.#at < this.#name.length && !'/:()'.includes(this.#name.charAt(this.#at))) this.#at += 1;
    return this.#name.slice(from, this.#at);
  }

  /** The path of a module that begins here, whose slashes are no levels. */
  #path(from: number): string | undefined {
    return /^\.{1,2}\/[^:()]*/u.exec(this.#name.slice(from))?.[0];
  }

  #takes(character: string): boolean {
    if (this.#name.charAt(this.#at) !== character) return false;
    this.#at += 1;
    return true;
  }

  #refuse(part: string): never {
    const where = part === this.#name ? '' : ` (in "${this.#name}")`;
    throw new ParameterError(
      `discipline is "${part}"${where}, expected one of: ${DISCIPLINES.map(({ name }) => name).join(', ')}; ` +
        `or ${COMPOSITIONS.map(({ form }) => form).join(', ')}`,
    );
  }
}

function isPrefix(word: string): word is Prefix {
  return Object.hasOwn(PREFIXES, word);
}

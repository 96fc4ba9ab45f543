import { realpathSync } from 'node:fs';
import { extname, relative, resolve, sep } from 'node:path';
import {
  APPROACHES,
  type ApproachOptions,
  makeProtection,
  NAMED_APPROACHES,
} from '../../host/protection/approaches.js';
import type { ProtectionPlan } from '../../host/protection/protection.js';
import type { Discipline } from '../../scheduler/discipline.js';
import { type DisciplineOptions, makeDiscipline } from '../../scheduler/disciplines/index.js';
import { UserError } from '../../scheduler/errors.js';
import { importDefault, MODULE_EXTENSIONS, ModuleProblem } from './import-module.js';
import { ModuleFault, type OwnModule, thrownBy } from './module-fault.js';
import { isModulePath } from './module-path.js';
import { madeDiscipline, madePlan, named } from './module-product.js';
import { isDisciplineName } from './names.js';
import { WatchedDiscipline } from './watched-discipline.js';

/** Makes a discipline of one's own, fresh for each direction of each run. */
export type OwnDiscipline = (options: DisciplineOptions) => Discipline;
/** Makes an approach of one's own; the options are what the scenario says of IOMMUs. */
export type OwnApproach = (options: ApproachOptions) => ProtectionPlan;

/** A name that is the path of a module, and who gave it. Plain data, so it can be sent to a worker thread. */
export interface ModuleName {
  readonly kind: 'discipline' | 'protection';
  /** As it was given. */
  readonly name: string;
  /** Where the path starts. */
  readonly directory: string;
  /** What the message of a refusal begins with: `--discipline`, or the scenario's field. */
  readonly field: string;
  /** Whether a scenario named it, which may come from a stranger: then only files of its own folder are loaded. */
  readonly fromScenario: boolean;
}

/** A name that was typed: paths start at the working folder, and any module may be loaded. */
export function ofCommandLine(kind: ModuleName['kind'], name: string, option = `--${kind}`): ModuleName {
  return { kind, name, directory: process.cwd(), field: option, fromScenario: false };
}

/** Disciplines and approaches by name: those of the catalogues, and modules of one's own that were loaded. */
export class OwnModules {
  readonly #disciplines = new Map<string, OwnDiscipline>();
  readonly #approaches = new Map<string, { readonly module: OwnModule; readonly make: OwnApproach }>();
  /** What modules make calls itself, by kind and path. */
  readonly #ownNames = new Map<string, string>();

  /**
   * Loads every name that is a module's path; others are left to the catalogues.
   *
   * @param allowed whether modules that a scenario names may be loaded (`--allow-modules`)
   * @throws UserError that names the field, its value and what was expected
   */
  static async load(names: readonly ModuleName[], allowed: boolean): Promise<OwnModules> {
    const modules = new OwnModules();
    for (const name of names) {
      if (isModulePath(name.name)) await modules.#load(name, allowed);
    }
    return modules;
  }

  /** What makes a discipline: a name of the catalogue stays a name. @throws ParameterError for one that does not exist */
  discipline(name: string): string | OwnDiscipline {
    const own = this.#disciplines.get(name);
    if (own !== undefined) return own;
    makeDiscipline(name, { linkBps: 1e9 });
    return name;
  }

  /** An approach with its options. @throws ParameterError for a name that does not exist */
  protection(name: string, options: ApproachOptions = {}): ProtectionPlan {
    const own = this.#approaches.get(name);
    return own === undefined ? makeProtection(name, options) : own.make(options);
  }

  /**
   * Does work on a machine under an approach. What goes wrong under one of the user's own is told as that: an approach has so
   * many parts that whose mistake it was cannot be told by where it shows.
   * @throws UserError that names the module
   */
  under<T>(name: string, work: () => T): T {
    const own = this.#approaches.get(name);
    if (own === undefined) return work();
    try {
      return work();
    } catch (error) {
      // A refusal of the system, such as a full disk, is no module's doing.
      if (error instanceof Error && 'syscall' in error) throw error;
      throw thrownBy(own.module, 'under which the machine fails', error);
    }
  }

  /** A fresh discipline, by the name of the catalogue or the path of a module. @throws ParameterError */
  makeDiscipline(name: string, options: DisciplineOptions): Discipline {
    const own = this.#disciplines.get(name);
    return own === undefined ? makeDiscipline(name, options) : own(options);
  }

  /**
   * How results call the entries of a list, in which each is one column or row: a name of a catalogue as it is, a
   * module as what it makes is named.
   * @throws UserError when two have one name
   */
  namesOf(modules: readonly ModuleName[]): string[] {
    const taken = new Set<string>();
    return modules.map((module) => {
      const { kind, name } = module;
      const shown = this.#ownNames.get(`${kind} ${name}`) ?? name;
      if (taken.has(shown)) throw nameTaken(module, shown, 'another one');
      taken.add(shown);
      return shown;
    });
  }

  async #load(module: ModuleName, allowed: boolean): Promise<void> {
    const { kind, name, directory, field, fromScenario } = module;
    if (fromScenario && !allowed) {
      throw new UserError(
        `${field} is ${JSON.stringify(name)}, a module; expected a name, or --allow-modules (allowModules in the library): a module runs with your rights`,
      );
    }
    const file = resolve(directory, name);
    if (fromScenario) refuseOutside(module, file);
    const own: OwnModule = { field, name, file };
    const made = await loadFunction(module, file);
    if (kind === 'discipline') {
      const make = made as OwnDiscipline;
      const { name: shown } = madeDiscipline(own, () => make({ linkBps: 1e9 }));
      this.#named(module, shown);
      this.#disciplines.set(
        name,
        (options) =>
          new WatchedDiscipline(
            own,
            madeDiscipline(own, () => make(options)),
            shown,
          ),
      );
    } else {
      const make = made as OwnApproach;
      const { name: shown } = madePlan(own, () => make({}));
      this.#named(module, shown);
      this.#approaches.set(name, {
        module: own,
        make: (options) =>
          named(
            shown,
            madePlan(own, () => make(options)),
          ),
      });
    }
  }

  /** Notes how results call a module. @throws UserError for a name of the catalogue, whose figures it would pass for */
  #named(module: ModuleName, shown: string): void {
    const { kind, name } = module;
    const inCatalogue =
      kind === 'discipline'
        ? isDisciplineName(shown)
        : NAMED_APPROACHES.some((approach) => approach.name === shown);
    if (inCatalogue) throw nameTaken(module, shown, 'one of the catalogue');
    this.#ownNames.set(`${kind} ${name}`, shown);
  }
}

function nameTaken(module: ModuleName, shown: string, other: string): UserError {
  return new ModuleFault(module, `which is named "${shown}" like ${other}; expected a name of its own`);
}

/** Every name of an approach, for messages and `all`. */
export function approachNames(): string[] {
  return APPROACHES.map(({ name }) => name);
}

/** A scenario's modules lie beside it or below: links are followed before that is checked. */
function refuseOutside({ name, directory, field }: ModuleName, file: string): void {
  const way = relative(realOf(directory), realOf(file));
  const isInside =
    way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && resolve(directory, way) !== way;
  if (isInside) return;
  throw new UserError(
    `${field} is ${JSON.stringify(name)}, which is outside of the scenario's folder; expected a module in it`,
  );
}

/** Where a path leads behind links; the path itself when nothing is there. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

async function loadFunction({ kind, name, field }: ModuleName, file: string): Promise<unknown> {
  if (!MODULE_EXTENSIONS.includes(extname(file))) {
    throw new UserError(
      `${field} is ${JSON.stringify(name)}, expected a file that ends in one of ${MODULE_EXTENSIONS.join(', ')}`,
    );
  }
  let made: unknown;
  try {
    made = await importDefault(file);
  } catch (error) {
    if (!(error instanceof ModuleProblem)) throw error;
    throw new UserError(`${field} is ${JSON.stringify(name)}, which ${error.message}`);
  }
  if (typeof made === 'function') return made;
  const what = kind === 'discipline' ? 'a discipline' : 'an approach (a plan with a name and build)';
  throw new UserError(
    `${field} is ${JSON.stringify(name)}, whose default export is ${made === null ? 'null' : typeof made}; expected a function that makes ${what}`,
  );
}

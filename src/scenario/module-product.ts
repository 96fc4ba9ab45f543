import type { ProtectionPlan } from '../../host/protection/protection.js';
import { DISCIPLINE_METHODS, type Discipline } from '../../scheduler/discipline.js';
import { UserError } from '../../scheduler/errors.js';
import { ModuleFault, type OwnModule, thrownBy } from './module-fault.js';

/** What a module makes, if it is a discipline. @throws UserError when it is not */
export function madeDiscipline(module: OwnModule, make: () => Discipline): Discipline {
  const discipline = tried(module, make);
  checkParts(module, discipline, DISCIPLINE_METHODS);
  return discipline;
}

/** What a module makes, if it is an approach. @throws UserError when it is not */
export function madePlan(module: OwnModule, make: () => ProtectionPlan): ProtectionPlan {
  const plan = tried(module, make);
  checkParts(module, plan, isObject(plan) && 'interpose' in plan ? ['interpose'] : ['build']);
  return plan;
}

/** A plan under one name, whatever the options: it is the name by which results and lists know it. */
export function named(name: string, plan: ProtectionPlan): ProtectionPlan {
  return 'interpose' in plan
    ? { name, interpose: (kernel, processor) => plan.interpose(kernel, processor) }
    : { name, build: (parts) => plan.build(parts) };
}

/** What a maker makes. @throws UserError when it throws */
function tried<T>(module: OwnModule, make: () => T): T {
  try {
    return make();
  } catch (error) {
    // Also what the parts of this project refuse: the module chose what they got.
    const isRefusal = error instanceof UserError;
    const reason = isRefusal ? Object.assign(new Error(error.message), { stack: error.stack }) : error;
    throw thrownBy(module, 'whose function throws', reason);
  }
}

function checkParts(module: OwnModule, made: unknown, parts: readonly string[]): void {
  const missing = isObject(made) ? parts.filter((part) => typeof made[part] !== 'function') : parts;
  if (missing.length > 0) {
    throw new ModuleFault(
      module,
      `whose function makes no object with ${missing.join(', ')}; expected every method of the interface`,
    );
  }
  if (!isObject(made) || typeof made.name !== 'string' || made.name === '')
    throw new ModuleFault(module, 'which makes something without a name; expected one');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

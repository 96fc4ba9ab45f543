import { dirname, resolve } from 'node:path';
import { checkScenario, readInput } from '../scenario/load.js';
import { scenarioErrorOf } from '../scenario/scenario-error.js';
import type { ScenarioInput } from '../scenario/schema.js';
import { type Study, studySchema } from './study-schema.js';
import { SweepError } from './sweep-error.js';

/** A study, the scenario that it varies, and where relative paths start. */
export interface LoadedStudy {
  readonly study: Study;
  /** As written, before defaults, so that a field that a point sets decides what its neighbours default to. */
  readonly scenario: ScenarioInput;
  /** Folder of the scenario: relative paths of captures start here. */
  readonly directory: string;
  /** The study's file as the user named it. */
  readonly where: string;
}

/**
 * Loads a study: JSON, or a module whose default export is one.
 * @throws SweepError, ScenarioError: each names the file and what is wrong with it
 */
export async function loadStudy(path: string): Promise<LoadedStudy> {
  return loadedOf(checkStudy(await readInput(path, 'study'), path), dirname(resolve(path)), path);
}

/** A checked study with the scenario that it names or has in it. @param folder where relative paths start */
export async function loadedOf(study: Study, folder: string, where: string): Promise<LoadedStudy> {
  if (typeof study.scenario !== 'string') return studyOf(study, study.scenario, folder, where);
  const file = resolve(folder, study.scenario);
  return studyOf(study, await readInput(file), dirname(file), where);
}

/** Checks a study that is an object already. @throws SweepError */
export function checkStudy(input: unknown, where = 'study'): Study {
  const result = studySchema.safeParse(input);
  if (result.success) return result.data;
  throw new SweepError(scenarioErrorOf(where, studySchema, input, result.error).message);
}

/** Puts a study and the scenario that it names together. @throws ScenarioError if the scenario cannot be run */
export function studyOf(study: Study, scenario: unknown, directory: string, where: string): LoadedStudy {
  checkScenario(scenario, typeof study.scenario === 'string' ? study.scenario : `${where}: scenario`);
  return { study, scenario: scenario as ScenarioInput, directory, where };
}

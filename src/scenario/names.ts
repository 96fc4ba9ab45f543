import * as z from 'zod';
import { approachExpected, NAMED_APPROACHES } from '../../host/protection/approaches.js';
import { DISCIPLINES, makeDiscipline } from '../../scheduler/disciplines/index.js';
import { ParameterError } from '../../scheduler/errors.js';
import { isModulePath, MODULE_PATH } from './module-path.js';

const OR_MODULE = ', or the path of a module (./mine.ts)';
const modulePattern = { pattern: MODULE_PATH.source, description: 'A module; needs --allow-modules' };

/** Name of an approach, or the path of a module that makes one. */
export const protectionName = z
  .string()
  .refine((name) => isModulePath(name) || NAMED_APPROACHES.some((approach) => approach.name === name), {
    error: ({ input }) => `${approachExpected(String(input), NAMED_APPROACHES)}${OR_MODULE}`,
  })
  .meta({ anyOf: [{ enum: NAMED_APPROACHES.map(({ name }) => name) }, modulePattern] });

const single = `(${DISCIPLINES.map(({ name }) => name.replace('+', '\\+')).join('|')})`;

/** Name of a discipline, alone or composed, or the path of a module that makes one. */
export const disciplineName = z
  .string()
  .superRefine((name, context) => {
    const expected = isModulePath(name) ? undefined : expectedInstead(name);
    if (expected !== undefined) context.addIssue({ code: 'custom', message: expected });
  })
  .meta({
    anyOf: [
      { enum: DISCIPLINES.map(({ name }) => name) },
      {
        // A grammar with parentheses has no regular expression: this is what an editor can check.
        pattern: `^([(]|(limited|minimum):)*${single}[)]*(/([(]|(limited|minimum):)*${single}[)]*)*$`,
        description: 'Composed: a/b, limited:a, minimum:a, parentheses',
      },
      modulePattern,
    ],
  });

/** Whether a name is one of the catalogue of disciplines, or composed of them. */
export function isDisciplineName(name: string): boolean {
  return expectedInstead(name) === undefined;
}

/** What `makeDiscipline` would say that it expects instead of a name; undefined when it takes it. */
function expectedInstead(name: string): string | undefined {
  try {
    makeDiscipline(name, { linkBps: 1e9 });
    return undefined;
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    return `${error.message.slice(error.message.indexOf('expected'))}${OR_MODULE}`;
  }
}

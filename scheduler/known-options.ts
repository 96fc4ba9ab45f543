import { ParameterError } from './errors.js';
import { shownValue } from './shown-value.js';

/**
 * Refuses options that nothing reads: a name that is spelt wrong would silently leave a default in place. So would
 * options that are no object.
 *
 * @param owner what the options are of, for the message
 * @param known every option by its name; values are not looked at
 * @throws ParameterError that names the option and those that there are
 */
export function refuseUnknownOptions<Options extends object>(
  owner: string,
  options: Options,
  known: Readonly<Record<keyof Options, unknown>>,
): void {
  // What a caller without types may pass.
  const given: unknown = options;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ParameterError(
      `${owner} is ${shownValue(given)}, expected an object with any of: ${Object.keys(known).join(', ')}`,
    );
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw new ParameterError(
      `${owner}: ${name} is not an option that is known here, expected one of: ${Object.keys(known).join(', ')}`,
    );
  }
}

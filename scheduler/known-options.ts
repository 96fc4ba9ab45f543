import { ParameterError } from './errors.js';

/**
 * Refuses options that nothing reads: a name that is spelt wrong would silently leave a default in place.
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
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw new ParameterError(
      `${owner}: ${name} is not an option that is known here, expected one of: ${Object.keys(known).join(', ')}`,
    );
  }
}

/** A mistake of a user of the tool or the library. The message is one line: "field is value, expected what". */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}

/** Something that must hold does not: a defect of this project, never of a guest or a user. */
export class InvariantViolation extends Error {
  override readonly name: string = 'InvariantViolation';
}

/** A time that no event may have: a defect, so it throws. */
export class KernelTimeError extends InvariantViolation {
  override readonly name = 'KernelTimeError';
}

/**
 * A stream was given a value while it was still delivering the last one to its observers, or the kernel was asked to
 * run from inside an event: a defect, so it throws.
 */
export class ReentryError extends InvariantViolation {
  override readonly name = 'ReentryError';
}

/** A parameter has a value that it must not have: "field is value, expected what". */
export class ParameterError extends UserError {
  override readonly name = 'ParameterError';
}

/** An observer of a run's stream threw. The run fails with this; `cause` is what was thrown. */
export class ObserverError extends UserError {
  override readonly name = 'ObserverError';
  /** The stream, e.g. `nic.grants$`; undefined where the observer subscribed to a combination of streams. */
  readonly stream: string | undefined;

  /** @param atNs virtual time, where it is known. */
  constructor(stream: string | undefined, atNs: number | undefined, cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const when = atNs === undefined ? '' : ` at ${atNs} ns`;
    super(`${stream ?? 'a stream of the run'}: an observer threw${when}: ${text}`, { cause });
    this.stream = stream;
  }
}

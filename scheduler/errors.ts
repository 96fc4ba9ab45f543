/** What a user of the tool or the library got wrong. The message is one line: "field is value, expected what". */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}

/** Something that must hold does not: a defect of this project, never of a guest or a user. */
export class InvariantViolation extends Error {
  override readonly name: string = 'InvariantViolation';
}

/** A time that no event may have. Our own mistake, so it throws. */
export class KernelTimeError extends InvariantViolation {
  override readonly name = 'KernelTimeError';
}

/**
 * A room was told something while it was still telling its observers of it, or the kernel was asked to run
 * from inside an event. Our own mistake, so it throws.
 */
export class ReentryError extends InvariantViolation {
  override readonly name = 'ReentryError';
}

/** A parameter has a value that it must not have: "field is value, expected what". */
export class ParameterError extends UserError {
  override readonly name = 'ParameterError';
}

/** What a client can do wrong, and what it costs it. */
export interface SessionFaultDefinition {
  readonly name: string;
  /** Whether the connection ends. */
  readonly closes: boolean;
  readonly meaning: string;
}

const fault = <Name extends string>(name: Name, closes: boolean, meaning: string) =>
  ({ name, closes, meaning }) as const;

const SESSION_FAULTS = [
  fault('message-size', true, 'A message says that it is shorter than its header, or longer than 64 KB'),
  fault('version-first', true, 'A command came before VERSION'),
  fault('version', true, 'VERSION asks for another major version, or is no JSON'),
  fault('half-a-message', true, 'A message was begun and not finished within 5 s'),
  fault('no-version', true, 'No VERSION came within 5 s'),
  fault('slow-reader', true, 'More than 1 MB waits to be read by the client'),
  fault(
    'short-payload',
    false,
    'A command lacks a part of its fields or data, or has no space for the answer',
  ),
  fault('unknown-command', false, 'A command that the protocol does not have, or not from a client'),
  fault('bad-range', false, 'An access or a mapping that lies outside of what there is'),
  fault('too-many-mappings', false, 'More mappings than are kept for one client'),
  fault('bad-reply', false, 'A reply that was not asked for, or of a wrong length'),
  fault('memory-taken-away', false, 'Memory was unmapped while the card had buffers there'),
] as const satisfies readonly SessionFaultDefinition[];

export type SessionFault = (typeof SESSION_FAULTS)[number]['name'];

/** Whether a fault ends the connection. */
export function closesConnection(name: SessionFault): boolean {
  return SESSION_FAULTS.find((entry) => entry.name === name)?.closes === true;
}

import * as z from 'zod';
import { FAULT_POLICIES } from '../../../host/hypervisor/fault-log.js';
import { UserError } from '../../../scheduler/errors.js';
import { expectationText } from '../../scenario/expectation-text.js';

const subjectSchema = z.union([
  z.strictObject({ kind: z.enum(['domain', 'context', 'page']), id: z.int().min(0) }),
  z.strictObject({ kind: z.enum(['set-up-gate', 'access-gate', 'scheduler', 'wire', 'card']) }),
]);

/** What a session with real guests takes from a page. What a change says is checked as an entry of `changes` is. */
const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('open'), version: z.number(), plans: z.array(z.unknown()) }),
  z.strictObject({ kind: z.literal('change'), change: z.record(z.string(), z.unknown()) }),
  z.strictObject({ kind: z.literal('policy'), policy: z.enum(FAULT_POLICIES) }),
  z.strictObject({ kind: z.literal('capture'), on: z.boolean() }),
  z.strictObject({ kind: z.literal('inspect'), machine: z.literal(0), subject: subjectSchema.optional() }),
  z.strictObject({ kind: z.literal('shown') }),
]);
export type ServedRequest = z.output<typeof requestSchema>;

const KINDS = requestSchema.options.map(({ shape }) => shape.kind.value);

/** A request as it comes from a page. @throws UserError in one line: what it is, and what was expected */
export function servedRequest(text: string): ServedRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError('a message is no JSON, expected a request of the lab');
  }
  const kind = (value as { kind?: unknown } | null)?.kind;
  if (!KINDS.some((known) => known === kind))
    throw new UserError(
      `kind is ${JSON.stringify(kind)}, expected one that a session with real guests takes: ${KINDS.join(', ')}`,
    );
  const result = requestSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const expected = issue === undefined ? 'not a request' : expectationText(issue);
  throw new UserError(`${String(kind)}: ${issue?.path.join('.') ?? ''}: ${expected}`);
}

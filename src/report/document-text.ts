/**
 * Edition of the JSON documents. It rises when a key is renamed or changes its meaning, and not when one is added.
 * 2: pages are called pages and frames frames; every document says its format.
 */
export const DOCUMENT_FORMAT = 2;

/** What every document begins with. */
export interface DocumentHead<Command extends string> {
  /** Edition of the document. */
  readonly format: typeof DOCUMENT_FORMAT;
  readonly tool: 'cdna-nic';
  /** Version of the tool. */
  readonly version: string;
  readonly command: Command;
}

/**
 * A JSON document as commands print and write it: what it is, then its fields. Nothing in it depends on when or where
 * the call was made. Absent values are `null`.
 */
export function documentText(head: DocumentHead<string>, fields: Readonly<Record<string, unknown>>): string {
  return textOf(head, fields, 2);
}

/** The same on one line, for documents that follow each other. */
export function documentLine(head: DocumentHead<string>, fields: Readonly<Record<string, unknown>>): string {
  return textOf(head, fields, undefined);
}

function textOf(
  head: DocumentHead<string>,
  fields: Readonly<Record<string, unknown>>,
  indent: number | undefined,
): string {
  const document = { ...head, ...fields };
  return `${JSON.stringify(document, (_key, value: unknown) => (value === undefined ? null : value), indent)}\n`;
}

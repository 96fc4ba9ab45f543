import { packageVersion } from '../scenario/package-folder.js';
import { DOCUMENT_FORMAT, type DocumentHead, documentText } from './document-text.js';

export { DOCUMENT_FORMAT, type DocumentHead } from './document-text.js';

/** The head of a document of a command. */
export function documentHead<Command extends string>(command: Command): DocumentHead<Command> {
  return { format: DOCUMENT_FORMAT, tool: 'cdna-nic', version: packageVersion(), command };
}

/** A JSON document of this package (see `documentText`). */
export function jsonDocument(command: string, fields: Readonly<Record<string, unknown>>): string {
  return documentText(documentHead(command), fields);
}

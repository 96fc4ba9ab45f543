import { MODEL_VERSION } from '../machine/model-version.js';
import { type DocumentHead, documentHead } from '../report/json-document.js';

/** What a document of `reproduce` begins with. */
export interface ReproduceHead extends DocumentHead<'reproduce'> {
  /** Version of what a run computes: results of two versions may differ. */
  readonly model: number;
}

/** The document of one experiment or of several, as text. */
export function reproduceDocument(results: readonly object[]): string {
  const [only] = results;
  const found = results.length === 1 && only !== undefined ? only : { results };
  const head = { ...documentHead('reproduce'), model: MODEL_VERSION };
  return `${JSON.stringify({ ...head, ...found }, null, 2)}\n`;
}

/** The result in the document of one experiment: all but the head, which says who wrote it. */
export function resultOfDocument(text: string): object {
  const { format, tool, version, command, model, ...result } = JSON.parse(text) as ReproduceHead;
  return result;
}

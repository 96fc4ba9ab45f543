import * as z from 'zod';
import { scenarioSchema } from './schema.js';

/** The JSON Schema of a scenario file as text; scenarios/scenario.schema.json holds it. */
export function scenarioJsonSchema(): string {
  const schema = z.toJSONSchema(scenarioSchema, { io: 'input' });
  return `${JSON.stringify({ title: 'cdna-nic scenario', ...schema }, null, 2)}\n`;
}

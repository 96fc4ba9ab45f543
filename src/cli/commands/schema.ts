import type { CommandEntry } from './entry.js';

export const schemaCommand: CommandEntry = {
  usage: 'schema',
  summary: 'print the JSON Schema of a scenario, for editors',
  options: [],
  load: async () => {
    const { scenarioJsonSchema } = await import('../../scenario/json-schema.js');
    return async (_args, _options, io) => {
      io.out(scenarioJsonSchema());
      return 0;
    };
  },
};

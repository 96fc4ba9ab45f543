import type { CommandEntry } from './entry.js';

export const schemaCommand: CommandEntry = {
  usage: 'schema',
  summary: 'print the JSON Schema of a scenario, for editors',
  options: [
    ['--out <file>', 'write it into a file instead'],
    ['--force', 'write over a file that cdna-nic did not write'],
  ],
  load: async () => {
    const { scenarioJsonSchema } = await import('../../scenario/json-schema.js');
    const { AtomicFile } = await import('../../report/atomic-file.js');
    const { refuseForeignFiles } = await import('../../report/foreign-file.js');
    const { filePath } = await import('../output-paths.js');
    return async (_args, options, io) => {
      const out = filePath('--out', options.out);
      if (out === undefined) {
        io.out(scenarioJsonSchema());
        return 0;
      }
      refuseForeignFiles([out], options.force === true);
      const file = new AtomicFile(out);
      file.text(scenarioJsonSchema());
      file.commit();
      io.out(`wrote ${out}\n`);
      return 0;
    };
  },
};

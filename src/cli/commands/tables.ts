import type { CommandEntry } from './entry.js';

export const tablesCommand: CommandEntry = {
  usage: 'tables <file>',
  summary: 'read a dump of VT-d or AMD-Vi translation tables and print which device reaches what',
  options: [
    ['--json', 'one JSON document on stdout'],
    ['--check', 'compare with the translations that the file lists'],
  ],
  notes: `docs/iommu-tables.md says what a dump holds and how to take one.
Exit code: 0 fine, 1 the dump lacks a table or --check found differences, 2 usage or a file that cannot be used. Entries that
hardware would refuse are printed as problems of the tables and leave it as it is.`,
  load: async () => {
    const { tablesCommand: showTables } = await import('../../tables/tables-command.js');
    return async ([file = ''], { json, check }, io) =>
      showTables(file, { json: json === true, check: check === true }, io);
  },
};

import { readAmdviTables } from './amdvi-tables.js';
import { ListComparison } from './comparison.js';
import { type Dump, DumpError, readDump } from './dump.js';
import type { Requester, TableSet } from './enumeration.js';
import { JsonOutput, type TablesIo, TextOutput } from './output.js';
import { RangeMerger } from './range-merger.js';
import { readVtdTables } from './vtd-tables.js';

export interface TablesOptions {
  /** One JSON document instead of text. */
  readonly json?: boolean;
  /** Compare with the translations that the dump lists. */
  readonly check?: boolean;
}

/** 0: done. 1: the dump lacks a table, or `--check` found differences. 2: the file cannot be used. */
export type TablesExitCode = 0 | 1 | 2;

/**
 * `cdna-nic tables FILE`: prints the contexts (VT-d) or devices (AMD-Vi) of a dump of translation tables, and what
 * each may reach. The translations come from walking the tables in the dump's pages; the dump's own list is only
 * used by `--check`.
 */
export async function tablesCommand(
  file: string,
  options: TablesOptions,
  io: TablesIo,
): Promise<TablesExitCode> {
  try {
    return showTables(await readDump(file), options, io);
  } catch (error) {
    if (!(error instanceof DumpError)) throw error;
    io.err(`${error.message}\n`);
    return 2;
  }
}

/** Shows a dump that is in memory. @throws DumpError if it is to be checked and lists nothing. */
export function showTables(dump: Dump, options: TablesOptions, io: TablesIo): TablesExitCode {
  if (options.check === true && dump.translations === undefined) {
    throw new DumpError(
      `${dump.source}: translations is missing, expected the list to check the tables against`,
    );
  }
  const set = dump.kind === 'vtd' ? readVtdTables(dump) : readAmdviTables(dump);
  const comparison = options.check === true ? new ListComparison(dump.translations ?? []) : undefined;
  if (comparison !== undefined) compareEntries(dump, set, comparison);
  const output = options.json === true ? new JsonOutput(io) : new TextOutput(io);

  let ranges = 0;
  let total = 0;
  const merger = new RangeMerger((range) => {
    ranges += 1;
    output.range(range);
  });
  output.begin(set, dump.description, dump.pages.count);
  for (const sharing of shareTables(set.requesters)) {
    output.requesters(sharing);
    let count = 0;
    for (const [at, requester] of sharing.entries()) {
      if (at > 0 && comparison === undefined) break;
      comparison?.begin(requester.requesterId);
      set.visit(requester, (iovaPage, physicalPage, pageBits, read, write) => {
        comparison?.accept(iovaPage, physicalPage, pageBits, read, write);
        if (at > 0) return;
        count += 1;
        merger.add(iovaPage, physicalPage, pageBits, read, write);
      });
      comparison?.end();
    }
    merger.finish();
    output.endRequesters(count);
    total += count * sharing.length;
  }
  comparison?.finish();
  output.end(total, ranges, comparison);
  // Without a table of the dump the list is not all that a device may reach, however well it agrees with the dump's own.
  return set.problems.missing === 0 && comparison?.equal !== false ? 0 : 1;
}

/** Requesters whose entries lead to the same tables with the same rights, in the order in which they come. */
function shareTables(requesters: readonly Requester[]): Requester[][] {
  const groups = new Map<string, Requester[]>();
  for (const requester of requesters) {
    const { treatment, domainId, table, levels, fields } = requester;
    const key = [treatment, domainId, table, levels, fields.read, fields.write].join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [requester]);
    else group.push(requester);
  }
  return [...groups.values()];
}

/** Compares the entries of requesters with `contexts` (all of them) or `devices` (those that are listed). */
function compareEntries(dump: Dump, set: TableSet, comparison: ListComparison): void {
  const found = new Map(set.requesters.map((requester) => [requester.requesterId, requester]));
  const listed = new Set<number>();
  const entry = dump.kind === 'vtd' ? 'context' : 'device';
  const compare = (requesterId: number, fields: Readonly<Record<string, number | undefined>>): void => {
    listed.add(requesterId);
    const requester = found.get(requesterId);
    if (requester === undefined) comparison.noteEntry('missing', requesterId, entry);
    else comparison.compareFields(requester, fields);
  };
  if (dump.kind === 'vtd') {
    for (const { bus, devfn, table, translation_type, address_width, domain } of dump.contexts ?? []) {
      const address = table === undefined ? undefined : table * 4096;
      compare((bus << 8) | devfn, { translation_type, address_width, domain, table: address });
    }
    if (dump.contexts === undefined) return;
    for (const requesterId of found.keys()) {
      if (!listed.has(requesterId)) comparison.noteEntry('extra', requesterId, entry);
    }
  } else {
    for (const { device_id, mode, domain } of dump.devices ?? []) {
      if (device_id !== undefined) compare(device_id, { mode, domain });
    }
  }
}

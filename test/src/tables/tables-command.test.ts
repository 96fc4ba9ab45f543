import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDump } from '../../../src/tables/dump.js';
import { type TablesOptions, tablesCommand } from '../../../src/tables/tables-command.js';
import { captured } from './dump-maker.js';

const LINUX_AMDVI = fileURLToPath(
  new URL('../../fixtures/iommu-tables/linux-amdvi-tables.json.gz', import.meta.url),
);
const LINUX = fileURLToPath(new URL('../../fixtures/iommu-tables/linux-vtd-tables.json.gz', import.meta.url));

async function run(file: string, options: TablesOptions = {}) {
  const capture = captured();
  const code = await tablesCommand(file, options, capture.io);
  return { code, out: capture.out(), err: capture.err() };
}

interface LinuxDump {
  root_table: unknown;
  frames: Record<string, string>;
  contexts: Record<string, unknown>[];
  translations: Record<string, unknown>[];
}

let folder = '';
let original = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tables-'));
  original = gunzipSync(await readFile(LINUX)).toString();
});
afterAll(() => rm(folder, { recursive: true }));

/** The Linux dump after `change`, in a file of its own, as plain JSON. */
async function changed(change: (dump: LinuxDump) => void): Promise<string> {
  const dump = JSON.parse(original) as LinuxDump;
  change(dump);
  const file = join(folder, 'dump.json');
  await writeFile(file, JSON.stringify(dump));
  return file;
}

describe('tables that Linux built for VT-d', () => {
  it('are what the dump lists: 5 contexts in 3 domains, 12,583 translations', async () => {
    const { code, out, err } = await run(LINUX, { check: true });
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('5 contexts, 3 domains, 16 pages');
    expect(out).toContain('00:1f.0, 00:1f.2, 00:1f.3  domain 4, 3 levels, table 0x29db000\n  0x0-0xffffff ');
    expect(out).toContain('4096 x 4 KB');
    expect(out).toContain('12,583 translations in 240 ranges');
    expect(out).toContain('check: all 12,583 translations as the file lists them');
  });

  it('as JSON', async () => {
    const { code, out } = await run(LINUX, { json: true, check: true });
    const result = JSON.parse(out);
    expect(code).toBe(0);
    expect(result).toMatchObject({
      format: 2,
      command: 'tables',
      kind: 'vtd',
      translation_count: 12_583,
      problems: [],
    });
    expect(result.check).toMatchObject({ equal: true, matched: 12_583, missing: 0, extra: 0, different: 0 });
    expect(result.contexts).toHaveLength(5);
    expect(result.contexts[2]).toMatchObject({ source_id: '0xf8', domain: 4, table: '0x29db000' });
    expect(result.contexts[4].translations).toEqual([
      {
        iova: '0x0',
        iova_last: '0xffffff',
        physical: '0x0',
        page_bits: 12,
        pages: 4096,
        read: true,
        write: true,
      },
    ]);
    expect(JSON.parse((await run(LINUX, { json: true })).out).check).toBeNull();
  });
});

describe('--check', () => {
  it('lists what is missing, extra and different', async () => {
    const file = await changed((dump) => {
      const [first = {}, second = {}] = dump.translations;
      dump.translations.splice(2, 1); // now extra in the tables
      second.physical = '0x123000'; // different
      dump.translations.push({ ...first, iova: '0x5000' }); // missing
      dump.translations.push({ ...first, source_id: '0x99' }); // missing: no such context
    });
    const { code, out } = await run(file, { check: true });
    expect(code).toBe(1);
    expect(out).toContain('check: 2 missing, 1 extra, 1 different');
    expect(out).toContain('missing   00:13.1  listed 0xffebd000 -> 0x2dd1000 rw 4 KB');
    expect(out).toContain('missing   00:01.0  listed 0x5000 ->');
    expect(out).toContain('extra     00:01.0  found 0xffebf000 -> 0x2dd1000 rw 4 KB');
    expect(out).toContain(
      'different 00:01.0  listed 0xffebe000 -> 0x123000 rw 4 KB, found 0xffebe000 -> 0x2dd0000 rw 4 KB',
    );
    const json = JSON.parse((await run(file, { check: true, json: true })).out);
    expect(json.check).toMatchObject({ equal: false, missing: 2, extra: 1, different: 1 });
    expect(json.check.differences).toContainEqual({
      kind: 'extra',
      source_id: '0x8',
      found: { iova: '0xffebf000', physical: '0x2dd1000', page_bits: 12, read: true, write: true },
    });
  });

  it('sees a permission, a page size and a duplicate', async () => {
    const permission = await changed((dump) => Object.assign(dump.translations[7] ?? {}, { write: false }));
    expect((await run(permission, { check: true })).out).toContain('0 missing, 0 extra, 1 different');
    const size = await changed((dump) => Object.assign(dump.translations[7] ?? {}, { page_bits: 21 }));
    expect((await run(size, { check: true })).code).toBe(1);
    const twice = await changed((dump) => dump.translations.push({ ...dump.translations[7] }));
    expect((await run(twice, { check: true })).code).toBe(0);
  });

  it('compares contexts', async () => {
    const file = await changed((dump) => {
      Object.assign(dump.contexts[1] ?? {}, { domain: 9, table: '0x1000' });
      Object.assign(dump.contexts[4] ?? {}, { devfn: 252 });
    });
    const { code, out } = await run(file, { check: true });
    expect(code).toBe(1);
    expect(out).toContain('different 00:01.0  listed domain 9, found domain 3');
    expect(out).toContain('different 00:01.0  listed table 0x1000, found table 0x29d6000');
    expect(out).toContain('missing   00:1f.4  listed entry context');
    expect(out).toContain('extra     00:1f.3  found entry context');
  });

  it('counts all and shows the first of many differences', async () => {
    const file = await changed((dump) => {
      dump.translations = [];
    });
    const { code, out } = await run(file, { check: true });
    expect(code).toBe(1);
    expect(out).toContain('0 missing, 12583 extra, 0 different');
    expect(out).toContain('and 12563 more (see --json)');
  });
});

describe('a dump that is not whole', () => {
  it('tells which frames are missing and lists the rest', async () => {
    const file = await changed((dump) => {
      delete dump.frames['0x2a0e000'];
    });
    const plain = await run(file);
    expect(plain.code).toBe(1);
    expect(plain.out).toContain('1 problem:\n  the dump lacks the level 1 table at 0x2a0e000');
    const check = await run(file, { check: true });
    expect(check.code).toBe(1);
    expect(check.out).toContain('1536 missing'); // three contexts share the table
  });

  it('copes with a missing root or context table', async () => {
    const noRoot = await changed((dump) => {
      delete dump.frames['0x294f000'];
    });
    expect((await run(noRoot)).out).toContain('the dump lacks the root table at 0x294f000');
    const noContext = await changed((dump) => {
      delete dump.frames['0x29d0000'];
      const root = Buffer.from(dump.frames['0x294f000'] ?? '', 'base64');
      root.writeUInt32LE(0x7777_7001, 0);
      dump.frames['0x294f000'] = root.toString('base64');
    });
    expect((await run(noContext)).out).toContain('lacks the context table of bus 0x0 at 0x77777000');
  });
});

describe('what hardware would refuse', () => {
  it('is a finding, and no failure of the command (docs/iommu-tables.md)', async () => {
    // A unit that offers tables of 48 bits alone; those of Linux here have 39.
    const file = await changed((dump) => Object.assign(dump, { cap: '0x400' }));
    const { code, out } = await run(file);
    expect(out).toContain('asks for 39 bits, which the CAP register does not offer');
    expect(code).toBe(0);
  });
});

describe('the script of docs/iommu-tables.md', () => {
  it('takes the dump that Linux left from an image of memory', async () => {
    const page = await readFile(new URL('../../../docs/iommu-tables.md', import.meta.url), 'utf8');
    const script = join(folder, 'take-dump.mjs');
    await writeFile(script, /^```js\n([\s\S]*?)^```$/mu.exec(page)?.[1] ?? '');
    const { root_table: root, frames, translations } = JSON.parse(original) as LinuxDump;
    const image = join(folder, 'memory.bin');
    const memory = await open(image, 'w');
    for (const [address, text] of Object.entries(frames))
      await memory.write(Buffer.from(text, 'base64'), 0, 4096, Number(address));
    await memory.close();
    const taken = join(folder, 'taken.json');
    await promisify(execFile)(process.execPath, [script, image, String(root), taken]);
    const dump = JSON.parse(await readFile(taken, 'utf8')) as LinuxDump;
    expect(dump.frames).toEqual(frames);
    await writeFile(taken, JSON.stringify({ ...dump, translations }));
    expect(await run(taken, { check: true })).toMatchObject({ code: 0, err: '' });
  });
});

describe('a damaged file', () => {
  const refused = async (change: (dump: LinuxDump) => void, message: string) => {
    const { code, out, err } = await run(await changed(change));
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n.*\n/); // one line, no stack
  };

  it('is refused with the field, its value and what was expected', async () => {
    await refused((dump) => {
      dump.root_table = '0x294f001';
    }, 'root_table is "0x294f001", expected a 4 KB aligned address below 2^52');
    await refused((dump) => {
      dump.frames['0x2a0d000'] = 'AAAA';
    }, 'frames.0x2a0d000 is "AAAA", expected base64 of 4096 bytes');
    await refused((dump) => {
      dump.frames['2a0d'] = dump.frames['0x2a0d000'] ?? '';
    }, 'frames has the key "2a0d", expected a 4 KB aligned address');
    await refused((dump) => {
      dump.frames['0x02a0d000'] = dump.frames['0x2a0d000'] ?? '';
    }, 'frames["0x02a0d000"] is there twice');
    await refused(
      (dump) => Object.assign(dump.translations[3] ?? {}, { read: 'yes' }),
      'translations[3].read is "yes", expected true or false',
    );
    await refused(
      (dump) => Object.assign(dump.translations[0] ?? {}, { page_bits: 11 }),
      'translations[0].page_bits is 11, expected at least 12',
    );
    await refused(
      (dump) => delete dump.translations[0]?.source_id,
      'translations[0].source_id is missing, expected a requester ID',
    );
    await refused(
      (dump) => Object.assign(dump.contexts[0] ?? {}, { devfn: 256 }),
      'contexts[0].devfn is 256, expected a whole number below 256',
    );
    await refused(
      (dump) => Object.assign(dump, { translations: 'none' }),
      'translations is "none", expected a list',
    );
    await refused((dump) => Object.assign(dump, { frames: [] }), 'frames is [], expected an object');
  });

  it('may be no dump at all', async () => {
    const file = join(folder, 'other');
    const given = async (bytes: string | Uint8Array) => {
      await writeFile(file, bytes);
      return run(file);
    };
    expect(await given('{"a":1}')).toMatchObject({
      code: 2,
      err: expect.stringContaining('neither root_table'),
    });
    expect(await given('[]')).toMatchObject({ code: 2, err: expect.stringContaining('expected an object') });
    expect(await given('not json')).toMatchObject({ code: 2, err: expect.stringContaining('is not JSON') });
    const cut = (await readFile(LINUX)).subarray(0, 9000);
    expect(await given(cut)).toMatchObject({ code: 2, err: expect.stringContaining('does not unpack') });
    expect(await given(gzipSync('{'))).toMatchObject({
      code: 2,
      err: expect.stringContaining('is not JSON'),
    });
  });

  it('that cannot be read is refused in one line, as elsewhere', async () => {
    const absent = join(folder, 'absent');
    expect(await run(absent)).toEqual({
      code: 2,
      out: '',
      err: `${absent}: cannot be read (no such file), expected a dump of translation tables\n`,
    });
    expect((await run(folder)).err).toBe(
      `${folder}: cannot be read (it is a folder), expected a dump of translation tables\n`,
    );
    const lines = join(folder, 'lines');
    await writeFile(lines, 'a\nb\nc\n');
    const { code, err } = await run(lines);
    expect(code).toBe(2);
    expect(err).toMatch(/^[^\n]*lines: is not JSON \([^\n]*\), expected JSON, gzip'd or not\n$/u);
  });

  it('cannot be checked without a list', async () => {
    const file = await changed((dump) => Reflect.deleteProperty(dump, 'translations'));
    expect((await run(file)).code).toBe(0);
    const { code, err } = await run(file, { check: true });
    expect([code, err]).toEqual([2, expect.stringContaining(`${file}: translations is missing`)]);
  });
});

describe('tables that Linux built for AMD-Vi', () => {
  interface AmdviDump {
    devices: { device_id: string; table?: string }[];
    frames: Record<string, string>;
    translations: unknown[];
  }
  let dump: AmdviDump;
  beforeAll(async () => {
    dump = JSON.parse(gunzipSync(await readFile(LINUX_AMDVI)).toString()) as AmdviDump;
  });

  it('are what the dump lists: 252 devices, 348 translations of 4 to 64 KB', async () => {
    const { code, out, err } = await run(LINUX_AMDVI, { check: true });
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('check: all 348 translations as the file lists them');
    for (const size of ['4 KB', '8 KB', '16 KB', '64 KB']) expect(out).toContain(size);
  });

  it('without a root table are incomplete, though the dump lists no more than it holds', async () => {
    // The pages of the device table come first in memory; every other frame is a table that something points at.
    const frames = Object.keys(dump.frames);
    const verdicts = await Promise.all(
      frames.map(async (frame) => {
        const without = structuredClone(dump);
        delete without.frames[frame];
        without.translations = [];
        const file = join(folder, `without-${frame}.json`);
        await writeFile(file, JSON.stringify(without));
        return run(file, { check: true });
      }),
    );
    expect(verdicts.map(({ code }) => code)).toEqual(frames.map(() => 1));
    for (const { out } of verdicts) expect(out).toContain('check: incomplete, since the dump lacks 1 table');
  });
});

describe('a compressed dump', () => {
  it('that unpacks to more than the limit is refused before it fills memory', async () => {
    const file = join(folder, 'bomb.json.gz');
    await writeFile(file, gzipSync(Buffer.alloc(2 ** 22, 0x20)));
    await expect(readDump(file, 2 ** 20)).rejects.toThrow(
      `${file}: unpacks to more than 1048576 bytes, expected at most that`,
    );
  });
});

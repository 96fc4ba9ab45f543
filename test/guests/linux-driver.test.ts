import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CALL_REGISTERS, PAGE_COUNTERS } from '../../guests/card/call-registers.js';
import { linuxHeader } from '../../guests/card/linux-header.js';
import { MAILBOX_REGISTERS } from '../../nic/registers.js';

const folder = new URL('../../guests/linux/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const sources = readdirSync(folder).filter((name) => /\.[ch]$|^Makefile$/u.test(name));

describe('guests/linux', () => {
  it('has the header that the tables give; `npm run docs:datasheet` writes it', () => {
    const header = read('cdna_regs.h');
    expect(header).toBe(linuxHeader());
    for (const { name, offset } of MAILBOX_REGISTERS)
      expect(header).toContain(`#define CDNA_${name}\t0x${offset.toString(16)}\n`);
    for (const { name, offset } of CALL_REGISTERS)
      expect(header).toContain(`#define CDNA_CALL_${name}\t0x${offset.toString(16)}\n`);
    for (const { name } of PAGE_COUNTERS) expect(header).toContain(`\t"${name}",\n`);
  });

  it('has names of counters that fit what ethtool has for them (ETH_GSTRING_LEN, 32 with the NUL)', () => {
    for (const { name } of PAGE_COUNTERS) expect(name.length).toBeLessThan(32);
  });

  it('says in every source that it is under MIT or GPL 2, and to the kernel that it is dual', () => {
    expect(sources.length).toBeGreaterThan(6);
    for (const name of sources)
      expect(read(name).split('\n')[0]).toMatch(
        /^(\/\/|\/\*|#) SPDX-License-Identifier: MIT OR GPL-2\.0-only( \*\/)?$/u,
      );
    expect(read('cdna_main.c')).toContain('MODULE_LICENSE("Dual MIT/GPL")');
  });

  it('is no part of the npm package, and has the attack only when it is asked for', () => {
    const { files } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      files: string[];
    };
    expect(files.some((entry) => entry.startsWith('guests'))).toBe(false);
    const [, unconditional = ''] = /cdna_nic-y := (.*)/u.exec(read('Makefile')) ?? [];
    expect(unconditional).toContain('cdna_main.o');
    expect(unconditional).not.toContain('attack');
  });
});

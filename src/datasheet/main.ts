import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { guestDatasheet } from '../../guests/card/guest-datasheet.js';
import { linuxHeader } from '../../guests/card/linux-header.js';
import { datasheet } from '../../nic/datasheet.js';

// Writes the pages that come from the tables of the card, wherever it is started from.
const PAGES = [
  ['docs/datasheet.md', datasheet],
  ['docs/datasheet-guest.md', guestDatasheet],
  ['guests/linux/cdna_regs.h', linuxHeader],
] as const;

for (const [name, text] of PAGES) {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url));
  writeFileSync(path, text());
  process.stderr.write(`wrote ${path}\n`);
}

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { figureHtml } from '../../../src/report/html/figure-html.js';
import { html, idOf } from '../../../src/report/html/markup.js';
import { DARK, LIGHT } from '../../../src/report/html/style.js';
import { REPORTS, type ReportName, writeReport } from '../../support/reports.js';
import { runs, WHOLE } from '../../support/whole.js';
import { invoke } from '../cli/invoke.js';
import { scratchFolder } from './scratch-folder.js';

const scratch = scratchFolder();

/** Attributes of all elements of a name, as they stand in the page. */
function elements(page: string, name: string): string[] {
  return [...page.matchAll(new RegExp(`<${name}(?=[\\s>])([^>]*)>`, 'gu'))].map((match) => match[1] ?? '');
}

function attribute(attributes: string, name: string): string | undefined {
  return new RegExp(`(?:^|\\s)${name}="([^"]*)"`, 'u').exec(attributes)?.[1];
}

describe.each(REPORTS)('the report of %s', (name: ReportName) => {
  let page = '';
  beforeAll(async () => {
    page = readFileSync(await writeReport(name, scratch.path('.')), 'utf8');
  });

  test('is one whole document with a language, a title, one heading of the first rank and a main part', () => {
    expect(page.startsWith('<!doctype html>\n<html lang="en">')).toBe(true);
    expect(page.endsWith('</html>\n')).toBe(true);
    expect(/<title>([^<]{10,})<\/title>/u.test(page)).toBe(true);
    for (const tag of ['h1', 'main', 'nav', 'header', 'footer']) expect(elements(page, tag)).toHaveLength(1);
    const open = ['section', 'figure', 'details', 'div', 'table', 'svg', 'button', 'ul', 'p'];
    for (const tag of open) {
      expect(page.split(`</${tag}>`).length - 1, tag).toBe(elements(page, tag).length);
    }
  });

  test('begins with the question, the answer, the seed and the command', () => {
    const [head = ''] = page.split('<main');
    expect(head).toMatch(/<p class="question">[^<]{20,}\?<\/p>/u);
    expect(head).toMatch(/Answer<\/h2><p>[^<]{20,}<\/p>/u);
    expect(head).toContain('(seed 1)');
    const repeat = name === 'sweep' ? 'report ' : '[^<]*--seed 1';
    expect(head).toMatch(new RegExp(`<pre><code>cdna-nic ${name} ${repeat}`, 'u'));
  });

  test('every figure has a sentence, a command, parameters, and its numbers as a table', () => {
    const figures = page.split('<figure').slice(1);
    expect(figures.length).toBeGreaterThanOrEqual(2);
    for (const figure of figures.map((text) => text.slice(0, text.indexOf('</figure>')))) {
      expect(figure).toMatch(/<figcaption><h3>[^<]{4,}<\/h3><p>[^<]{30,}\.<\/p><\/figcaption>/u);
      expect(figure).toMatch(/<div class="repeat"><span>Again:<\/span><pre><code>cdna-nic [a-z]+ /u);
      expect(figure).toMatch(/<details class="parameters"><summary>[^<]+<\/summary><dl><dt>/u);
      expect(figure).toMatch(
        /<div class="scroll[^"]*" tabindex="0" role="region" aria-label="Table: [^"]+"><table>/u,
      );
      expect(figure).toMatch(/<tbody>\s*<tr>/u);
    }
  });

  test('every plot is there twice, for a page and for a phone, with a name and a description', () => {
    const plots = elements(page, 'svg');
    const wide = page.match(/<div class="plot wide">/gu) ?? [];
    expect(wide.length).toBeGreaterThan(0);
    expect(page.match(/<div class="plot narrow">/gu)).toHaveLength(wide.length);
    expect(plots).toHaveLength(2 * wide.length);
    for (const plot of plots) {
      expect(attribute(plot, 'role')).toBe('img');
      for (const id of attribute(plot, 'aria-labelledby')?.split(' ') ?? ['none']) {
        expect(page).toMatch(new RegExp(`<(?:title|desc) id="${id}">[^<]{5,}</`, 'u'));
      }
    }
  });

  test('ids are unique, and what is referred to is there', () => {
    const ids = [...page.matchAll(/\sid="([^"]*)"/gu)].map((match) => match[1] ?? '');
    expect(new Set(ids).size).toBe(ids.length);
    const known = new Set(ids);
    const references = [
      ...[...page.matchAll(/href="#([^"]*)"/gu)].map((match) => match[1]),
      ...[...page.matchAll(/url\(#([^)]*)\)/gu)].map((match) => match[1]),
      ...[...page.matchAll(/(?:popovertarget|aria-labelledby)="([^"]*)"/gu)].flatMap((match) =>
        match[1]?.split(' '),
      ),
    ];
    expect(references.length).toBeGreaterThan(5);
    expect(references.filter((id) => !known.has(id ?? ''))).toEqual([]);
  });

  test('needs nothing else: no script, no address that is fetched', () => {
    expect(page).not.toMatch(/<script|<iframe|<img|<object|<embed|@import|javascript:|\son[a-z]+="/iu);
    const addresses = [
      ...page.matchAll(/\s(?:href|src|srcset|action|formaction|data|poster)="([^"]*)"/gu),
    ].map((match) => match[1]);
    // Other pages of the same folder may be named; they are not fetched.
    const others = /^(?:#|data:,$|[a-z]+\.html(?:#[a-z-]+)?$)/u;
    expect(addresses.filter((address) => !others.test(address ?? ''))).toEqual([]);
    expect(page.match(/url\((?!#)/gu)).toBeNull();
  });

  if (name === 'attack')
    test('answers CDNA against an IOMMU in words', () => {
      expect(page).toMatch(
        /CDNA against an IOMMU \(iommu:single-use, of its 2 variants here the one that lets the fewest attacks through, \d of \d\): .*\d of \d attacks by guests get through, under the IOMMU \d of \d\..*Of these two \S+ gets? through CDNA alone, and nothing gets through the IOMMU alone\./u,
      );
    });

  if (name === 'compare' || name === 'run')
    test('links the pages that are written beside it', () => {
      expect(page).toMatch(
        /<p class="links">Beside this page: [^\n]*<a href="protection\.html">what each approach is<\/a>/u,
      );
    });

  test('no colour is written that does not follow light and dark', () => {
    const drawn = [...page.matchAll(/\s(?:fill|stroke)="([^"]*)"/gu)].map((match) => match[1] ?? '');
    expect(drawn.length).toBeGreaterThan(50);
    const literal = drawn.filter(
      (colour) => !/^(?:none|transparent|var\(--[a-z0-9-]+\)|url\(#[^)]+\))$/u.test(colour),
    );
    expect([...new Set(literal)]).toEqual([]);
    for (const variable of new Set(page.match(/var\(--[a-z0-9-]+/gu))) {
      expect(Object.keys(LIGHT)).toContain(variable.slice('var(--'.length));
    }
  });

  test('nothing that is drawn is fainter than 3:1 in light or dark, unless it has an outline that is not', () => {
    const marks = drawnMarks(page);
    expect(marks.length).toBeGreaterThan(20);
    for (const colours of [LIGHT, DARK]) {
      const faint = marks.filter((mark) => {
        const inks = [ink(mark, 'fill', colours), ink(mark, 'stroke', colours)];
        return Math.max(...inks.map((colour) => contrast(colour, colours.paper))) < 3;
      });
      expect([...new Set(faint)]).toEqual([]);
    }
  });

  test.runIf(WHOLE || ['compare', 'reproduce'].includes(name))('is the same twice', async () => {
    const again = readFileSync(await writeReport(name, scratch.path('.')), 'utf8');
    expect(again === page).toBe(true);
  });

  test('knows no time of day', () => {
    const withoutAddresses = page.replaceAll(/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/gu, '');
    expect(withoutAddresses).not.toMatch(/\b20[2-9]\d-\d\d-\d\d|\b\d\d:\d\d:\d\d\b/u);
  });
});

test('names of guests are text, whatever they are', async () => {
  const name = `<script>alert(1)</script>"'&<b>`;
  // What plots are rewritten by: colours, roles, ids and references to them, long numbers.
  const likeAttributes = ['a fill="#0072b2" role="x" x="1.2345"', 'b id="q" url(#q) stroke="#333"'];
  const scenario = scratch.path('hostile.json');
  writeFileSync(
    scenario,
    JSON.stringify({
      name: '</title><img src=x onerror=alert(2)>',
      guests: [
        { name, traffic: { kind: 'greedy' } },
        ...likeAttributes.map((like) => ({ name: like, traffic: { kind: 'greedy' } })),
      ],
    }),
  );
  const out = scratch.path('hostile');
  const { code } = await invoke(
    ...['compare', '--no-attacks', scenario, '--duration', '2ms', '--protection', 'cdna', '--out', out],
  );
  expect(code).toBe(0);
  const page = readFileSync(join(out, 'compare.html'), 'utf8');
  expect(page).not.toContain('<script');
  expect(page).not.toContain('<img');
  expect(page).not.toContain('<b>');
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  // Nothing of the name is lost or changed.
  const drawn = [...page.matchAll(/<text [^>]*>([^<]*)<\/text>/gu)].map((match) =>
    (match[1] ?? '').replaceAll('&quot;', '"'),
  );
  for (const like of likeAttributes) {
    expect(drawn.filter((text) => text.includes(like)).length).toBeGreaterThan(0);
  }
  const begun = drawn.filter((text) => /\b(?:a fill=|b id=)/u.test(text));
  // The title of a panel may be cut off.
  const isOurs = (text: string) =>
    likeAttributes.some((like) => text.includes(like) || like.startsWith(text.replace(/…$/u, '')));
  expect(begun.filter((text) => !isOurs(text))).toEqual([]);
});

describe('sentences under figures say what the runs gave', () => {
  /** The caption of a figure of `compare`, of one guest that offers so many wire bits per second. */
  async function captions(load: string, traffic: object, protection: string) {
    const scenario = scratch.path(`${load}.json`);
    writeFileSync(scenario, JSON.stringify({ guests: [{ traffic }] }));
    const out = scratch.path(load);
    const args = [
      'compare',
      '--no-attacks',
      scenario,
      '--duration',
      '8ms',
      '--protection',
      protection,
      '--out',
      out,
    ];
    expect((await invoke(...args)).code).toBe(0);
    const page = readFileSync(join(out, 'compare.html'), 'utf8');
    const { runs } = JSON.parse(readFileSync(join(out, 'compare.json'), 'utf8'));
    const caption = (id: string) =>
      new RegExp(`<figure id="${id}">\\s*<figcaption><h3>[^<]*</h3><p>([^<]*)</p>`, 'u').exec(page)?.[1] ??
      '';
    return { goodput: caption('goodput'), cpu: caption('cpu'), runs };
  }

  test('a wire with spare capacity was not the limit', async () => {
    const traffic = { kind: 'constant', wireRateBps: 100e6 };
    const { goodput, cpu, runs } = await captions('light', traffic, 'none,iommu:shadow-copy');
    expect(runs[0].wireBusyFraction).toBeLessThan(0.5);
    expect(goodput).toContain('so it was not the wire alone that limited them.');
    expect(cpu).toMatch(/ from [\d.]+ % \(none\) to [\d.]+ % \(iommu:shadow-copy\)/u);
    expect(cpu).not.toContain('the same everywhere');
  });

  test('a full wire was', async () => {
    const { goodput, cpu } = await captions('heavy', { kind: 'greedy' }, 'none');
    expect(goodput).toMatch(/; the wire out was the limit, (?:9[89]|100)\.\d % busy\.$/u);
    expect(cpu).toMatch(/by the domain that was running\.$/u);
  });
});

test('run writes a page of its one run', async () => {
  const folder = scratch.path('only-run');
  expect((await invoke('run', '--duration', '1ms', '--out', folder)).code).toBe(0);
  const page = readFileSync(join(folder, 'run.html'), 'utf8');
  expect(page).toContain('<h1>One run under cdna</h1>');
  expect(page).toContain('cdna-nic run --protection cdna');
});

test('whatever is put into a template is escaped', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const inside = html`<p title="${text}">${text}</p>`.text;
      const [, title = '', body = ''] = /^<p title="([^"]*)">([^<]*)<\/p>$/u.exec(inside) ?? [];
      for (const part of [title, body]) {
        const back = part
          .replaceAll('&lt;', '<')
          .replaceAll('&gt;', '>')
          .replaceAll('&quot;', '"')
          .replaceAll('&#39;', "'")
          .replaceAll('&amp;', '&');
        expect(back).toBe(text);
        expect(part).not.toMatch(/[<>"']|&(?!(?:lt|gt|quot|#39|amp);)/u);
      }
    }),
    { numRuns: runs(300) },
  );
  expect(html`<p>${html`<b>${'<'}</b>`}${[1, '&']}</p>`.text).toBe('<p><b>&lt;</b>1&amp;</p>');
});

test('an id is made of letters, digits and dashes', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(idOf(text)).toMatch(/^[a-z0-9-]*$/u);
    }),
  );
  expect(['cdna+iommu', 'iommu:single-use'].map(idOf)).toEqual(['cdna-iommu', 'iommu-single-use']);
});

test('a figure without a plot shows its table at once', () => {
  const figure = {
    id: 'numbers',
    title: 'Numbers',
    sentence: 'What they are.',
    table: {
      heads: ['name', 'value'],
      rows: [
        ['one', '1.5 %'],
        ['two', '-'],
      ],
    },
  };
  const { text } = figureHtml(figure, { repeat: 'cdna-nic x', parameters: [{ name: 'seed', value: '1' }] });
  expect(text).not.toContain('<svg');
  expect(text).not.toContain('The numbers as a table');
  expect(text).toContain('<th scope="row">one</th><td class="number">1.5 %</td>');
});

/** Attributes of all bars, points and lines of data that are to be seen; areas are ground to the line on them. */
function drawnMarks(page: string): string[] {
  const marks: string[] = [];
  const groups: string[] = [];
  for (const [tag] of page.matchAll(/<\/?(?:g|path|rect)\b[^>]*>/gu)) {
    if (tag === '</g>') groups.pop();
    else if (tag.startsWith('<g')) groups.push(tag.endsWith('/>') ? '' : tag);
    else if (groups.at(-1)?.includes('class="data"') === true) marks.push(tag);
    if (tag.startsWith('<g') && tag.endsWith('/>')) groups.pop();
  }
  return marks;
}

/** The colour that a mark has on paper, its opacity reckoned in; hatching is drawn over the colour of its series. */
function ink(tag: string, way: 'fill' | 'stroke', colours: Readonly<Record<string, string>>): string {
  const paper = colours.paper ?? '';
  const given = attribute(tag, way) ?? 'none';
  const name = given.replace(/^url\(#.*-hatch-(\d)\)$/u, 'series-$1').replace(/^var\(--(.*)\)$/u, '$1');
  const colour = colours[name];
  if (colour === undefined) return paper;
  const alpha = [attribute(tag, 'opacity'), attribute(tag, `${way}-opacity`)]
    .map((text) => Number(text ?? 1))
    .reduce((product, one) => product * one, 1);
  const parts = [1, 3, 5].map((at) => {
    const [over = 0, under = 0] = [colour, paper].map((hex) => Number.parseInt(hex.slice(at, at + 2), 16));
    return Math.round(over * alpha + under * (1 - alpha))
      .toString(16)
      .padStart(2, '0');
  });
  return `#${parts.join('')}`;
}

/** Contrast of two colours (WCAG 2.2, relative luminance). */
function contrast(one: string, other: string): number {
  const luminance = (colour: string): number => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

test.each([
  ['light', LIGHT],
  ['dark', DARK],
])('%s: text has 4.5:1 against its ground, marks have 3:1', (_name, colours) => {
  for (const ground of [colours.paper, colours.raised]) {
    for (const text of [colours.ink, colours.soft, colours.link]) {
      expect(contrast(text, ground)).toBeGreaterThanOrEqual(4.5);
    }
    const marks = Object.entries(colours).filter(([key]) => key.startsWith('series-') || key === 'rule');
    expect(marks).toHaveLength(8);
    for (const [key, mark] of marks) expect(contrast(mark, ground), key).toBeGreaterThanOrEqual(3);
  }
  expect(contrast(colours['on-alarm'], colours.alarm)).toBeGreaterThanOrEqual(4.5);
});

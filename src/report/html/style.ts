/** Colours of a page, by name; each `--series-N` has 3:1 or more against `--paper`, each text 4.5:1 or more. */
export const LIGHT = {
  paper: '#fdfdfc',
  raised: '#f3f1ec',
  ink: '#1c1b1a',
  soft: '#57534e',
  rule: '#8d8880',
  grid: '#e3e0da',
  line: '#d8d4cc',
  link: '#0b5fa5',
  alarm: '#a3231c',
  'on-alarm': '#ffffff',
  hatch: 'rgb(255 255 255 / 0.55)',
  'series-1': '#0072b2',
  'series-2': '#b87700',
  'series-3': '#008a64',
  'series-4': '#d04f00',
  'series-5': '#b0508a',
  'series-6': '#3f8fc4',
  'series-7': '#1c1b1a',
} as const;

export const DARK: Readonly<Record<keyof typeof LIGHT, string>> = {
  paper: '#15171a',
  raised: '#1e2125',
  ink: '#ececea',
  soft: '#b4b0aa',
  rule: '#85827c',
  grid: '#2e3136',
  line: '#383c42',
  link: '#7cc0ff',
  alarm: '#ff9b8f',
  'on-alarm': '#2a0a07',
  hatch: 'rgb(0 0 0 / 0.5)',
  'series-1': '#4ba3e3',
  'series-2': '#e8a624',
  'series-3': '#2cc094',
  'series-4': '#f2803c',
  'series-5': '#df96bf',
  'series-6': '#8fd0f5',
  'series-7': '#ececea',
};

function variables(colours: Readonly<Record<string, string>>): string {
  return Object.entries(colours)
    .map(([name, colour]) => `--${name}:${colour}`)
    .join(';');
}

/** Width of a figure from which its wide plot is shown, px. */
const WIDE_PIXELS = 640;

/**
 * On paper parts of bars differ by fill and outline: what draws a page for paper makes a picture of every hatched area,
 * which is megabytes of them.
 */
const PAPER_FILLS: readonly string[] = [
  'fill:var(--series-1)',
  'fill:var(--paper);stroke:var(--series-2);stroke-width:1.2',
  'fill:var(--series-3);fill-opacity:.35;stroke:var(--series-3);stroke-width:1.2',
  'fill:var(--paper);stroke:var(--series-4);stroke-width:1.2;stroke-dasharray:3 2',
  'fill:var(--series-5);stroke:var(--ink);stroke-width:1.2',
  'fill:var(--series-6);fill-opacity:.35;stroke:var(--series-6);stroke-width:1.2;stroke-dasharray:3 2',
  'fill:var(--series-7)',
];
const PAPER = PAPER_FILLS.map((fill, index) => `[fill$="hatch-${index + 1})"]{${fill}}`).join('\n');

/** The style of every report. Print is light, whatever the screen is. */
export const STYLE = `
:root{color-scheme:light;${variables(LIGHT)}}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;${variables(DARK)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:break-word}
main,header,footer{max-width:58rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}
main.broad,.broad-header{max-width:82rem}
h1{font-size:clamp(1.6rem,1.2rem + 1.8vw,2.3rem);line-height:1.15;letter-spacing:-.015em;margin:.2rem 0 .8rem;text-wrap:balance}
h2{font-size:1.35rem;line-height:1.25;margin:3.5rem 0 .6rem;padding-top:1rem;border-top:1px solid var(--line);text-wrap:balance}
h3{font-size:1.08rem;line-height:1.3;margin:0 0 .25rem;text-wrap:balance}
p,ul,ol{max-width:44rem;margin:.5rem 0}
.kind{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.04em}
.question{font-size:1.15rem;line-height:1.45;margin:0 0 .3rem}
.setting{color:var(--soft);margin:0 0 1.2rem}
.answer{border-left:3px solid var(--series-1);padding:.1rem 0 .1rem 1rem;margin:1.2rem 0}
.answer p{margin:.45rem 0}
.answer h2{all:unset;display:block;font-weight:600}
a{color:var(--link);text-underline-offset:.15em}
a:hover{text-decoration-thickness:2px}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-100vw;top:0;background:var(--paper);padding:.5rem 1rem;z-index:2}
.skip:focus{left:0}
nav ul{columns:16rem;column-gap:2rem;padding-left:1.1rem;max-width:none;font-size:.95rem}
nav li{break-inside:avoid;margin:.15rem 0}
nav ul ul{columns:auto;margin:.1rem 0}
nav h2{all:unset;display:block;font-weight:600;margin-top:1.2rem}
figure{margin:1.6rem 0 3rem;container-type:inline-size}
figcaption p{margin:0 0 .6rem}
.plot{margin:.9rem 0;max-width:58rem}
.plot svg{display:block;width:100%;height:auto;overflow:visible}
.plot svg text{font-family:inherit}
.wide{display:none}
@container (min-width:${WIDE_PIXELS}px){.wide{display:block}.narrow{display:none}}
.plot.narrow{max-width:26rem}
pre{background:var(--raised);border-radius:4px;padding:.55rem .75rem;margin:.5rem 0;overflow-x:auto;font-size:.82rem;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere}
pre.report{white-space:pre;overflow-wrap:normal}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.repeat{display:flex;flex-wrap:wrap;align-items:baseline;gap:.1rem .8rem;margin:.5rem 0}
.repeat>span{font-size:.92rem;color:var(--soft)}
.repeat pre{margin:0;flex:1 1 20rem;min-width:0}
details{border-top:1px solid var(--line)}
details:last-of-type{border-bottom:1px solid var(--line)}
summary{cursor:pointer;padding:.4rem 0;font-size:.92rem;color:var(--link)}
details[open]>summary{color:var(--ink)}
.scroll{overflow-x:auto;max-width:100%;margin:.3rem 0 .8rem;scrollbar-width:thin;scrollbar-color:var(--rule) var(--raised);padding-bottom:.2rem;
background:linear-gradient(to left,var(--paper) 2rem,transparent) right/3rem 100% no-repeat local,linear-gradient(to left,var(--line),transparent) right/.9rem 100% no-repeat scroll}
table{border-collapse:collapse;font-size:.84rem;line-height:1.35;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
thead th{vertical-align:bottom;border-bottom:1px solid var(--rule);font-weight:600}
tbody th{font-weight:400}
.scroll :is(thead th:first-child,tbody th:first-child){position:sticky;left:0;background:var(--paper);z-index:1}
tbody :is(th,td){white-space:nowrap}
tbody :is(th,td).long{white-space:normal;min-width:12.5rem}
.tall{max-height:34rem;overflow:auto;border-bottom:1px solid var(--rule)}
.tall thead th{position:sticky;top:0;background:var(--paper)}
.tall thead th:first-child{z-index:2}
.number{text-align:right;white-space:nowrap}
.number:is(thead th){white-space:normal}
.note{font-size:.84rem;color:var(--soft)}
dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.2rem 1.2rem;margin:.3rem 0 .9rem;font-size:.88rem}
dt{color:var(--soft)}
dd{margin:0}
footer{color:var(--soft);font-size:.85rem;padding-bottom:3rem;padding-top:1rem}
@container (max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.35rem}}
@media print{
body{font-size:10pt}
main,header,footer,main.broad,.broad-header{max-width:none;padding:0}
nav,.skip,details:not([open]){display:none}
figure,h2,h3{break-inside:avoid}
h2,h3,figcaption{break-after:avoid}
a{color:inherit;text-decoration:none}
.scroll,.tall{overflow:visible;max-height:none;background:none}
${PAPER}
}
`;

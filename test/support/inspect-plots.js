// Runs in the page of a report: what is wrong with the plots that can be seen, and how many there are.
(() => {
  const wrong = [];
  let shown = 0;
  let hidden = 0;
  const ground = getComputedStyle(document.body).backgroundColor;
  const isDrawn = (mark) => {
    const { width, height } = mark.getBBox();
    return width > 0 || height > 0;
  };
  for (const figure of document.querySelectorAll('figure')) {
    const plots = [...figure.querySelectorAll('.plot')];
    const seen = plots.filter((plot) => plot.getClientRects().length > 0);
    hidden += plots.length - seen.length;
    if (plots.length > 0 && seen.length !== 1) wrong.push(`${figure.id}: ${seen.length} plots are shown`);
    for (const plot of seen) {
      shown += 1;
      const svg = plot.querySelector('svg');
      const { width, height } = svg.getBoundingClientRect();
      if (width < 100 || height < 40) wrong.push(`${figure.id}: ${width} x ${height} px`);
      const marks = [...svg.querySelectorAll('.data > :is(path, line, rect, circle)')];
      if (!marks.some(isDrawn)) wrong.push(`${figure.id}: no marks`);
      for (const text of svg.querySelectorAll('text')) {
        const { left, right } = text.getBoundingClientRect();
        // A twentieth of a pixel is lost where coordinates are rounded.
        if (left < -0.5 || right > innerWidth + 0.5) {
          wrong.push(`${figure.id}: "${text.textContent}" is outside, ${left} to ${right}`);
        }
      }
      const [text] = svg.querySelectorAll('text');
      if (text !== undefined && getComputedStyle(text).fill === ground) wrong.push(`${figure.id}: no ink`);
    }
  }
  return { shown, hidden, wrong, overflow: document.documentElement.scrollWidth - innerWidth, ground };
})();

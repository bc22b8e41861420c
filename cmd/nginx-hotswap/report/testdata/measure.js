// Writes down what a person would see: all lines of text with their places, sizes
// and contrast, and the places and colours of the curves.
const rgb = (s) => (s.match(/[\d.]+/g) || []).map(Number);
const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c;
  }
  return [255, 255, 255];
};
const place = (r) => ({ x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height });

const texts = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  const drawing = e.closest('svg');
  if (!walk.currentNode.data.trim() || e.closest('title, desc, script') || (drawing && !drawing.getClientRects().length)) continue;
  const head = e.closest('thead');
  if (head && getComputedStyle(head).position === 'absolute') continue; // for readers of screens
  const range = document.createRange();
  range.selectNodeContents(walk.currentNode);
  const style = getComputedStyle(e);
  for (const line of range.getClientRects()) texts.push({
    text: walk.currentNode.data.trim(), class: e.getAttribute('class') || '', ...place(line),
    size: parseFloat(style.fontSize) * (drawing ? drawing.getScreenCTM().a : 1),
    contrast: contrast(rgb(drawing ? style.fill : style.color), behind(e)),
  });
}
const curves = [...document.querySelectorAll('svg polyline')].filter((p) => p.closest('svg').getClientRects().length).map((p) => ({
  section: p.closest('section').id, class: p.parentElement.getAttribute('class'), color: rgb(getComputedStyle(p).stroke), ...place(p.getBoundingClientRect()),
}));
const result = document.createElement('pre');
result.id = 'measured';
result.textContent = JSON.stringify({ width: innerWidth, content: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight, texts, curves });
document.body.append(result);

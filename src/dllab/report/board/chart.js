// Curves of several runs in one SVG: a line a run, its colour from the page, read off by pointer.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 480, HEIGHT = 250;
const BOX = { left: 52, right: 12, top: 12, bottom: 28 };

// lines: [{hue, role, name, steps, values}]; values may hold null where there was no number
export function drawChart(title, lines) {
  const figure = document.createElement("figure");
  const caption = figure.appendChild(document.createElement("figcaption"));
  caption.append(title);
  const reading = caption.appendChild(document.createElement("span"));
  const svg = make("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  figure.append(svg);

  const positive = lines.every((line) => line.values.every((v) => v === null || v > 0));
  const all = lines.flatMap((line) => line.values.filter((v) => v !== null));
  if (!all.length) return null;
  const log = positive && Math.max(...all) > 50 * Math.min(...all);
  const y = scale(all, HEIGHT - BOX.bottom, BOX.top, log, 0.05);
  const x = scale(lines.flatMap((line) => line.steps), BOX.left, WIDTH - BOX.right, false, 0);
  drawAxes(svg, x, y);
  for (const line of lines) svg.append(...drawLine(line, x, y));
  follow(svg, reading, lines, x, y);
  return figure;
}

function drawAxes(svg, x, y) {
  for (const value of y.ticks) {
    svg.append(make("line", { class: "grid", x1: BOX.left, x2: WIDTH - BOX.right, y1: y(value), y2: y(value) }));
    svg.append(text(format(value), { x: BOX.left - 7, y: y(value) + 4, "text-anchor": "end" }));
  }
  for (const value of x.ticks) {
    if (x(value) < WIDTH - 70) svg.append(text(format(value), { x: x(value), y: HEIGHT - 8, "text-anchor": "middle" }));
  }
  svg.append(text("step", { x: WIDTH - BOX.right, y: HEIGHT - 8, "text-anchor": "end" }));
}

function drawLine({ hue, role, steps, values }, x, y) {
  let path = "", pen = "M";
  const dots = [];
  values.forEach((value, i) => {
    if (value === null) { pen = "M"; return; }
    const point = `${x(steps[i]).toFixed(1)} ${y(value).toFixed(1)}`;
    path += pen + point;
    pen = "L";
    if (values.length <= 20 && role !== "train") dots.push(make("circle", { cx: x(steps[i]), cy: y(value), r: 2.6, style: `--hue:${hue}` }));
  });
  return [make("path", { d: path, class: role, style: `--hue:${hue}` }), ...dots];
}

// A dotted line at the pointer, and beside the title each validation line's value there.
function follow(svg, reading, lines, x, y) {
  const at = make("line", { class: "at", y1: BOX.top, y2: HEIGHT - BOX.bottom, visibility: "hidden" });
  svg.append(at);
  const shown = lines.some((line) => line.role !== "train") ? lines.filter((line) => line.role !== "train") : lines;
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const step = x.inverse(((event.clientX - box.left) / box.width) * WIDTH);
    at.setAttribute("x1", x(step)); at.setAttribute("x2", x(step)); at.setAttribute("visibility", "visible");
    reading.replaceChildren(...shown.map((line) => {
      const value = document.createElement("span");
      value.style.color = line.hue;
      value.textContent = ` ${format(nearest(line, step), 4)}`;
      return value;
    }));
  });
  svg.addEventListener("pointerleave", () => { at.setAttribute("visibility", "hidden"); reading.replaceChildren(); });
}

function nearest({ steps, values }, step) {
  let best = 0;
  steps.forEach((s, i) => { if (Math.abs(s - step) < Math.abs(steps[best] - step)) best = i; });
  return values[best];
}

// A function from values to places, with `ticks` at round values and its `inverse`; `air` is the
// share of the range that is left free at both ends.
function scale(values, from, to, log, air) {
  const bend = log ? Math.log10 : (v) => v;
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
  if (air) [low, high] = log ? [low / 1.1, high * 1.1] : [low - air * (high - low), high + air * (high - low)];
  const [a, b] = [bend(low), bend(high)];
  const place = (v) => from + ((bend(v) - a) / (b - a)) * (to - from);
  place.inverse = (p) => low + (Math.min(Math.max((p - from) / (to - from), 0), 1)) * (high - low);
  place.ticks = log ? decades(a, b) : rounds(low, high);
  return place;
}

function rounds(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((m) => m * power >= rough);
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step / 1e6; v += step) ticks.push(v);
  return ticks;
}

function decades(a, b) {
  const ticks = [];
  const every = Math.max(1, Math.round((b - a) / 4));
  for (let power = Math.ceil(a); power <= b; power += every) ticks.push(10 ** power);
  return ticks;
}

export function format(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (size >= 10000) return value.toLocaleString("en", { notation: "compact" });
  if (size && size < 1e-3) return value.toExponential(0);
  return String(Number(value.toPrecision(Math.max(digits, size >= 100 ? 4 : digits))));
}

function make(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function text(content, attributes) {
  const element = make("text", attributes);
  element.textContent = content;
  return element;
}

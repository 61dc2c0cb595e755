// The look of every chart: theme, Plotly layout and configuration. The numbers come from palette.py (palette).
import { plain, shorten } from "./base.js";
import { palette } from "./given.js";

const LETTER = 7.1; // pixels of one letter at 12 px, for margins

const dark = () => document.body.classList.contains("dark") || document.documentElement.dataset.theme === "dark";
export const themeColours = () => palette.themes[dark() ? "dark" : "light"];
/** @type {(width: number) => boolean} */
export const isNarrow = (width) => width < 560;

// `changes` may nest; the template (fonts, grid, hover label) is the theme's.
/** @type {(size: Size, changes: object) => object} */
export const layout = (size, changes) => ({
  template: themeColours().template,
  width: size.width,
  height: size.height,
  ...changes,
});

// Round limits around values, at least `least` apart.
/** @type {(low: number, high: number, unit?: number, least?: number) => [number, number]} */
export const limits = (low, high, unit = 0.05, least = 0.1) => {
  if (!(low <= high)) return [0, 1];
  let bottom = Math.floor(low / unit + 1e-6) * unit,
    top = Math.ceil(high / unit - 1e-6) * unit; // λ comes in float32
  while (top - bottom < least - 1e-9) {
    top += unit;
    if (top - bottom < least - 1e-9) bottom -= unit;
  }
  return [bottom, top];
};

// Names at the right ends of lines, moved apart so that none covers another; where there is no room for all, the
// last ones of `wanted` are left out. `wanted`: [{value, text, colour}], most important first.
/** @type {(wanted: EndLabel[], end: { x: number, low: number, high: number, height: number }) => object[]} */
export const endLabels = (wanted, { x, low, high, height }) => {
  const gap = 15,
    room = Math.max(1, Math.floor(height / gap));
  const placed = wanted
    .filter((label) => Number.isFinite(label.value))
    .slice(0, room)
    .map((label) => ({ ...label, at: ((high - Number(label.value)) / (high - low)) * height }))
    .sort((left, right) => left.at - right.at);
  let floor = gap / 2;
  for (const label of placed) {
    label.at = Math.max(label.at, floor);
    floor = label.at + gap;
  }
  let ceiling = height - gap / 2;
  for (const label of placed.slice().reverse()) {
    label.at = Math.min(label.at, ceiling);
    ceiling = label.at - gap;
  }
  return placed.map((label) => ({
    x,
    y: high - (label.at / height) * (high - low),
    xref: "x",
    yref: "y",
    text: plain(label.text),
    xanchor: "left",
    yanchor: "middle",
    xshift: 6,
    font: { size: 12, color: label.colour },
  }));
};

// What a task is called where there is little room: the same as everywhere, cut off.
/** @type {(task: Task, length: number) => string} */
export const brief = (task, length) => shorten(task.title, length);
// The same of a block.
/** @type {(block: string, number?: string) => string} */
export const briefBlock = (block, number = "") =>
  block
    .replace(/^block /, number)
    .replace("embedding", "emb")
    .replace("output", "out");
/** @type {(narrow: boolean) => number} */
const endLength = (narrow) => (narrow ? 12 : 18);
/** @type {(narrow: boolean) => number} */
const axisLength = (narrow) => (narrow ? 11 : 22);

// The tasks as labels behind the mean: the chosen one first.
/** @type {(values: Maybe[], tasks: Task[], chosen: number, narrow: boolean) => EndLabel[]} */
export const taskLabels = (values, tasks, chosen, narrow) =>
  tasks
    .map((task, place) => ({
      value: values[place],
      text: brief(task, endLength(narrow)),
      place,
      colour: place === chosen ? themeColours().warm : themeColours().muted,
    }))
    .sort((left, right) => Number(right.place === chosen) - Number(left.place === chosen));

// Room for such labels, and for those of the mean.
/** @type {(tasks: Task[], narrow: boolean, mean?: string) => number} */
export const labelRoom = (tasks, narrow, mean = "") => {
  const lengths = tasks.map((task) => brief(task, endLength(narrow)).length);
  return Math.max(mean.length, ...lengths) * LETTER + 20; // “…” is as wide as two letters
};

// The axis of tasks, one row each, first on top.
// `marked` tasks, those with a warning, carry a sign.
/** @type {(tasks: Task[], narrow: boolean, marked?: Set<number>) => object} */
export const taskAxis = (tasks, narrow, marked = new Set()) => ({
  range: [tasks.length - 0.5, -0.5],
  showgrid: false,
  tickvals: tasks.map((_, place) => place),
  ticktext: tasks.map((task, place) => (marked.has(place) ? "⚠ " : "") + plain(brief(task, axisLength(narrow)))),
});
/** @type {(tasks: Task[], narrow: boolean) => number} */
export const taskRoom = (tasks, narrow) =>
  Math.max(4, ...tasks.map((task) => brief(task, axisLength(narrow)).length)) * LETTER + 14;

// A horizontal bar behind the marks of one task.
/** @type {(row: number, from: Maybe, to: Maybe, color: string, width: number) => object} */
export const rowBar = (row, from, to, color, width) => ({
  type: "line",
  x0: from,
  x1: to,
  y0: row,
  y1: row,
  layer: "below",
  line: { color, width },
});

// A vertical line over the whole height.
/** @type {(x: number, line: object, more?: object) => object} */
export const upright = (x, line, more = {}) => ({
  type: "line",
  x0: x,
  x1: x,
  y0: 0,
  y1: 1,
  yref: "paper",
  line,
  ...more,
});

// Such lines over steps: at the one that is being looked at, where that is not the model that the run has, and at
// the one that it kept, where steps came after it. `words` names the latter.
/** @type {(run: Run, step: number | null, words?: string) => object[]} */
export const cursor = (run, step, words = `kept: step ${run.earlier}`) => {
  const { text, accent } = themeColours();
  const place = { textposition: "end", textangle: 0, xanchor: (run.earlier ?? 0) > run.total / 2 ? "right" : "left" };
  const label = { text: words, font: { size: 11, color: accent }, padding: 4, yanchor: "top", ...place };
  return [
    ...(run.earlier === null ? [] : [upright(run.earlier, { color: accent, width: 1 }, { label })]),
    ...(step === null || step === run.earlier ? [] : [upright(step, { color: text, width: 1, dash: "dot" })]),
  ];
};

// A figure made in Python, its named colours (`@text`, `@series2`, `@accent 0.16`) replaced by those of the theme.
const COLOURED = ["color", "fillcolor", "colorscale"];
/** @type {(name: string) => string} */
export const colourOf = (name) => {
  const [, word, place, alpha] = /^@([a-z]+)([0-9]*) ?([0-9.]*)$/.exec(name) ?? [],
    found = themeColours()[word];
  if (place) return found[Number(place)];
  return alpha ? faint(found, alpha) : found;
};
/** @type {(value: Drawn, key?: string) => Drawn} */
export const coloured = (value, key = "") => {
  if (typeof value === "string") return COLOURED.includes(key) && value[0] === "@" ? colourOf(value) : value;
  if (Array.isArray(value)) return value.map((one) => coloured(one));
  if (!value || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, coloured(one, name)]));
};

// With alpha, for bands: "#rrggbb" -> "rgba(…)".
/** @type {(colour: string, alpha: number | string) => string} */
export const faint = (colour, alpha) => {
  /** @type {(from: number) => number} */
  const part = (from) => parseInt(colour.slice(from, from + 2), 16);
  return `rgba(${part(1)},${part(3)},${part(5)},${alpha})`;
};

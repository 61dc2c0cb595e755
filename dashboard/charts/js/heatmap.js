// λ as a heatmap: tasks down, depth across, a strip of tensor kinds below, block names on the axis.
import { plain, shorten } from "./base.js";
import { briefBlock, isNarrow, taskRoom, themeColours, taskAxis } from "./look.js";
import { groupMatrix, groupsOf } from "./matrix.js";

const LETTER = 6.7; // pixels of one letter at 12 px, for margins

/** @typedef {MapView & { tasks: Task[], groups: Group[], rows: Float32Array[], revision: string }} View */
/** @typedef {{ block: string, from: number, to: number, key: string }} Span */
/** @type {(size: Size, view: View) => Figure} */
export const heatmapFigure = (size, view) => {
  const narrow = isNarrow(size.width);
  const margin = { l: taskRoom(view.tasks, narrow), r: narrow ? 46 : 60, t: 8, b: 28 };
  const inner = size.width - margin.l - margin.r;
  const axis = ticks(view.groups, view.zoomed, inner);
  if (axis.detailed) Object.assign(margin, { b: 92, l: Math.max(margin.l, 76) });
  const [low, high] = view.zoomed ?? [-0.5, view.groups.length - 0.5];
  const cell = inner / Math.max(1, high - low);
  const strip = view.groups.length > 1 && new Set(view.groups.map((group) => group.kind)).size > 1;
  const bottom = strip ? 14 / (size.height - margin.t - margin.b) : 0;
  return {
    data: [cells(view, cell), ...(strip ? [kinds(view.groups)] : [])],
    layout: {
      margin,
      uirevision: view.revision,
      dragmode: narrow ? false : "zoom",
      xaxis: {
        type: "category",
        fixedrange: narrow,
        range: [-0.5, view.groups.length - 0.5],
        showgrid: false,
        anchor: strip ? "y2" : "y",
        tickvals: axis.places.map(aside),
        ticktext: axis.texts,
        tickangle: axis.detailed ? -50 : 0,
      },
      yaxis: { ...taskAxis(view.tasks, narrow), type: "category", domain: [bottom, 1], ticklabelstandoff: 4 },
      yaxis2: { domain: [0, Math.max(0.001, bottom * 0.5)], visible: false },
      shapes: [...separators(view), ...outline(view)],
      annotations: [unit(view.unit)],
    },
  };
};

// The same of a run, a column per parameter tensor.
/** @type {(size: Size, run: Run, values: Float32Array, view: MapView) => Figure} */
export const runMap = (size, run, values, view) => {
  const groups = groupsOf(run.columns, "tensor"),
    rows = groupMatrix(values, run.tasks.length, groups);
  return heatmapFigure(size, { tasks: run.tasks, groups, rows, revision: run.id, ...view });
};

/** @type {(view: View, cell: number) => object} */
function cells(view, cell) {
  const colours = themeColours();
  const signed = view.span !== undefined;
  const [low, high] = signed ? [-view.span, view.span] : view.range;
  const gap = cell >= 7 ? 1 : cell >= 4 ? 0.5 : 0;
  return {
    type: "heatmap",
    z: view.rows,
    x: view.groups.map((group) => plain(group.key)),
    y: rowNames(view.tasks),
    zmin: low,
    zmax: high,
    xgap: gap,
    ygap: 2,
    colorscale: signed ? colours.diverging : colours.sequential,
    hovertemplate: `<b>%{y}</b><br>%{x}<br>${view.unit} = %{z:${signed ? "+" : ""}.3f}<extra></extra>`,
    colorbar: {
      len: 0.88,
      lenmode: "fraction",
      y: 0,
      yanchor: "bottom",
      x: 1.012,
      ypad: 2,
      nticks: 5,
      tickformat: signed ? "+.2~f" : ".2~f",
    },
  };
}

// Rows are told apart by their names, so two tasks of one title show their short names.
/** @type {(tasks: Task[]) => string[]} */
function rowNames(tasks) {
  const titles = tasks.map((task) => task.title);
  return tasks.map((task) => plain(new Set(titles).size === titles.length ? task.title : task.name));
}

// Above the colour bar; Plotly's own title would touch the topmost number.
/** @type {(text: string) => object} */
const unit = (text) => ({
  text,
  x: 1,
  xref: "paper",
  xanchor: "left",
  xshift: 9,
  y: 1,
  yref: "paper",
  yanchor: "top",
  font: { size: 12 },
});

/** @type {(groups: Group[]) => object} */
function kinds(groups) {
  const names = Object.keys(themeColours().kinds);
  const scale = names.flatMap((name, place) =>
    [place / names.length, (place + 1) / names.length].map((stop) => [stop, themeColours().kinds[name]]),
  );
  return {
    type: "heatmap",
    yaxis: "y2",
    x: groups.map((group) => plain(group.key)),
    y: [0],
    showscale: false,
    z: [groups.map((group) => names.indexOf(group.kind) + 0.5)],
    zmin: 0,
    zmax: names.length,
    colorscale: scale,
    text: [groups.map((group) => plain(`${group.kind}: ${group.key}`))],
    hovertemplate: "%{text}<extra></extra>",
  };
}

/** @type {(view: View) => object[]} */
function separators(view) {
  const line = { color: themeColours().card, width: 3 };
  const shapes = [];
  for (let place = 1; place < view.groups.length; place += 1) {
    if (view.groups[place].block === view.groups[place - 1].block || !view.groups[place].block) continue;
    if (spans(view.groups).length > view.groups.length / 2) continue;
    shapes.push({ type: "line", x0: place - 0.5, x1: place - 0.5, y0: 0, y1: 1, yref: "paper", line });
  }
  return shapes;
}

/** @type {(view: View) => object[]} */
function outline(view) {
  if (!view.selected) return [];
  const { task, group } = view.selected;
  const line = { color: themeColours().warm, width: 2 };
  return [{ type: "rect", x0: group - 0.5, x1: group + 0.5, y0: task - 0.5, y1: task + 0.5, line }];
}

/** @type {(groups: Group[]) => Span[]} */
function spans(groups) {
  /** @type {Span[]} */
  const found = [];
  groups.forEach((group, place) => {
    const last = found[found.length - 1];
    if (last && last.block === group.block && group.block) last.to = place;
    else found.push({ block: group.block, from: place, to: place, key: group.key });
  });
  return found;
}

// Names of single columns where there is room for them, else names of blocks, as many as fit.
/** @param {Group[]} groups @param {number[] | null} zoomed @param {number} inner */
function ticks(groups, zoomed, inner) {
  const [low, high] = zoomed ?? [-0.5, groups.length - 0.5];
  const first = Math.max(0, Math.ceil(low)),
    last = Math.min(groups.length - 1, Math.floor(high));
  const parts = spans(groups).filter((span) => span.to >= first && span.from <= last);
  const single = parts.every((span) => span.from === span.to);
  if (!single && last - first + 1 <= inner / 18) {
    const shown = groups.slice(first, last + 1);
    return {
      detailed: true,
      places: shown.map((_, place) => first + place),
      texts: shown.map((group) => plain(shorten(caption(group), 15))),
    };
  }
  const places = [],
    texts = [];
  let free = -Infinity,
    named = false;
  for (const span of parts) {
    const middle = (Math.max(span.from, first) + Math.min(span.to, last)) / 2;
    const at = ((middle - low) / (high - low)) * inner;
    const found = /^block (.+)$/.exec(span.block);
    const name = span.block || span.key;
    const text = found && named ? found[1] : isNarrow(inner) ? briefBlock(name, "b") : name;
    const half = (text.length * LETTER) / 2;
    if (at - half < free) continue;
    places.push(middle);
    texts.push(plain(text));
    free = at + half + 8;
    named = named || Boolean(found);
  }
  return { detailed: false, places, texts };
}

// Exactly on a category Plotly would show the tick's short text when hovering, in place of the category's name.
/** @type {(place: number) => number} */
const aside = (place) => place + 1e-3;
/** @type {(group: Group) => string} */
const caption = (group) =>
  group.block.startsWith("block ") && group.label !== group.block
    ? `${briefBlock(group.block, "b")} ${group.label}`
    : group.label;

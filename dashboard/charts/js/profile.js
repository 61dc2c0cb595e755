// Profiles of λ: mean by depth with its spread, and the distribution over tensors for each task.
import { mean, plain, quantile } from "./base.js";
import { lineTrace } from "./lines.js";
import {
  briefBlock,
  endLabels,
  faint,
  isNarrow,
  labelRoom,
  limits,
  rowBar,
  taskAxis,
  taskRoom,
  themeColours,
  taskLabels,
} from "./look.js";
import { groupsOf } from "./matrix.js";

// {mean, low, high, median, first, third, least, most} of some λ.
/** @typedef {ReturnType<typeof summary>} Summary @param {Iterable<number>} values */
const summary = (values) => {
  const sorted = [...values].filter(Number.isFinite).sort((left, right) => left - right);
  return {
    mean: mean(sorted),
    low: quantile(sorted, 0.1),
    high: quantile(sorted, 0.9),
    median: quantile(sorted, 0.5),
    first: quantile(sorted, 0.25),
    third: quantile(sorted, 0.75),
    least: sorted[0],
    most: sorted[sorted.length - 1],
  };
};

// Mean λ of each block; the chosen task with the range of the middle 80 % of its tensors.
/** @typedef {Pick<RunView, "run" | "chosen"> & { values: Float32Array | null | undefined }} View */
/** @type {(size: Size, view: View) => Figure | null} */
export const depthFigure = (size, view) => {
  const { run, values, chosen } = view;
  const blocks = groupsOf(run.columns, "block");
  if (!values || blocks.length < 2) return null;
  const colours = themeColours(),
    width = run.columns.length,
    narrow = isNarrow(size.width);
  const names = run.tasks.map((task) => task.title);
  const stats = names.map((_, task) =>
    blocks.map((block) => summary(block.members.map((member) => values[task * width + member]))),
  );
  const x = blocks.map((_, place) => place);
  const data = [];
  if (chosen >= 0) data.push(...band(stats[chosen], x, colours.warm));
  const words = "%{text}<br>mean λ = %{y:.3f}<br>80 % of tensors: %{customdata[0]:.3f} to %{customdata[1]:.3f}";
  names.forEach((name, task) => {
    const [opacity, thick, color] = task === chosen ? [1, 2.5, colours.warm] : [0.7, 1.2, colours.muted];
    const means = stats[task].map((one) => one.mean),
      customdata = stats[task].map((one) => [one.low, one.high]),
      text = blocks.map((block) => plain(block.key));
    data.push(lineTrace(x, means, name, words, { width: thick, color }, { opacity, text, customdata }));
  });
  const overall = x.map((place) => mean(stats.map((task) => task[place].mean)));
  data.push(lineTrace(x, overall, "mean of the tasks", "λ = %{y:.3f}", { width: 2.5, color: colours.accent }));
  const shown = stats.flatMap((task, place) =>
    task.flatMap((one) => (place === chosen ? [one.mean, one.low, one.high] : [one.mean])),
  );
  const [low, high] = limits(Math.min(...shown), Math.max(...shown), 0.02, 0.06);
  const margin = { l: 46, r: labelRoom(run.tasks, narrow, "mean"), t: 8, b: 28 },
    height = size.height - margin.t - margin.b;
  const ends = stats.map((task) => task.at(-1)?.mean),
    front = { value: overall.at(-1), text: "mean", colour: colours.accent };
  const labels = [front, ...taskLabels(ends, run.tasks, chosen, narrow)];
  return {
    data,
    layout: {
      margin,
      uirevision: run.id,
      xaxis: { range: [-0.3, x.length - 0.7], ...depthTicks(blocks, size.width - margin.l - margin.r) },
      yaxis: { range: [low, high], nticks: 5, tickformat: ".2~f" },
      annotations: endLabels(labels, { x: x.length - 1, low, high, height }),
    },
  };
};

/** @type {(stats: Summary[], x: number[], colour: string) => object[]} */
function band(stats, x, colour) {
  const edge = { mode: "lines", x, line: { width: 0 }, hoverinfo: "skip" };
  return [
    { ...edge, y: stats.map((one) => one.low) },
    { ...edge, y: stats.map((one) => one.high), fill: "tonexty", fillcolor: faint(colour, 0.16) },
  ];
}

/** @type {(blocks: Group[], inner: number) => object} */
function depthTicks(blocks, inner) {
  const every = Math.ceil(blocks.length / Math.max(3, Math.floor(inner / 44)));
  const shown = blocks.map((block, place) => ({ block, place })).filter(({ place }) => place % every === 0);
  return {
    tickvals: shown.map(({ place }) => place),
    ticktext: shown.map(({ block }) => plain(briefBlock(block.key))),
  };
}

// For each task the range, the middle half and the mean over all tensors; ○ is step 0.
/** @type {(size: Size, view: View & { start: Float32Array | null }) => Figure | null} */
export const spreadFigure = (size, view) => {
  const { run, values, start } = view;
  if (!values) return null;
  const colours = themeColours(),
    width = run.columns.length,
    narrow = isNarrow(size.width);
  const names = run.tasks.map((task) => task.title),
    rows = names.map((_, place) => place);
  /** @type {(from: Float32Array, task: number) => Float32Array} */
  const part = (from, task) => from.subarray(task * width, (task + 1) * width);
  const stats = rows.map((task) => summary(part(values, task)));
  const before = start ? rows.map((task) => mean(part(start, task))) : [];
  /** @type {(row: number, from: number, to: number, thick: number) => object} */
  const bar = (row, from, to, thick) => {
    const [colour, strong, weak] = row === view.chosen ? [colours.warm, 0.9, 0.55] : [colours.accent, 0.8, 0.45];
    return rowBar(row, from, to, faint(colour, thick > 3 ? weak : strong), thick);
  };
  const all = [...stats.flatMap((one) => [one.least, one.most]), ...before].filter(Number.isFinite);
  const [low, high] = limits(Math.min(...all), Math.max(...all), 0.02, 0.04);
  /** @type {(x: number[], marker: object, template: string) => object} */
  const dots = (x, marker, template) => ({
    mode: "markers",
    x,
    y: rows,
    marker,
    customdata: stats.map((one, place) => [plain(names[place]), one.least, one.most, one.median]),
    hovertemplate: template,
  });
  return {
    data: [
      dots(
        before,
        { symbol: "circle-open", size: 8, color: colours.text, line: { width: 1.5 } },
        "<b>%{customdata[0]}</b><br>mean λ at step 0: %{x:.3f}<extra></extra>",
      ),
      dots(
        stats.map((one) => one.mean),
        { size: 11, color: colours.accent },
        "<b>%{customdata[0]}</b><br>mean λ = %{x:.3f}, median %{customdata[3]:.3f}<br>%{customdata[1]:.3f} to %{customdata[2]:.3f}<extra></extra>",
      ),
    ],
    layout: {
      margin: { l: taskRoom(run.tasks, narrow), r: 20, t: 6, b: 26 },
      uirevision: run.id,
      xaxis: { range: [low, high], nticks: narrow ? 4 : 7, tickformat: ".2~f" },
      yaxis: taskAxis(run.tasks, narrow),
      shapes: rows.flatMap((row) => [
        bar(row, stats[row].least, stats[row].most, 2),
        bar(row, stats[row].first, stats[row].third, 9),
      ]),
    },
  };
};

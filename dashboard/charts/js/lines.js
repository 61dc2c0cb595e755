// Lines over steps, one a task with the mean in front and names at their ends: entropy, loss, task-wise λ.
import { isNumber, mean, number, percent, plain } from "./base.js";
import { cursor, endLabels, isNarrow, labelRoom, limits, themeColours, taskLabels } from "./look.js";

const MOST_POINTS = 400;

// A trailing average over steps, so that the newest value is the present one.
/** @type {(values: Maybe[], window: number) => (number | null)[]} */
const smooth = (values, window) => {
  /** @type {(number | null)[]} */
  const smoothed = [];
  let sum = 0,
    count = 0;
  values.forEach((value, place) => {
    if (isNumber(value)) {
      sum += value;
      count += 1;
    }
    const gone = values[place - window];
    if (place >= window && isNumber(gone)) {
      sum -= gone;
      count -= 1;
    }
    smoothed.push(count ? sum / count : null);
  });
  return smoothed;
};
/** @type {(count: number) => number} */
export const smoothingWindow = (count) => Math.max(1, Math.min(25, Math.round(count / 12)));

/** @type {(size: Size, view: RunView & { what?: Curve }) => Figure | null} */
export const entropyFigure = (size, view) => {
  const { run, what = "entropy" } = view;
  const steps = run.steps.filter((step) => step[what].some(Number.isFinite));
  if (!steps.length) return null;
  const window = smoothingWindow(steps.length),
    thin = thinner(steps.length);
  const lines = run.tasks.map((_, task) =>
    thin(
      smooth(
        steps.map((step) => step[what][task]),
        window,
      ),
    ),
  );
  const means = thin(
    smooth(
      steps.map((step) => mean(step[what])),
      window,
    ),
  );
  return linesFigure(size, {
    run,
    step: view.step,
    chosen: view.chosen,
    x: thin(steps.map((step) => step.number)),
    lines,
    means,
    meanText: (value) => `mean ${number(value, 2)}`,
    value: "%{y:.3f} nats",
    floor: 0,
    total: true,
  });
};

// Agreement with each task's expert, or KL to it, on the half that chooses.
/** @type {(size: Size, view: RunView & { measure?: "agreement" | "kl" }) => Figure | null} */
export const agreementFigure = (size, { run, step, chosen, measure = "agreement" }) => {
  const looks = run.agreements.filter((one) => one.half === "choosing");
  if (!looks.length) return null;
  const share = measure === "agreement";
  const figure = linesFigure(size, {
    run,
    step,
    chosen,
    x: looks.map((one) => one.step),
    lines: run.tasks.map((_, task) => looks.map((one) => one[measure][task])),
    means: looks.map((one) => mean(one[measure])),
    meanText: (value) => `mean ${share ? percent(value) : number(value, 2)}`,
    value: share ? "%{y:.1%} agreement" : "KL %{y:.3f} nats",
    floor: share ? null : 0,
  });
  if (share) figure.layout.yaxis.tickformat = ".0%";
  return figure;
};

// A picture has no more pixels to show; the newest value always stays.
/** @type {(count: number) => <T>(list: T[]) => T[]} */
const thinner = (count) => {
  const every = Math.ceil(count / MOST_POINTS);
  return (list) => (every === 1 ? list : list.filter((_, place) => place % every === 0 || place === count - 1));
};

// λ of each task over steps, for runs with a single group.
/** @type {(size: Size, view: RunView) => Figure | null} */
export const taskwiseFigure = (size, view) => {
  const { run } = view;
  if (!run.frames.length) return null;
  const tracks = run.tasks.map((_, task) => run.track(task, [0]));
  const lines = tracks.map((track) => track.y),
    x = tracks[0].x;
  const means = x.map((_, place) => mean(lines.map((line) => line[place])));
  return linesFigure(size, {
    run,
    step: view.step,
    chosen: view.chosen,
    x,
    lines,
    means,
    value: "λ = %{y:.3f}",
    meanText: (value) => `mean ${number(value, 3)}`,
    floor: null,
  });
};

// One line; `words` is Plotly's template of what is told of a point.
/** @type {(x: number[], y: Maybe[], name: string, words: string, line: Stroke, more?: object) => LineTrace} */
export const lineTrace = (x, y, name, words, line, more = {}) => ({
  mode: x.length > 1 ? "lines" : "markers",
  x,
  y,
  line,
  marker: { color: line.color, size: 7 },
  hovertemplate: `<b>${plain(name)}</b><br>${words}<extra></extra>`,
  ...more,
});

// The layout of lines over the steps of a run up to `end`, that can be zoomed where there is room.
/** @type {(run: Run, step: number | null, narrow: boolean, range: number[], end: number, more: object) => Drawn} */
export const overSteps = (run, step, narrow, [low, high], end, more) => {
  const zoom = { fixedrange: narrow };
  const x = { range: [0, Math.max(run.total || 0, end, 1)], title: { text: "step" }, nticks: narrow ? 4 : 7 };
  return {
    uirevision: run.id,
    dragmode: narrow ? false : "zoom",
    xaxis: { ...x, ...zoom },
    yaxis: { range: [low, high], nticks: 5, tickformat: ".2~f", ...zoom },
    shapes: cursor(run, step),
    ...more,
  };
};

/**
 * @typedef {{ x: number[], lines: Maybe[][], means: Maybe[], meanText: (value: Maybe) => string }} Lines
 * @type {(size: Size, view: RunView & Lines & { value: string, floor: number | null, total?: boolean }) => Figure}
 */
const linesFigure = (size, { run, step, chosen, x, lines, means, meanText, value, floor, total = false }) => {
  const colours = themeColours(),
    narrow = isNarrow(size.width);
  /** @type {<T>(line: T[]) => T} */
  const last = (line) => line[line.length - 1],
    words = `step %{x}<br>${value}`;
  const every = lines.flat().filter(isNumber);
  const [low, high] =
    floor === null
      ? limits(Math.min(...every), Math.max(...every), 0.02, 0.04)
      : [floor, 1.06 * Math.max(...every, 0.01)];
  const front = { value: last(means), text: meanText(last(means)), colour: colours.accent };
  const margin = { l: 42, r: labelRoom(run.tasks, narrow, front.text), t: 8, b: 38 };
  const data = lines.map((line, task) => {
    const [opacity, width, color] = task === chosen ? [1, 2.2, colours.warm] : [0.65, 1.2, colours.muted];
    return lineTrace(x, line, run.tasks[task].title, words, { width, color }, { opacity });
  });
  const told = words + (total ? "<br>total %{customdata:.2f}" : ""),
    customdata = means.map((one) => Number(one) * run.tasks.length);
  data.push(lineTrace(x, means, "mean of the tasks", told, { width: 2.6, color: colours.accent }, { customdata }));
  const labels = [front, ...taskLabels(lines.map(last), run.tasks, chosen, narrow)],
    height = size.height - margin.t - margin.b;
  const annotations = endLabels(labels, { x: last(x), low, high, height });
  return { data, layout: overSteps(run, step, narrow, [low, high], last(x), { margin, annotations }) };
};

// Accuracy by task: where the merged model stands between base and expert, and how it got there.
import { marksBeside, ownsFull } from "./accuracy_key.js";
import { isNumber, mean, number, percent, plain } from "./base.js";
import { brief, cursor, faint, isNarrow, limits, rowBar, taskAxis, taskRoom, themeColours } from "./look.js";

// One row a task: base ○, Task Arithmetic ◆, merged ● with its interval, expert |.
/** @typedef {{ run: Run, step: number | null }} View */
/** @type {(size: Size, view: View) => Figure | null} */
export const accuracyFigure = (size, view) => {
  const { run } = view,
    colours = themeColours();
  const now = run.evaluation(view.step);
  const marks = marksBeside(run, now?.full);
  const known = [...marks.map((mark) => mark.values), now?.accuracy].flat().filter(isNumber);
  if (!known.length) return null;
  const names = run.tasks.map((task) => task.title),
    rows = names.map((_, place) => place);
  const narrow = isNarrow(size.width);
  const low = Math.max(0, Math.floor(Math.min(...known) * 10 - 0.2) / 10);
  const shapes = rows.map((row) => span(row, marks, [low, 1], colours.line, 4));
  if (now) {
    rows.forEach((row) => {
      if (Number.isFinite(now.low[row]))
        shapes.push(rowBar(row, now.low[row], now.high[row], faint(colours.accent, 0.35), 6));
    });
  }
  /** @type {(values: Maybe[], name: string, marker: object) => object} */
  const dots = (values, name, marker) => ({
    mode: "markers",
    x: values,
    y: rows,
    marker,
    customdata: names.map(plain),
    cliponaxis: false,
    hovertemplate: `<b>%{customdata}</b><br>${name} %{x:.1%}<extra></extra>`,
  });
  /** @type {Record<string, object>} */
  const looks = {
    base: { symbol: "circle-open", size: 9, color: colours.muted, line: { width: 1.5 } },
    expert: { symbol: "line-ns-open", size: 13, color: colours.text, line: { width: 2.2 } },
    task_arithmetic: { symbol: "diamond", size: 9, color: colours.warm },
  };
  const data = marks.map((mark) => dots(mark.values, mark.title, looks[mark.name]));
  if (now) data.push(dots(now.accuracy, `step ${now.step}`, { size: 12, color: colours.accent }));
  return {
    data,
    layout: {
      margin: { l: taskRoom(run.tasks, narrow), r: 66, t: 6, b: 26 },
      uirevision: run.id,
      xaxis: { range: [low, 1.008], tickformat: ".0%", nticks: narrow ? 4 : 8 },
      yaxis: taskAxis(run.tasks, narrow, warned(run)),
      shapes,
      annotations: now ? valuesBeside(now.accuracy) : [],
    },
  };
};

// One row a task: how far the model that the run has agrees with its expert on images that chose nothing.
/** @type {(size: Size, view: { run: Run }) => Figure | null} */
export const agreementByTask = (size, { run }) => {
  const now = reported(run);
  if (!now) return null;
  const colours = themeColours(),
    narrow = isNarrow(size.width),
    rows = run.tasks.map((_, place) => place);
  return {
    data: [
      {
        mode: "markers",
        x: now.agreement,
        y: rows,
        marker: { size: 12, color: colours.accent },
        customdata: run.tasks.map((task, row) => [
          plain(task.title),
          number(now.kl[row]),
          run.between[row] ? `<br>so accuracy lies in ${range(run.between[row])}` : "",
        ]),
        cliponaxis: false,
        hovertemplate:
          "<b>%{customdata[0]}</b><br>agreement %{x:.1%}<br>KL %{customdata[1]} nats%{customdata[2]}<extra></extra>",
      },
    ],
    layout: {
      margin: { l: taskRoom(run.tasks, narrow), r: 66, t: 6, b: 26 },
      uirevision: run.id,
      xaxis: { range: [0, 1.008], tickformat: ".0%", nticks: narrow ? 4 : 8 },
      yaxis: taskAxis(run.tasks, narrow),
      shapes: rows.flatMap((row) => [
        ...(run.between[row] ? [rowBar(row, ...run.between[row], faint(colours.accent, 0.35), 10)] : []),
        rowBar(row, 0, now.agreement[row] ?? 0, colours.line, 4),
      ]),
      annotations: valuesBeside(now.agreement),
    },
  };
};
/** @type {(range: number[]) => string} */
const range = ([low, high]) => `${percent(low)} to ${percent(high)}`;
// What accuracy has to be on average where all that is known is agreement and how good the experts are; "" else.
/** @type {(run: Run | null) => string} */
export const accuracyBetween = (run) => {
  if (!run?.between.length || !run.between.every(Boolean)) return "";
  return `so accuracy lies in ${range([0, 1].map((end) => mean(run.between.map((one) => one?.[end]))))}`;
};
// What the model that the run has achieves on the half of the watched images that reports.
/** @type {(run: Run) => Agreement | null} */
export const reported = (run) =>
  run.agreements.findLast((one) => one.half === "reporting" && one.step === (run.kept ?? run.stepsDone)) ?? null;

// Shares in figures at the right edge, one a row.
/** @type {(values: Maybe[]) => object[]} */
const valuesBeside = (values) =>
  values.map((value, row) => ({
    x: 1,
    xref: "paper",
    y: row,
    yref: "y",
    xanchor: "left",
    xshift: 12,
    text: percent(value),
    font: { size: 12, color: themeColours().text },
  }));

/** @type {(run: Run) => Set<number>} */
const warned = (run) => new Set(run.notices.map((notice) => run.tasks.findIndex((task) => task.name === notice.task)));

/** @type {(row: number, marks: Mark[], limits: number[], color: string, width: number) => object} */
function span(row, marks, [low, high], color, width) {
  /** @type {(name: string) => Maybe} */
  const at = (name) => marks.find((mark) => mark.name === name)?.values[row];
  const from = at("base"),
    to = at("expert");
  return rowBar(row, Number.isFinite(from) ? from : low, Number.isFinite(to) ? to : high, color, width);
}

// Small multiples: accuracy over steps for each task, with the marks as lines.
/** @type {(size: Size, view: View) => Figure | null} */
export const accuracyOverSteps = (size, view) => {
  const { run } = view,
    colours = themeColours();
  const measured = run.evaluations;
  if (!measured.length) return null;
  const count = run.tasks.length;
  const across = Math.max(1, Math.min(count, Math.floor(size.width / 165))),
    down = Math.ceil(count / across);
  const marks = marksBeside(run, ownsFull(run));
  const values = [...marks.map((mark) => mark.values), ...measured.map((one) => one.accuracy)];
  const [low, high] = limits(
    Math.min(...values.flat().filter(isNumber)),
    Math.max(...values.flat().filter(isNumber)),
    0.1,
    0.2,
  );
  const end = Math.max(run.total || 0, ...measured.map((one) => one.step), 1);
  /** @type {Figure["layout"]} */
  const layout = { margin: { l: 36, r: 10, t: 20, b: 24 }, uirevision: run.id, shapes: [], annotations: [] };
  // All test images and a sample of them are not joined: their difference is no progress.
  const full = measured.filter((one) => one.full),
    sampled = full.length < measured.length ? measured.filter((one) => !one.full) : measured;
  const data = run.tasks.flatMap((task, place) => {
    const name = place ? String(place + 1) : "",
      column = place % across,
      row = Math.floor(place / across);
    const gapX = 0.045,
      gapY = down > 1 ? 0.14 / Math.max(1, down - 1) : 0;
    const wide = (1 - gapX * (across - 1)) / across,
      tall = (1 - gapY * (down - 1)) / down;
    const top = 1 - row * (tall + gapY),
      left = column * (wide + gapX);
    layout[`xaxis${name}`] = {
      domain: [left, left + wide],
      anchor: `y${name}`,
      range: [0, end],
      nticks: 3,
      showticklabels: place + across >= count,
    };
    layout[`yaxis${name}`] = {
      domain: [top - tall, top],
      anchor: `x${name}`,
      range: [low, high],
      tickformat: ".0%",
      nticks: 4,
      showticklabels: column === 0,
    };
    for (const [mark, line] of markLines(marks, place)) {
      layout.shapes.push({
        type: "line",
        xref: `x${name} domain`,
        x0: 0,
        x1: 1,
        yref: `y${name}`,
        y0: mark,
        y1: mark,
        line,
      });
    }
    layout.annotations.push({
      text: plain(brief(task, 16)),
      x: 0,
      xref: `x${name} domain`,
      xanchor: "left",
      y: 1,
      yref: `y${name} domain`,
      yanchor: "bottom",
      font: { size: 12, color: colours.text },
    });
    /** @type {(those: Evaluation[], mode: string, marker: object) => object} */
    const points = (those, mode, marker) => ({
      mode,
      xaxis: `x${name}`,
      yaxis: `y${name}`,
      x: those.map((one) => one.step),
      y: those.map((one) => one.accuracy[place]),
      customdata: those.map((one) => (one.full ? "all test images" : `${one.images} images`)),
      line: { color: colours.accent, width: 2 },
      marker,
      cliponaxis: false,
      hovertemplate: `<b>${plain(task.title)}</b><br>step %{x}: %{y:.1%} of %{customdata}<extra></extra>`,
    });
    const along = points(sampled, sampled.length > 30 ? "lines" : "lines+markers", { size: 5, color: colours.accent });
    const whole = { symbol: "circle-open", size: 10, color: colours.accent, line: { width: 2 } };
    return sampled === measured ? [along] : [along, points(full, "markers", whole)];
  });
  run.tasks.forEach((_, place) => {
    const name = place ? String(place + 1) : "",
      lines = cursor(run, view.step, "");
    layout.shapes.push(...lines.map((line) => ({ ...line, xref: `x${name}`, yref: `y${name} domain` })));
  });
  return { data, layout };
};

/** @type {(marks: Mark[], place: number) => [Maybe, object][]} */
function markLines(marks, place) {
  const colours = themeColours();
  /** @type {Record<string, object>} */
  const lines = {
    base: { color: colours.muted, width: 1, dash: "dot" },
    expert: { color: colours.text, width: 1.4 },
    task_arithmetic: { color: colours.warm, width: 1.4, dash: "dash" },
  };
  return marks
    .map(/** @returns {[Maybe, object]} */ (mark) => [mark.values[place], lines[mark.name]])
    .filter(([value]) => Number.isFinite(value));
}

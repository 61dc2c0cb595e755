// One λ over all steps, with the other tasks of the same group behind it.
import { isNumber } from "./base.js";
import { lineTrace, overSteps } from "./lines.js";
import { brief, endLabels, isNarrow, labelRoom, limits, themeColours } from "./look.js";

// `second` is a run to compare with, or null.
/** @typedef {{ run: Run, second: Run | null, step: number | null, task: number, group: Group | null }} View */
/** @type {(size: Size, view: View) => Figure | null} */
export const cellFigure = (size, view) => {
  const { run, second, task, group } = view;
  if (!group || !run.frames.length) return null;
  const colours = themeColours(),
    narrow = isNarrow(size.width);
  const mine = run.track(task, group.members),
    muted = { width: 1, color: colours.muted };
  const data = run.tasks.flatMap((one, place) =>
    place === task ? [] : [line(run.track(place, group.members), one.title, muted, 0.45)],
  );
  data.push(line(mine, run.tasks[task].title, { width: 2.5, color: colours.accent }, 1));
  if (second) data.push(...other(second, run, task, group));
  const every = data.flatMap((trace) => trace.y).filter(isNumber);
  const [low, high] = limits(
    every.reduce((a, b) => Math.min(a, b)),
    every.reduce((a, b) => Math.max(a, b)),
    0.02,
    0.04,
  );
  const label = { value: mine.y.at(-1), text: brief(run.tasks[task], narrow ? 12 : 18), colour: colours.accent };
  const margin = { l: 46, r: labelRoom([run.tasks[task]], narrow), t: 8, b: 38 };
  const end = { x: mine.x.at(-1) ?? 0, low, high, height: size.height - margin.t - margin.b };
  const more = { margin, uirevision: `${run.id} ${group.key}`, annotations: endLabels([label], end) };
  return { data, layout: overSteps(run, view.step, narrow, [low, high], run.last, more) };
};

/** @type {(track: Track, name: string, style: Stroke, opacity: number) => LineTrace} */
const line = (track, name, style, opacity) =>
  lineTrace(track.x, track.y, name, "step %{x}<br>λ = %{y:.3f}", style, { opacity });

// The same task and the same tensors, by name, in the other run.
/** @type {(second: Run, run: Run, task: number, group: Group) => LineTrace[]} */
function other(second, run, task, group) {
  const row = second.tasks.findIndex((one) => one.name === run.tasks[task].name);
  const wanted = new Set(group.members.map((member) => run.columns[member].name));
  const members = second.columns.flatMap((column, place) => (wanted.has(column.name) ? [place] : []));
  if (row < 0 || !members.length) return [];
  const style = { width: 2, color: themeColours().warm, dash: "dash" };
  return [line(second.track(row, members), `${second.tasks[row].title} · ${second.about?.name}`, style, 1)];
}

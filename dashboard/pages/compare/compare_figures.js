// Figures of the ticked runs: bars, radar, accuracy against time.
import { element, quiet, find } from "../../charts/js/base.js";
import { choiceRow } from "../../charts/js/card.js";
import { colourOf } from "../../charts/js/look.js";
import { figureCard } from "../../js/analysis.js";
import { named } from "./compare_columns.js";

const VIEWS = { bars: "Bars", radar: "Radar", time: "Accuracy and seconds" };
/** @type {Record<string, (measure: Reported) => [string, string]>} */
const WORDS = {
  bars: (measure) => [
    `${measure.title} by task`,
    `bars: ${named(measure)}${measure.name === "accuracy" ? " · whiskers: 95 % interval" : ""}`,
  ],
  radar: (measure) => [
    `${measure.title} by task, as a radar chart`,
    `further out is better; the rings mark the ${named(measure)}`,
  ],
  time: (measure) => [
    `${measure.title} against time`,
    `average ${named(measure)} · named: ticked runs · grey: all others; hover to see their names`,
  ],
};
/** @type {Record<string, string>} */
const UNKNOWN = { accuracy: "the test images have no labels, so there is no accuracy." };
const TICK = "Tick runs in the table to draw them.";

// {root, set(figures, rows, table), draw}; `clear` unticks every run.
export const comparisonFigures = (/** @type {() => void} */ clear) => {
  let view = "bars",
    figures = /** @type {Answer} */ (null),
    rows = /** @type {ResultRow[]} */ ([]),
    table = /** @type {Compared["table"] | null} */ (null);
  const card = figureCard("Bars", "", { wide: true, height: 330, note: TICK });
  const choice = choiceRow("Figure", VIEWS, view, (value) => {
    view = value;
    draw();
  });
  const untick = quiet("Untick all", clear);
  card.tools.prepend(choice.root, untick);
  const title = find(card.root, "h3", HTMLElement);
  const key = element("div", { class: "an-key" });
  card.foot.append(key);

  function draw() {
    if (!table) return;
    const { measure, tasks } = table;
    const [name, help] = WORDS[view](measure),
      unlabelled = rows.length > 0 && rows.every((row) => row.cells.every((cell) => !Number.isFinite(cell.accuracy)));
    find(choice.root, "button:last-child", HTMLElement).textContent =
      `${measure.own ? "Average" : measure.title} and seconds`;
    title.textContent = name;
    card.help.textContent = help;
    card.place.setAttribute("aria-label", name);
    card.note.textContent = unlabelled
      ? `Nothing to draw: ${UNKNOWN[measure.name] ?? `these runs have no ${named(measure)}.`}`
      : view === "radar" && tasks.length < 3
        ? "A radar chart needs at least three tasks."
        : view === "radar" && measure.best !== "highest"
          ? "A radar chart needs a share of which more is better."
          : TICK;
    const chosen = figures?.[view],
      filled = chosen?.wide.data.length ? chosen : null;
    card.set(filled);
    const keyed = view === "time" || unlabelled || !figures ? [] : rows;
    key.replaceChildren(...keyed.map((row, place) => keyOf(row, filled?.wide.data[place]?.marker?.color)));
  }
  /** @type {(found: Told<"compare_figures"> | null, chosen: ResultRow[], of: Compared["table"]) => void} */
  const set = (found, chosen, of) => {
    figures = found;
    rows = chosen;
    table = of;
    untick.hidden = !rows.length;
    draw();
  };
  return { root: card.root, set, draw };
};

/** @type {(row: ResultRow, colour?: string) => HTMLElement} */
const keyOf = (row, colour) => {
  const style = colour ? `background:${colourOf(colour)}` : null;
  return element(
    "span",
    { class: "mc-key" },
    element("i", { class: "mc-kind", style, "aria-hidden": "true" }),
    row.label,
  );
};

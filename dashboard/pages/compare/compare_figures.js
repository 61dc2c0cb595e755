// Figures of the ticked runs: bars, radar, accuracy against time.
import { element, quiet, find } from "../../charts/js/base.js";
import { choiceRow } from "../../charts/js/card.js";
import { colourOf } from "../../charts/js/look.js";
import { figureCard } from "../../js/analysis.js";

const VIEWS = { bars: "Bars", radar: "Radar", time: "Accuracy and seconds" };
/** @type {Record<string, [string, string]>} */
const WORDS = {
  bars: ["Accuracy by task", "bars: accuracy · whiskers: 95 % interval"],
  radar: ["Accuracy by task, as a radar chart", "further out is better; the rings mark the accuracy"],
  time: ["Accuracy against time", "average accuracy · named: ticked runs · grey: all others; hover to see their names"],
};
const TICK = "Tick runs in the table to draw them.";

// {root, set(figures, rows, tasks), draw}; `clear` unticks every run.
export const comparisonFigures = (/** @type {() => void} */ clear) => {
  let view = "bars",
    figures = /** @type {Answer} */ (null),
    rows = /** @type {ResultRow[]} */ ([]),
    tasks = 0;
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
    const [name, help] = WORDS[view],
      unlabelled = rows.length > 0 && rows.every((row) => row.cells.every((cell) => !Number.isFinite(cell.accuracy)));
    title.textContent = name;
    card.help.textContent = help;
    card.place.setAttribute("aria-label", name);
    card.note.textContent = unlabelled
      ? "Nothing to draw: the test images have no labels, so there is no accuracy."
      : view === "radar" && tasks < 3
        ? "A radar chart needs at least three tasks."
        : TICK;
    const chosen = figures?.[view],
      filled = chosen?.wide.data.length ? chosen : null;
    card.set(filled);
    const named = view === "time" || unlabelled || !figures ? [] : rows;
    key.replaceChildren(...named.map((row, place) => keyOf(row, filled?.wide.data[place]?.marker?.color)));
  }
  /** @type {(found: Told<"compare_figures"> | null, chosen: ResultRow[], count: number) => void} */
  const set = (found, chosen, count) => {
    figures = found;
    rows = chosen;
    tasks = count;
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

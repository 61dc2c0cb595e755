// What the pages Similarity, Compare, Studies and Playground share: states, and cards with figures made in Python.
import { askUntilAnswered, duration, element } from "../charts/js/base.js";
import { chartCard, saveButtons } from "../charts/js/card.js";
import { coloured, isNarrow } from "../charts/js/look.js";
import { Plot } from "../charts/js/plot.js";
import { page } from "./shell.js";

// For a box in place of a page (`stateBox`).
/** @type {(progress: Progress) => Waiting} */
export const workingState = ({ label, done, total, left }) => {
  const far = total ? `${done} of ${total}${left !== null && left >= 1 ? `, about ${duration(left)} left` : ""}` : "";
  return { title: label ? `${label} …` : "Working …", text: far, done, total: total ?? undefined };
};
/** @type {(text: string, retry: () => void) => Waiting} */
export const failedState = (text, retry) => ({ title: "Something went wrong", text, wrong: true, retry });

// A card with a figure made in Python. `set(figures, change)`: {wide, narrow} or null; `change(figure)` may alter the
// copy that is drawn.
/**
 * @typedef {(figure: Figure) => void} Change
 * @typedef {{ wide: Figure, narrow: Figure }} Figures
 * @param {string} title
 * @param {string} help
 * @param {{ wide?: boolean, height?: number, note?: string, onClick?: ((point: any) => void) | null }} options
 */
export const figureCard = (title, help, { wide = false, height = 260, note = "", onClick = null } = {}) => {
  const card = chartCard(title, help, { height, wide, note });
  let figures = /** @type {Figures | null} */ (null),
    change = /** @type {Change} */ (() => {});
  /** @type {(width: number) => Figure | null} */
  const chosen = (width) => figures?.[isNarrow(width) ? "narrow" : "wide"] ?? null;
  /** @type {(size: Size) => Figure | null} */
  const drawn = (size) => {
    const found = chosen(size.width);
    if (!found) return null;
    const figure = coloured(found);
    change(figure);
    const { height: _height, ...layout } = figure.layout;
    return { data: figure.data, layout };
  };
  const plot = new Plot(card.place, drawn, { note: card.note, onClick });
  const fit = () => {
    const wanted = chosen(card.place.clientWidth)?.layout.height;
    if (wanted && card.place.style.height !== `${wanted}px`) card.place.style.height = `${wanted}px`;
  };
  const save = saveMenu(card.place, title);
  card.tools.append(save);
  const draw = () => {
    fit();
    plot.draw();
  };
  /** @type {(next: Figures | null, alter?: Change) => void} */
  const set = (next, alter = () => {}) => {
    figures = next;
    change = alter;
    save.hidden = !next;
    draw();
  };
  set(null);
  return { ...card, set, draw };
};

// "Save" with SVG and PNG.
/** @type {(place: HTMLElement, title: string) => HTMLDetailsElement} */
function saveMenu(place, title) {
  const summary = element("summary", { text: "Save", title: "Save this figure" });
  const made = element("details", { class: "an-save" }, summary, element("div", {}, ...saveButtons(place, title)));
  made.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("button")) made.open = false;
  });
  made.addEventListener("focusout", (event) => {
    if (!(event.relatedTarget instanceof Node && made.contains(event.relatedTarget))) made.open = false;
  });
  return made;
}

// Asks until answered, as long as nothing newer has been asked here: what comes too late is null. `drop()` forgets what is
// being asked.
export const newest = () => {
  let turn = 0;
  /** @type {typeof askUntilAnswered} */
  const asking = (name, args, { alive = () => true, ...more } = {}) => {
    const mine = (turn += 1);
    return askUntilAnswered(name, args, { alive: () => mine === turn && alive(), ...more });
  };
  return { asking, drop: () => (turn += 1) };
};

// Calls `refresh()` when the tab opens, when the run changes while it is open, and at once if it is open.
/** @type {(tab: string, refresh: () => unknown) => void} */
export const follow = (tab, refresh) => {
  const maybe = () => {
    if (page.tab === tab) refresh();
  };
  page.on("tab", maybe);
  page.on("run", maybe);
  maybe();
};

// The heatmap of the layers view with its controls: detail, change, another run beside it or subtracted.
import { ask, element, keyed } from "./base.js";
import { choiceRow, labelledMenu, plotCard, scrubber } from "./card.js";
import { FIGURES } from "./catalogue.js";
import { heatmapFigure } from "./heatmap.js";
import { layerGroups, layerValues, layerWords, otherValues } from "./layer_values.js";
import { kindKey } from "./live.js";
import { groupMatrix } from "./matrix.js";
import { Plot } from "./plot.js";

/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** @type {(hub: Hub, state: LayersState, rights: Rights) => RunCard} */
export const layerMap = (hub, state, rights) => {
  const options = { height: 320, wide: true, note: "λ appears with the first step." };
  /** @type {(point: CellPoint) => void} */
  const pick = (point) => Array.isArray(point.pointIndex) && point.curveNumber === 0 && choose(...point.pointIndex);
  /** @type {FigureOf} */
  const map = (size, run) => {
    const shown = run.hasCoefficients ? layerValues(hub, state) : null;
    return shown && figure(size, run, shown);
  };
  const card = plotCard(hub, FIGURES.layers.title, "", options, map, { onZoom: true, onClick: pick });
  const place = element("div", { class: "mc-plot", role: "img", "aria-label": "λ of the other run" });
  const otherName = element("p", { class: "mc-help" }),
    second = element("div", { class: "mc-second" }, otherName, place);
  card.root.insertBefore(second, card.foot);
  card.foot.append(scrubber(hub).root);
  const controls = controlsOf(hub, state, rights);
  card.tools.append(...controls.roots);
  const below = new Plot(place, (size) => {
    const shown = otherValues(hub, state);
    return shown && hub.run && figure(size, hub.run, shown);
  });

  /** @type {(size: Size, run: Run, shown: Scale & { values: Float32Array }) => Figure} */
  function figure(size, run, { values, ...scale }) {
    const { cell } = state,
      groups = layerGroups(run, state);
    const chosen = groups.findIndex((group) => group.key === cell?.key);
    return heatmapFigure(size, {
      tasks: run.tasks,
      groups,
      rows: groupMatrix(values, run.tasks.length, groups),
      zoomed: card.plot.zoomed,
      revision: `${run.id} ${state.detail}`,
      selected: cell && chosen >= 0 ? { task: cell.task, group: chosen } : null,
      ...scale,
    });
  }
  /** @type {(task: number, group: number) => void} */
  function choose(task, group) {
    if (!hub.run) return;
    state.cell = { task, key: layerGroups(hub.run, state)[group].key };
    state.task = task;
    state.changed();
  }
  card.place.tabIndex = 0;
  card.place.setAttribute("role", "group");
  card.place.setAttribute("aria-label", "λ by layer. Arrow keys choose a coefficient.");
  card.place.addEventListener("keydown", (event) => {
    if (!MOVES[event.key] || !hub.run?.hasCoefficients) return;
    event.preventDefault();
    choose(...moved(hub.run, state, MOVES[event.key]));
  });

  const update = () => {
    controls.update();
    second.hidden = !(state.show === "other" && hub.second && state.pair === "side");
    if (hub.second?.about) otherName.textContent = hub.second.about.name;
    place.style.minHeight = card.fit(Math.min(560, FIGURES.layers.height(hub.run?.tasks.length ?? 8)));
    const words = layerWords(hub, state);
    const groups = hub.run && state.detail !== "kind" ? layerGroups(hub.run, state) : [];
    const kinds = kindKey(groups);
    keyed(card.help, [words, ...kinds.map((one) => one.textContent)], () => [words, ...kinds]);
    card.draw();
    below.draw();
  };
  return { root: card.root, update };
};

// The cell beside the chosen one; the first cell where none is chosen.
/** @type {(run: Run, state: LayersState, move: number[]) => [number, number]} */
function moved(run, state, [down, right]) {
  const { cell } = state,
    groups = layerGroups(run, state);
  const at = groups.findIndex((group) => group.key === cell?.key);
  if (!cell || at < 0) return [0, 0];
  /** @type {(value: number, count: number) => number} */
  const within = (value, count) => Math.max(0, Math.min(count - 1, value));
  return [within(cell.task + down, run.tasks.length), within(at + right, groups.length)];
}

/** @param {Hub} hub @param {LayersState} state @param {Rights} rights */
function controlsOf(hub, state, rights) {
  /**
   * @template {"detail" | "show" | "pair"} K
   * @param {K} name
   * @param {(value: LayersState[K]) => void} [more]
   * @returns {(value: LayersState[K]) => void}
   */
  const set = (name, more) => (value) => {
    state[name] = value;
    more?.(value);
    state.changed();
  };
  const details = { tensor: "Tensors", block: "Blocks", kind: "Kinds" };
  const shows = { value: "λ", start: "Change since step 0", ...(rights.asks && { other: "Against another run" }) };
  const pairs = { side: "Both", difference: "Difference" };
  const forget = set("detail", () => (state.cell = null)),
    look = set("show", (value) => value === "other" && offer());
  const detail = choiceRow("Columns", details, state.detail, forget);
  const show = choiceRow("Show", shows, state.show, look);
  const pair = choiceRow("Layout", pairs, state.pair, set("pair"));
  const other = labelledMenu("Run", (id) => {
    hub.compare(id);
    state.changed();
  });

  async function offer() {
    const { runs = [] } = await ask("runs", { run: hub.id });
    /** @type {Choice[]} */
    const options = runs.map((run) => [run.id, run.name]);
    other.fill(options.length ? [["", "Choose …"], ...options] : [["", "No other run has coefficients"]]);
  }
  const update = () => {
    detail.select(state.detail);
    show.select(state.show);
    pair.select(state.pair);
    other.root.hidden = state.show !== "other";
    other.select.value = hub.other;
    pair.root.hidden = state.show !== "other" || !hub.second;
  };
  return { roots: [detail.root, show.root, other.root, pair.root], update };
}

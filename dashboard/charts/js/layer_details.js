// Below the map of layers: one coefficient with its facts, and the profiles by depth and by task.
import { askUntilAnswered, element, mean, number, percent, signed } from "./base.js";
import { plotCard } from "./card.js";
import { FIGURES } from "./catalogue.js";
import { cellFigure } from "./cell.js";
import { chosenGroup, shownValues } from "./layer_values.js";
import { depthFigure, spreadFigure } from "./profile.js";

/** @type {(hub: Hub, state: LayersState, rights: Rights) => RunCard} */
export const layerCell = (hub, state, rights) => {
  const { title, note, height } = FIGURES.cellOfLayers;
  const options = { height: height(), note: "Click a cell above to plot it over time." };
  const card = plotCard(hub, title, "", options, (size, run) => {
    const { cell } = state,
      group = chosenGroup(run, state),
      second = state.show === "other" ? hub.second : null;
    return group && cell && cellFigure(size, { run, second, step: hub.step, task: cell.task, group });
  });
  const list = element("dl", { class: "mc-list" });
  card.foot.append(list);
  let facts = /** @type {Told<"facts"> | null} */ (null),
    asked = "";

  async function ask() {
    if (!rights.asks || asked === hub.id) return;
    const id = (asked = hub.id);
    facts = null;
    const answer = await askUntilAnswered("facts", { run: id }, { alive: () => asked === id });
    if (!answer) return;
    facts = answer.error ? null : answer;
    update();
  }
  function update() {
    const run = hub.run,
      { cell } = state,
      group = chosenGroup(run, state);
    card.help.textContent = run && cell && group ? `${run.tasks[cell.task].title} · ${group.key}` : note;
    list.hidden = !group;
    if (run && cell && group) {
      ask();
      const rows = cellFacts(run, cell.task, group, hub.step, asked === hub.id ? facts : null);
      list.replaceChildren(
        ...rows.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]),
      );
    }
    card.draw();
  }
  return { root: card.root, update };
};

// [[name, value]] about one task in one group; `facts` has norms and conflicts [column][task], or is null.
/** @type {(run: Run, task: number, group: Group, step: number | null, facts: Told<"facts"> | null) => string[][]} */
const cellFacts = (run, task, group, step, facts) => {
  const track = run.track(task, group.members),
    place = run.place(step);
  const rows = [
    ["λ", `${number(track.y[place])} at step ${track.x[place]}`],
    ["since step 0", signed(track.y[place] - track.y[0])],
  ];
  if (group.members.length > 1) rows.push(["tensors", `mean of ${group.members.length}`]);
  else if (group.name !== group.key) rows.push(["tensor", group.name]);
  if (facts) {
    const squares = group.members.map((member) => facts.norms[member][task] ** 2);
    const norm = Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
    rows.push([
      "‖τ‖",
      `${norm.toPrecision(3)} (${percent(norm ** 2 / facts.norms.reduce((sum, row) => sum + row[task] ** 2, 0))} of ‖τ‖²)`,
    ]);
    rows.push([
      "sign conflict",
      `${percent(mean(group.members.map((member) => facts.conflict[member][task])))} of entries have the opposite sign to another task's, on average`,
    ]);
  }
  return rows;
};

/** @type {(hub: Hub, state: LayersState) => RunCard} */
export const layerDepth = (hub, state) => {
  const { title, note, height } = FIGURES.depth;
  const options = { height: height(), note: "This run has one λ for all layers." };
  const card = plotCard(hub, title, note, options, (size, run) => {
    if (!run.hasCoefficients) return null;
    return depthFigure(size, { run, values: shownValues(hub, state), chosen: state.task });
  });
  const update = () => {
    card.help.textContent = state.task >= 0 ? "mean λ of each block; shaded: the middle 80 % of its tensors" : note;
    card.draw();
  };
  return { root: card.root, update };
};

/** @type {(hub: Hub, state: LayersState) => RunCard} */
export const layerSpread = (hub, state) => {
  const { title, note, height } = FIGURES.spread;
  /** @type {FigureOf} */
  const figure = (size, run) => {
    if (!run.hasCoefficients) return null;
    const values = shownValues(hub, state);
    return spreadFigure(size, { run, values, start: run.origin, chosen: state.task });
  };
  /** @type {(point: { pointIndex: number }) => void} */
  const onClick = ({ pointIndex }) => {
    state.task = state.task === pointIndex ? -1 : pointIndex;
    state.changed();
  };
  const card = plotCard(hub, title, note, { height: height(8), wide: true }, figure, { onClick });
  const update = () => {
    card.fit(height(hub.run?.tasks.length ?? 8));
    card.draw();
  };
  return { root: card.root, update };
};

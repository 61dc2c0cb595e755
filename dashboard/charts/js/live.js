// The live view: λ as it is learned, entropy and accuracy of every task, warnings.
import { accuracyBetween, accuracyFigure, accuracyOverSteps, agreementByTask, reported } from "./accuracy.js";
import { accuracyKey } from "./accuracy_key.js";
import { element, keyed, mean, number, percent, quiet, signed } from "./base.js";
import { choiceRow, legend, plotCard, scrubber } from "./card.js";
import { FIGURES, PICK } from "./catalogue.js";
import { cellFigure } from "./cell.js";
import { runFacts, runState } from "./facts.js";
import { runMap } from "./heatmap.js";
import { agreementFigure, entropyFigure, smoothingWindow, taskwiseFigure } from "./lines.js";
import { limits, themeColours } from "./look.js";
import { groupsOf } from "./matrix.js";

/** @type {(root: HTMLElement, hub: Hub) => void} */
export const live = (root, hub) => {
  /** @type {LiveState} */
  const state = {
    task: -1,
    cell: null,
    accuracy: "now",
    what: "entropy",
    measure: "agreement",
    set: (changes) => {
      Object.assign(state, changes);
      redraw();
    },
  };
  const content = element("div", { class: "mc-grid" });
  const warnings = element("div", { class: "mc-warnings mc-wide", role: "status" });
  const redraw = () => {
    for (const card of cards) card.update();
  };
  const cards = [lambdaCard, cellCard, accuracyCard, agreementCard, entropyCard].map((make) => make(hub, state));
  content.append(warnings, ...cards.map((card) => card.root));
  root.replaceChildren(runState(hub, content), content);
  root.classList.add("mc");
  hub.on("run", () => state.set({ task: -1, cell: null, what: "entropy" }));
  hub.on("change", () => {
    const texts = (hub.run?.notices ?? []).map((notice) => notice.text);
    keyed(warnings, texts, () => texts.map((text) => element("p", { class: "mc-warning", text })));
    redraw();
  });
  hub.on("step", redraw);
  hub.attach(root);
  redraw();
};

/** @type {(hub: Hub, state: LiveState) => RunCard} */
function lambdaCard(hub, state) {
  /** @type {(run: Run | null) => boolean} */
  const single = (run) => run?.columns.length === 1;
  /** @type {(point: CellPoint) => void} */
  const pick = (point) => {
    if (single(hub.run) || !Array.isArray(point.pointIndex) || point.curveNumber !== 0) return;
    const [task, group] = point.pointIndex,
      same = state.cell?.task === task && state.cell.group === group;
    state.set(same ? { cell: null, task: -1 } : { cell: { task, group }, task });
  };
  /** @type {FigureOf} */
  const figure = (size, run) => {
    const values = run.values(hub.step);
    if (!values || !run.hasCoefficients || !run.frames.length) return null;
    if (single(run)) return taskwiseFigure(size, { run, step: hub.step, chosen: state.task });
    const scale = { unit: "λ", range: limits(...run.range) };
    return runMap(size, run, values, { ...scale, selected: state.cell, zoomed: card.plot.zoomed });
  };
  const options = { height: 300, wide: true, note: "λ appears with the first step." };
  const card = plotCard(hub, `${FIGURES.coefficients.title} λ`, "", options, figure, { onZoom: true, onClick: pick });
  const facts = element("p", { class: "mc-facts" });
  card.tools.append(facts);
  card.foot.append(scrubber(hub).root);
  const update = () => {
    const run = hub.run;
    card.root.hidden = Boolean(run?.ended && !run.frames.length);
    card.fit(Math.min(560, FIGURES.coefficients.height(run?.tasks.length ?? 8)));
    facts.textContent = runFacts(run).join(" · ");
    keyed(card.help, `${run?.id} ${run?.columns.length}`, () => {
      if (single(run)) return [FIGURES.coefficientsByTask.note];
      return [`${FIGURES.coefficients.note} · ${PICK}`, ...kindKey(run?.columns ?? [])];
    });
    card.draw();
  };
  return { root: card.root, update };
}

// What the strip of colours below a map means; nothing where all columns are of one kind.
/** @type {(columns: { kind: string }[]) => HTMLElement[]} */
export const kindKey = (columns) => {
  const kinds = new Set(columns.map((column) => column.kind));
  /** @type {(kind: string) => HTMLElement} */
  const swatch = (kind) => element("i", { class: `mc-kind mc-kind-${kind}`, "aria-hidden": "true" });
  return Object.keys(themeColours().kinds)
    .filter((kind) => kinds.size > 1 && kinds.has(kind))
    .map((kind) => element("span", { class: "mc-key" }, swatch(kind), kind));
};

/** @type {(hub: Hub, state: LiveState) => RunCard} */
function cellCard(hub, state) {
  const group = () => (state.cell && hub.run ? groupsOf(hub.run.columns, "tensor")[state.cell.group] : null);
  /** @type {FigureOf} */
  const figure = (size, run) => {
    const { cell } = state,
      column = group();
    return cell && column && cellFigure(size, { run, second: null, step: hub.step, task: cell.task, group: column });
  };
  const { title, note, height } = FIGURES.cell;
  const card = plotCard(hub, title, "", { height: height(), wide: true }, figure);
  card.tools.append(quiet("Close", () => state.set({ cell: null, task: -1 })));
  const update = () => {
    const run = hub.run,
      { cell } = state,
      column = group();
    card.root.hidden = !column;
    if (!run || !cell || !column) return;
    const track = run.track(cell.task, column.members),
      now = track.y[run.place(hub.step)];
    card.help.textContent =
      `${run.tasks[cell.task].title} · ${column.key} · λ = ${number(now)}, ` +
      `${signed(now - track.y[0])} since step 0 · ${note}`;
    card.draw();
  };
  return { root: card.root, update };
}

const MEASURED = "Accuracy is measured on a sample every few steps and on all test images at the end.";
const NO_LABELS = "The test images have no labels, so accuracy can't be measured; agreement is shown instead";
/** @type {(run: Run | null) => boolean} */
const unlabelled = (run) =>
  Boolean(run?.evaluations.length && run.evaluations.every((one) => !one.accuracy.some(Number.isFinite)));

/** @type {(hub: Hub, state: LiveState) => RunCard} */
function accuracyCard(hub, state) {
  /** @type {FigureOf} */
  const figure = (size, run) =>
    (state.accuracy === "now" ? accuracyFigure : accuracyOverSteps)(size, { run, step: hub.step });
  const { title, note, height } = FIGURES.accuracy;
  const card = plotCard(hub, title, note, { height: height(8), wide: true, note: MEASURED }, figure);
  const views = { now: "Now", steps: "Over steps" };
  const choice = choiceRow("Accuracy", views, state.accuracy, (accuracy) => state.set({ accuracy }));
  card.tools.append(choice.root);
  const update = () => {
    const run = hub.run,
      tasks = run?.tasks.length ?? 8,
      current = state.accuracy === "now",
      now = run?.evaluation(hub.step);
    card.root.hidden = unlabelled(run);
    card.fit(FIGURES[current ? "accuracy" : "accuracyOverSteps"].height(tasks, card.place.clientWidth));
    choice.root.hidden = Boolean(run?.ended && !run.total);
    const shown = run ? accuracyKey(run, hub.step, !current) : [];
    keyed(card.help, JSON.stringify(shown), () => legend(shown));
    const facts = [run?.id, run?.seen, run?.marks, run?.total, run?.notices, run?.earlier, now?.step];
    card.plot.drawFor([...facts, hub.step, state.accuracy]);
  };
  return { root: card.root, update };
}

const UNWATCHED = "Not measured: this run was made by an earlier version, or its tasks have no monitoring images.";

/** @type {(hub: Hub, state: LiveState) => RunCard} */
function agreementCard(hub, state) {
  // What is done at once has no steps to draw.
  /** @type {FigureOf} */
  const figure = (size, run) =>
    agreementFigure(size, { run, step: hub.step, chosen: state.task, measure: state.measure }) ??
    agreementByTask(size, { run });
  const card = plotCard(hub, FIGURES.agreement.title, "", { height: FIGURES.agreement.height() }, figure);
  const views = { agreement: "Agreement", kl: "KL" };
  const choice = choiceRow("Measure", views, state.measure, (measure) => state.set({ measure }));
  card.tools.append(choice.root);
  const update = () => {
    const run = hub.run,
      looks = run?.agreements ?? [],
      own = run && reported(run);
    choice.root.hidden = !looks.some((one) => one.half === "choosing");
    card.note.textContent = run?.ended ? UNWATCHED : "Agreement is measured every few steps, and at the end.";
    const kl = state.measure === "kl" && !choice.root.hidden,
      average = own && mean(own[kl ? "kl" : "agreement"]),
      value = kl ? `${number(average)} nats` : percent(average);
    const told = [
      (kl ? FIGURES.divergence : FIGURES.agreement).note,
      `on ${looks[0]?.images} monitoring images per task`,
      own && (looks.length > 1 ? `${value} on ${own.images} others` : `mean ${value}`),
    ];
    told.push(accuracyBetween(run));
    card.help.textContent = [unlabelled(run) && NO_LABELS, ...(looks.length ? told : [])].filter(Boolean).join(" · ");
    card.fit(FIGURES[choice.root.hidden && own ? "agreementByTask" : "agreement"].height(run?.tasks.length ?? 8));
    card.plot.drawFor([run?.id, run?.seen, run?.total, run?.earlier, hub.step, state.task, state.measure]);
  };
  return { root: card.root, update };
}

// The sum over tasks is what the method minimises.
/** @type {(run: Run, what: Curve) => string} */
function total(run, what) {
  const last = run.steps.slice(-smoothingWindow(run.steps.length)).map((step) => mean(step[what]));
  const sum = mean(last) * run.tasks.length;
  return Number.isFinite(sum) ? `sum of the tasks ${number(sum, 2)}` : "";
}

/** @type {(hub: Hub, state: LiveState) => RunCard} */
function entropyCard(hub, state) {
  /** @type {FigureOf} */
  const figure = (size, run) => entropyFigure(size, { run, step: hub.step, chosen: state.task, what: state.what });
  const card = plotCard(hub, FIGURES.entropy.title, "", { height: FIGURES.entropy.height() }, figure);
  const curves = { entropy: "Entropy", loss: "Loss" };
  const choice = choiceRow("Curve", curves, state.what, (what) => state.set({ what }));
  card.tools.append(choice.root);
  const update = () => {
    const run = hub.run;
    // What ended without one has no entropy to wait for.
    card.root.hidden = Boolean(run?.ended && !run.steps.some((one) => one.entropy?.some?.(Number.isFinite)));
    card.root.previousElementSibling?.classList.toggle("mc-wide", card.root.hidden);
    card.note.textContent = run?.steps.some((one) => one.number > 0)
      ? "This method measures no entropy."
      : "Entropy appears with the first step.";
    choice.root.hidden = !run?.hasLoss;
    const split = run?.about?.adapted_on;
    card.help.textContent = [
      FIGURES.entropy.note,
      split && split !== "nothing" ? `on unlabelled ${split} images` : "",
      run?.steps.length ? total(run, state.what) : "",
      run && run.steps.length > 60 ? `mean of ${smoothingWindow(run.steps.length)} steps` : "",
    ]
      .filter(Boolean)
      .join(" · ");
    card.draw();
  };
  return { root: card.root, update };
}

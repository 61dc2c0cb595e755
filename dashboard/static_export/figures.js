// Draws every figure that the run in the file has data for. "Save" uses the browser's own Plotly: nothing leaves it.
import { accuracyFigure, accuracyOverSteps, agreementByTask } from "../charts/js/accuracy.js";
import { accuracyKey } from "../charts/js/accuracy_key.js";
import { find } from "../charts/js/base.js";
import { chartCard, legend, saveButtons } from "../charts/js/card.js";
import { FIGURES } from "../charts/js/catalogue.js";
import { runMap } from "../charts/js/heatmap.js";
import { agreementFigure, entropyFigure } from "../charts/js/lines.js";
import { coloured, limits } from "../charts/js/look.js";
import { subtract } from "../charts/js/matrix.js";
import { Plot } from "../charts/js/plot.js";
import { depthFigure, spreadFigure } from "../charts/js/profile.js";
import { Run } from "../charts/js/run.js";

/** @typedef {{ title: string, height: number, help: (string | Node)[], figure: Sized }} Drawing */
const WIDTH = 960;

// Figures of a run, each of a size; null where there is nothing to draw.
/** @param {Recorded} whole */
function ofRun(whole) {
  const run = new Run(whole.describe.run);
  run.describe(whole.describe);
  for (const answer of whole.history) run.ingest(answer);
  const values = run.frames.length ? run.values(null) : null,
    view = { run, step: null, chosen: -1, values, start: run.origin };
  /** @type {(made: (values: Float32Array) => Float32Array, scale: Scale) => Sized} */
  const map = (made, scale) => (size) =>
    values && runMap(size, run, made(values), { selected: null, zoomed: null, ...scale });
  const step = run.earlier === null ? "the last step" : `step ${run.earlier}, which was kept`,
    reach = limits(0, run.reach, 0.02, 0.02)[1];
  /** @type {(words: string) => (string | Node)[]} */
  const after = (words) => [`λ after ${step}, ${words}`];
  /** @type {(about: (typeof FIGURES)[string], figure: Sized, help?: (string | Node)[]) => Drawing} */
  const shown = (about, figure, help = [about.note]) => {
    const height = about.height(run.tasks.length, WIDTH);
    return { title: about.title, height, help, figure };
  };
  const { coefficients, change, accuracy, agreement, divergence, entropy, depth, spread } = FIGURES;
  return [
    shown(
      coefficients,
      map((those) => those, { unit: "λ", range: limits(...run.range) }),
      after(coefficients.note),
    ),
    shown(
      change,
      map((those) => subtract(those, run.origin ?? those), { unit: "Δλ", span: reach }),
      after(change.note),
    ),
    shown(accuracy, (size) => accuracyFigure(size, view), legend(accuracyKey(run, null, false))),
    shown(FIGURES.accuracyOverSteps, (size) => accuracyOverSteps(size, view), legend(accuracyKey(run, null, true))),
    shown(agreement, (size) => agreementFigure(size, view)),
    shown(FIGURES.agreementByTask, (size) => (agreementFigure(size, view) ? null : agreementByTask(size, view))),
    shown(divergence, (size) => agreementFigure(size, { ...view, measure: "kl" })),
    shown(entropy, (size) => entropyFigure(size, view)),
    shown(depth, (size) => depthFigure(size, view)),
    shown(spread, (size) => spreadFigure(size, view)),
  ];
}

const data = JSON.parse(find(document, "#run", HTMLScriptElement).text);
// Those of a study were made before: [[title, {data, layout}]].
/** @type {(figures: [string, Figure][]) => Drawing[]} */
const ofStudy = (figures) =>
  figures.map(([title, one]) => ({ title, height: one.layout.height, help: [], figure: () => coloured(one) }));

for (const { title, height, help, figure } of data.figures ? ofStudy(data.figures) : ofRun(data)) {
  if (!figure({ width: WIDTH, height })) continue;
  const card = chartCard(title, "", { height, wide: true });
  card.help.append(...help);
  card.tools.append(...saveButtons(card.place, title, "Save as "));
  find(document, "main", HTMLElement).append(card.root);
  new Plot(card.place, figure).draw();
}

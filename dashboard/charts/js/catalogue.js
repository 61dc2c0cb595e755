// What each figure of a run is called, what it shows and how high it is: the same on Live, on Layers and in files.
// What depends on the run (a mean, a number of images) is added where the figure is drawn.
/** @typedef {(tasks?: number, width?: number) => number} Height */
/** @type {(each: number, more: number, least: number) => Height} */
const rows =
  (each, more, least) =>
  (tasks = 8) =>
    Math.max(least, each * tasks + more);
/** @type {(height: number) => Height} */
const fixed = (height) => () => height;
// Added to the note where a map can be clicked, which a file can't.
export const PICK = "click a cell to plot it over time";
const AGREEMENT = { title: "Agreement with the experts", note: "how often model and expert predict the same class" };

/** @type {Record<string, { title: string, note: string, height: Height }>} */
export const FIGURES = {
  coefficients: { title: "Merging coefficients", note: "one column per parameter tensor", height: rows(24, 62, 236) },
  coefficientsByTask: {
    title: "Merging coefficients",
    note: "one λ per task, over all steps",
    height: rows(24, 62, 236),
  },
  layers: { title: "λ by layer", note: "", height: rows(27, 66, 230) },
  cell: { title: "One coefficient over time", note: "thin lines: the other tasks", height: fixed(200) },
  cellOfLayers: {
    title: "One coefficient",
    note: "λ over all steps, and how large the task vector is there",
    height: fixed(230),
  },
  change: { title: "Change since step 0", note: "λ minus its value at the start", height: rows(24, 62, 236) },
  accuracy: { title: "Accuracy by task", note: "", height: rows(25, 40, 252) },
  accuracyOverSteps: {
    title: "Accuracy over steps",
    note: "",
    height: (tasks = 8, width = 0) => Math.max(252, 118 * Math.ceil(tasks / Math.max(1, Math.floor(width / 165)))),
  },
  agreement: { ...AGREEMENT, height: fixed(252) },
  agreementByTask: { ...AGREEMENT, height: rows(25, 40, 252) }, // where nothing was learned step by step
  divergence: { title: "Divergence from the experts", note: "KL(expert ‖ model)", height: fixed(252) },
  entropy: { title: "Prediction entropy", note: "nats per image and task", height: fixed(252) },
  depth: { title: "Profile by depth", note: "mean λ of each block, one line per task", height: fixed(230) },
  spread: {
    title: "Profile by task",
    note: "○ mean at step 0 · ● mean now · thick: middle half of the tensors · thin: all tensors",
    height: rows(27, 36, 180),
  },
};

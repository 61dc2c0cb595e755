// The columns of the table of runs, the classes its rows compete in, and the words beside a name.
import { percent } from "../../charts/js/base.js";

/** @type {(value: number | null) => string} */
const count = (value) => (value !== null && Number.isFinite(value) ? value.toLocaleString("en-US") : "–");
/** @type {(value: number | null) => string} */
const seconds = (value) =>
  value !== null && Number.isFinite(value) ? (value < 10 ? value.toFixed(2) : value.toFixed(1)) : "–";

// A measure within a sentence; the name of a person's own metric stays as it is.
/** @type {(measure: Reported) => string} */
export const named = ({ title, own }) => (own ? title : title.charAt(0).toLowerCase() + title.slice(1));

/** @type {(name: Column["name"], title: string, help: string, text: Column["text"]) => Column} */
const column = (name, title, help, text) => ({ name, title, help, text });
export const COLUMNS = [
  column(
    "agreement",
    "Agreement",
    "share of the monitoring images on which the model predicts the same class as the task's expert",
    (row) => percent(row.agreement),
  ),
  column("normalised", "Normalised", "share of the experts' accuracy, averaged over the tasks", (row) =>
    percent(row.normalised),
  ),
  column("seconds", "Seconds", "time of the steps, without evaluation", (row) => seconds(row.seconds)),
  column("memory", "Peak memory", "of the whole process", (row) =>
    row.memory === null ? "–" : `${count(Math.round(row.memory))} MB`,
  ),
  column("adapted_on", "Learned on", "the images the method learned from", (row) =>
    row.adapted_on === "nothing" ? "no images" : row.adapted_on || "–",
  ),
  column("samples", "Images seen", "over all steps and tasks", (row) => count(row.samples)),
  column("steps", "Steps", "updates of λ", (row) => count(row.steps)),
];

// Rows are ordered within the class they compete in.
export const CLASSES = [
  ["one", "A single model, made without labels"],
  ["labelled", "A single model, learned with labels"],
  ["several", "Several models, or extra modules for each task"],
  ["edited", "λ changed by hand; costs include those of the original run"],
  ["reference", "For reference"],
  ["published", "Published numbers, not measured here"],
];
/** @type {Record<string, string>} */
const NEEDS = { "labelled images": "labels", "labelled training images": "labelled training images" };
/** @type {(row: ResultRow) => string} */
const images = (row) =>
  row.adapted_on === "nothing"
    ? "no images"
    : row.adapted_on
      ? `${row.adapted_on} images${Number.isFinite(row.samples) ? `, ${count(row.samples)} seen` : ""}`
      : "";
// What has to be known before a number is compared: what it is made of, what it saw.
/** @type {(row: ResultRow) => string} */
export const told = (row) =>
  [
    row.differs,
    row.parent && `from ${row.parent}, ${row.changes}`,
    row.note,
    NEEDS[row.needs] && `needs ${NEEDS[row.needs]}`,
    images(row),
    row.complete ? "" : "other tasks, so the average is not comparable",
  ]
    .filter(Boolean)
    .join(" · ");
/** @type {(row: ResultRow, name: string) => string | number | null | undefined} */
export const valueOf = (row, name) => {
  if (name === "name") return row.label.toLowerCase();
  if (name === "average") return row.average;
  if (name.startsWith("task ")) return row.cells[Number(name.slice(5))].accuracy;
  return row[/** @type {Column["name"]} */ (name)];
};

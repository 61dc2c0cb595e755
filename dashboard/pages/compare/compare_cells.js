// Cells of the table of runs: a value of its measure, an accuracy with its interval, a verdict.
import { element, percent } from "../../charts/js/base.js";

/** @type {(interval: number[]) => string} */
export const range = ([low, high]) => `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`;
// A share in per cent, a person's own metric as the number it is.
/** @type {(measure: Reported, value: number | null) => string} */
export const shown = (measure, value) => {
  if (value === null) return "–";
  return measure.own ? String(Number(value.toPrecision(4))) : (100 * value).toFixed(1);
};
// What an accuracy that nobody measured has to be, where it follows from agreement with the expert.
/** @type {(between: number[] | null | undefined) => HTMLElement} */
function unknown(between) {
  if (!between) return element("td", { text: "–", class: "an-missing" });
  return element(
    "td",
    {
      class: "an-missing",
      title: "not measured: derived from the expert's accuracy and how often the model agrees with the expert",
    },
    element("b", { text: range(between) }),
  );
}
// A number that is worse than another's never stands without this.
/** @type {Record<string, [string, string]>} */
const MARKS = { good: ["✓", "an-verdict"], "": ["≈", "an-verdict an-even"] };
/** @type {(row: ResultRow, kind: string) => HTMLElement | null} */
export function verdictMark(row, kind) {
  if (!row.verdict) return null;
  const [text, name] = MARKS[kind] || ["⚠", "an-verdict an-worse"];
  const words = `Verdict: ${row.verdict}${kind === "" ? ", no gain over the base" : ""}`;
  return element("i", { class: name, role: "img", text, title: words, "aria-label": words });
}
/** @type {(cell: Score, between: number[] | null | undefined, measure: Reported) => HTMLElement} */
export function valueCell(cell, between, measure) {
  if (!Number.isFinite(cell.accuracy)) return unknown(between);
  const interval = Number.isFinite(cell.low) ? range([cell.low ?? 0, cell.high ?? 0]) : "";
  return element(
    "td",
    {
      class: cell.best ? "an-best" : null,
      title:
        [
          cell.best ? `${measure.best} of its kind` : "",
          interval && `95 % interval ${interval} %`,
          Number.isFinite(cell.normalised) && `${percent(cell.normalised)} of the expert`,
        ]
          .filter(Boolean)
          .join(" · ") || null,
    },
    element("b", { text: shown(measure, cell.accuracy) }),
    interval ? element("small", { text: interval }) : null,
  );
}

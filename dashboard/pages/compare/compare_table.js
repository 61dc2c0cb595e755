// The table of runs: sortable heads, and one line a run under the class it competes in.
import { element } from "../../charts/js/base.js";
import { page } from "../../js/shell.js";
import { range, shown, valueCell, verdictMark } from "./compare_cells.js";
import { CLASSES, COLUMNS, named, told } from "./compare_columns.js";

// Head and bodies of the table; `order` is {sort, down}, `act` has order(column) and tick(row, box).
/** @type {(answer: Compared, rows: ResultRow[], order: { sort: string, down: boolean, chosen: Set<string> }, act: TableAct) => HTMLElement[]} */
export const tableParts = (answer, rows, { sort, down, chosen }, act) => {
  /** @type {(column: string, text: string, words: string, end?: boolean) => HTMLElement} */
  const head = (column, text, words, end = true) => headCell(column, text, words, end, sort === column, down, act);
  const { measure } = answer.table,
    unit = measure.own ? "" : "in per cent";
  const heads = element(
    "tr",
    {},
    element("th", { class: "an-tick", scope: "col" }, element("span", { class: "ms-hidden-text", text: "Drawn" })),
    head("name", "Run", "", false),
    head("average", "Average", ["over the merged tasks", unit].filter(Boolean).join(", ")),
    ...answer.table.titles.map((text, place) => head(`task ${place}`, text, `${named(measure)} ${unit}`.trim())),
    ...COLUMNS.map((column) => head(column.name, column.title, column.help)),
  );
  const wide = 3 + answer.table.tasks.length + COLUMNS.length;
  const bodies = CLASSES.map(([name, words]) => {
    const found = rows.filter((row) => row.group === name);
    if (!found.length) return null;
    const lines = found.map((row) => line(row, answer, chosen.has(row.id), act));
    return element("tbody", {}, section(words, found.length, wide), ...lines);
  });
  return [element("thead", {}, heads), ...bodies.filter((body) => body !== null)];
};

/** @type {(column: string, text: string, words: string, end: boolean, current: boolean, down: boolean, act: TableAct) => HTMLElement} */
function headCell(column, text, words, end, current, down, act) {
  const arrow = element("i", { "aria-hidden": "true", text: current ? (down ? " ↓" : " ↑") : "" });
  const sort = element(
    "button",
    { type: "button", title: words || null, onclick: () => act.order(column) },
    text,
    arrow,
  );
  const looks = {
    scope: "col",
    class: end ? null : "an-name",
    "data-column": column,
    "aria-sort": current ? (down ? "descending" : "ascending") : null,
  };
  return element("th", looks, sort);
}

/** @type {(words: string, count: number, wide: number) => HTMLElement} */
const section = (words, count, wide) =>
  element(
    "tr",
    { class: "an-class" },
    element(
      "th",
      { scope: "rowgroup", colspan: String(wide) },
      element("span", {}, words, element("small", { text: String(count) })),
    ),
  );

/** @type {(row: ResultRow, answer: Compared, checked: boolean, act: TableAct) => HTMLElement} */
function line(row, answer, checked, act) {
  const tick = element("input", { type: "checkbox", checked, "aria-label": `Draw ${row.label}` });
  tick.addEventListener("change", () => act.tick(row, tick));
  const method = row.kind !== "run" || row.parent || row.name === row.method ? "" : row.method,
    about = [method, told(row)].filter(Boolean).join(" · "),
    started = row.created && `started ${row.created.slice(0, 16).replace("T", " ")}`,
    made = [about, started].filter(Boolean).join(" · ");
  const open = { type: "button", class: "an-run", text: row.name, title: "Open this run" };
  const name =
    row.kind === "run"
      ? element("button", { ...open, onclick: () => page.select(row.id) })
      : element("span", { class: "an-run", text: row.name });
  const { measure } = answer.table;
  return element(
    "tr",
    { class: [`an-row-${row.kind}`, row.id === page.run ? "an-current" : ""].join(" "), "data-row": row.id },
    element("td", { class: "an-tick" }, tick),
    element("th", { scope: "row", class: "an-name" }, name, element("small", { text: about, title: made })),
    element(
      "td",
      { class: row.best ? "an-best an-average" : "an-average" },
      element("b", {}, verdictMark(row, answer.verdicts[row.id]), shown(measure, row.average)),
      row.interval ? element("small", { text: range(row.interval) }) : null,
    ),
    ...row.cells.map((cell, place) => valueCell(cell, answer.between[row.id]?.[place], measure)),
    ...COLUMNS.map((column) => element("td", { text: column.text(row) })),
  );
}

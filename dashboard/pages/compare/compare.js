// The page Compare: a table of runs with filter, order and choice, and figures of the chosen rows.
import { ask, askUntilAnswered, element, quiet, find } from "../../charts/js/base.js";
import { labelledMenu } from "../../charts/js/card.js";
import { stateBox } from "../../charts/js/facts.js";
import { failedState, follow, newest } from "../../js/analysis.js";
import { copy, download, tickable, toast, toastError, wordsCard } from "../../js/pieces.js";
import { page } from "../../js/shell.js";
import { named, told, valueOf } from "./compare_columns.js";
import { comparisonFigures } from "./compare_figures.js";
import { missingMethods } from "./compare_missing.js";
import { tableParts } from "./compare_table.js";

const FORMATS = { Copy: "tsv", CSV: "csv", LaTeX: "tex", JSON: "json" };

/** @type {(root: HTMLElement) => void} */
export const compare = (root) => {
  const FIRST = 5,
    MOST = 8;
  const box = stateBox(),
    tables = newest(),
    drawings = newest();
  const state = {
    key: "",
    answer: /** @type {Answer} */ (null),
    suite: "",
    measure: "accuracy",
    filter: "",
    sort: "average",
    down: true,
    chosen: new Set(),
    told: new Set(),
  };

  // Table
  const filter = element("input", {
    type: "search",
    placeholder: "Filter runs",
    "aria-label": "Filter runs",
    oninput: () => {
      state.filter = filter.value.trim().toLowerCase();
      fill();
    },
  });
  const suites = labelledMenu("Suite", (value) => {
    state.suite = value;
    refresh(true);
  });
  const measures = labelledMenu("Measure", (value) => {
    state.measure = value;
    refresh(true);
  });
  const intervals = tickable("95 % intervals", "an-check", {
    checked: true,
    onchange: () => table.classList.toggle("an-plain", !intervals.box.checked),
  });
  const exports = element(
    "div",
    { class: "an-exports" },
    ...Object.entries(FORMATS).map(([text, format]) => quiet(text, () => exported(format))),
  );
  const missing = page.readonly ? null : missingMethods(startMissing);
  const active = element("span", { class: "mc-facts", role: "status" });
  const table = element("table", { class: "an-table" });
  const scroll = element(
    "div",
    { class: "ms-scroll", tabindex: "0", role: "region", "aria-label": "Table of runs", onscroll: () => hint() },
    table,
  );
  new ResizeObserver(() => hint()).observe(scroll);
  const none = element("p", { class: "mc-help an-none", text: "No run matches the filter.", hidden: true });
  const help = element("p", { class: "mc-help" });
  const card = wordsCard(
    "Runs, task by task",
    help,
    [active, missing?.button],
    missing?.panel,
    element("div", { class: "mc-form an-tools" }, suites.root, measures.root, filter, intervals.root, exports),
    element("div", { class: "an-frame" }, scroll),
    none,
  );

  card.classList.add("mc-wide");
  const drawing = comparisonFigures(() => {
    state.chosen.clear();
    fill();
    figures();
  });
  const content = element("div", { class: "mc-grid" }, card, drawing.root);
  root.append(box.root, content);

  // A shade at the right edge while columns are hidden there.
  function hint() {
    scroll.parentElement?.classList.toggle("an-more", scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 4);
  }

  /** @type {(rows: ResultRow[]) => ResultRow[]} */
  function ordered(rows) {
    const sign = state.down ? -1 : 1;
    return [...rows].sort((left, right) => {
      const a = valueOf(left, state.sort),
        b = valueOf(right, state.sort);
      /** @param {unknown} value @returns {value is null | undefined | ""} */
      const absent = (value) => value === null || value === undefined || value === "";
      if (absent(a) || absent(b)) return Number(absent(a)) - Number(absent(b));
      return (a < b ? -1 : a > b ? 1 : 0) * sign;
    });
  }
  const visible = () => {
    /** @type {(row: ResultRow) => boolean} */
    const matches = (row) => `${row.label} ${row.method} ${told(row)} ${row.id}`.toLowerCase().includes(state.filter);
    return ordered(state.answer.table.rows.filter(matches));
  };

  function fill() {
    if (!state.answer) return;
    const rows = visible();
    table.replaceChildren(...tableParts(state.answer, rows, state, act));
    none.hidden = rows.length > 0;
    hint();
  }
  /** @type {TableAct} */
  const act = {
    order(column) {
      state.down = column === state.sort ? !state.down : column !== "name";
      state.sort = column;
      fill();
      find(table, `th[data-column="${column}"] button`, HTMLElement).focus();
    },
    tick(row, tick) {
      if (tick.checked) state.chosen.add(row.id);
      else state.chosen.delete(row.id);
      if (state.chosen.size > MOST) {
        tick.checked = false;
        state.chosen.delete(row.id);
        toast(`At most ${MOST} runs are drawn at once.`, "warning");
        return;
      }
      figures();
    },
  };

  /** @type {(answer: Compared) => void} */
  function show(answer) {
    state.answer = answer;
    suites.fill(answer.suites, answer.suite);
    suites.root.hidden = answer.suites.length < 2;
    const { rows, measure } = answer.table,
      runs = rows.filter((row) => row.kind === "run");
    measures.fill(
      [["accuracy", "Accuracy"], ...answer.table.measures.map((one) => /** @type {Choice} */ ([one.name, one.title]))],
      measure.name,
    );
    measures.root.hidden = !answer.table.measures.length;
    intervals.root.hidden = measure.name !== "accuracy";
    help.textContent =
      `${named(measure)}${measure.own ? "" : " in per cent"} on the test images` +
      (measure.name === "accuracy" || measure.own ? "" : ` (${measure.help})`) +
      (measure.best ? ` · bold: the ${measure.best}, separately with and without labels` : "") +
      (rows.some((row) => row.kind === "published")
        ? " · rows marked “published” are the papers' numbers, not measured here"
        : "");
    active.textContent = answer.active
      ? `${answer.active} more ${answer.active === 1 ? "run is" : "runs are"} in progress or waiting`
      : "";
    missing?.fill(answer.missing);
    if (!runs.length) {
      table.replaceChildren();
      content.classList.add("an-empty");
      empty(answer);
      return;
    }
    box.show(null);
    content.hidden = false;
    for (const row of [...ordered(runs)].sort(
      (left, right) => Number(left.group !== "one") - Number(right.group !== "one"),
    )) {
      if (state.told.has(row.id)) continue;
      state.told.add(row.id);
      if (state.chosen.size < FIRST) state.chosen.add(row.id);
    }
    const known = new Set(rows.map((row) => row.id));
    for (const id of state.chosen) if (!known.has(id)) state.chosen.delete(id);
    fill();
    figures();
  }
  /** @type {(answer: Compared) => void} */
  function empty(answer) {
    content.hidden = true;
    const waiting = answer.active
      ? `${answer.active} ${answer.active === 1 ? "run is" : "runs are"} in progress. Finished runs appear here.`
      : "";
    box.show({
      title: waiting ? "No finished run yet" : "Nothing to compare yet",
      text:
        waiting ||
        (missing ? "Start a merge under Set up, or run several methods at once." : "Finished runs appear here."),
    });
    if (missing && answer.missing.length && !answer.active) box.root.append(missing.button, missing.panel);
    else takeBack();
  }

  // The button stands in the empty state as long as there is one.
  function takeBack() {
    if (!missing || !box.root.contains(missing.button)) return;
    find(card, ".mc-tools", HTMLElement).append(missing.button);
    find(card, ".mc-head", HTMLElement).after(missing.panel);
  }

  async function refresh(anew = false) {
    const wanted = `${page.run} ${state.suite} ${signature()}`;
    if (wanted === state.key && !anew) return;
    state.key = wanted;
    if (!state.answer) {
      content.hidden = true;
      box.show({ title: "Loading …" });
    }
    const answer = await tables.asking("compare", { run: page.run, suite: state.suite, measure: state.measure });
    if (!answer) return;
    if (answer.error) {
      content.hidden = true;
      box.show(
        failedState(answer.error, () => {
          state.suite = "";
          refresh(true);
        }),
      );
      return;
    }
    if (state.answer && state.answer.suite !== answer.suite) {
      state.chosen.clear();
      state.told.clear();
    }
    const another = state.answer?.table.measure.name !== answer.table.measure.name;
    if (another && (state.sort === "average" || state.sort.startsWith("task ")))
      state.down = answer.table.measure.best !== "lowest";
    takeBack();
    show(answer);
  }
  let statuses = "";
  const signature = () => statuses;

  async function figures() {
    /** @type {Compared} */
    const { suite, table: found } = state.answer;
    const rows = ordered(found.rows).filter((row) => state.chosen.has(row.id)),
      ids = rows.map((row) => row.id),
      others = found.rows.map((row) => row.id);
    if (!ids.length) {
      drawings.drop();
      drawing.set(null, [], found);
      return;
    }
    const question = { run: page.run, suite, ids, others, measure: found.measure.name };
    const answer = await drawings.asking("compare_figures", question);
    if (!answer) return;
    drawing.set(toastError(answer).error ? null : answer, rows, found);
  }

  /** @type {(format: string) => Promise<void>} */
  async function exported(format) {
    const ids = visible().map((row) => row.id);
    const { suite, table: seen } = state.answer,
      question = { run: page.run, suite, ids, format, measure: seen.measure.name };
    const answer = await askUntilAnswered("compare_text", question);
    if (!answer || toastError(answer).error) return;
    if (format === "tsv") copy(answer.text);
    else download(answer.text, answer.name, format === "json" ? "application/json" : "text/plain");
  }
  /** @type {(methods: string[]) => Promise<Told<"compare_start">>} */
  async function startMissing(methods) {
    const answer = toastError(await ask("compare_start", { run: page.run, suite: state.answer.suite, methods }));
    refresh(true);
    return answer;
  }

  page.on("runs", (/** @type {Listed[]} */ runs) => {
    const now = runs.map((run) => run.id + run.status + run.title).join();
    if (now === statuses) return;
    statuses = now;
    if (page.tab === "compare") refresh();
  });
  page.on("theme", () => drawing.draw());
  content.hidden = true;
  follow("compare", () => refresh());
};

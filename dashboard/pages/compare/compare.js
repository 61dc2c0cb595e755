/* The page Compare: a table of runs with filter, order and choice, and figures of the chosen rows. */
window.mergescope.pages.compare = (root) => {
  "use strict";
  const ms = window.mergescope, { analysis, charts } = ms, { element, quiet } = charts;
  const FIRST = 5, MOST = 8;
  const box = charts.stateBox();
  const state = { turn: 0, drawn: 0, key: "", answer: null, suite: "", filter: "", sort: "average", down: true, chosen: new Set(), told: new Set(),
    figure: "bars", figures: null };

  /* Table */
  const filter = element("input", { type: "search", placeholder: "Filter runs", "aria-label": "Filter runs",
    oninput: () => { state.filter = filter.value.trim().toLowerCase(); fill(); } });
  const suites = charts.menu("Suite", (value) => { state.suite = value; refresh(true); });
  const intervals = element("input", { type: "checkbox", checked: true, onchange: () => table.classList.toggle("an-plain", !intervals.checked) });
  const exports = element("div", { class: "an-exports" },
    quiet("Copy", () => exported("tsv")), quiet("CSV", () => exported("csv")), quiet("LaTeX", () => exported("tex")), quiet("JSON", () => exported("json")));
  const missing = ms.readonly ? null : ms.missing(startMissing);
  const active = element("span", { class: "mc-facts", role: "status" });
  const table = element("table", { class: "an-table" });
  const scroll = element("div", { class: "an-scroll", tabindex: "0", role: "region", "aria-label": "Table of runs", onscroll: () => hint() }, table);
  new ResizeObserver(() => hint()).observe(scroll);
  const none = element("p", { class: "mc-help an-none", text: "No run matches the filter.", hidden: true });
  const help = element("p", { class: "mc-help" });
  const card = element("section", { class: "mc-card mc-wide" },
    element("header", { class: "mc-head" }, element("div", {}, element("h3", { text: "Runs, task by task" }), help),
      element("div", { class: "mc-tools" }, active, missing?.button)), missing?.panel,
    element("div", { class: "mc-form an-tools" }, suites.root, filter,
      element("label", { class: "an-check" }, intervals, element("span", { text: "95 % intervals" })), exports),
    element("div", { class: "an-frame" }, scroll), none);

  /* Figures */
  const figure = analysis.figureCard("Bars", "", { wide: true, height: 330, note: "Tick runs in the table to draw them." });
  const choice = charts.choice("Figure", { bars: "Bars", radar: "Radar", time: "Accuracy and seconds" }, state.figure,
    (value) => { state.figure = value; draw(); });
  const clear = quiet("Untick all", () => { state.chosen.clear(); fill(); figures(); });
  figure.tools.prepend(choice.root, clear);
  const title = figure.root.querySelector("h3");
  const key = element("div", { class: "an-key" });
  figure.foot.append(key);
  const content = element("div", { class: "mc-grid" }, card, figure.root);
  root.append(box.root, content);

  /* A shade at the right edge while columns are hidden there. */
  function hint() { scroll.parentElement?.classList.toggle("an-more", scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 4); }

  const COLUMNS = [
    ["agreement", "Agreement", "share of the watched images on which it predicts the same class as the task's expert", (row) => row.agreement, (row) => charts.percent(row.agreement)],
    ["normalised", "Normalised", "share of the experts' accuracy, averaged over the tasks", (row) => row.normalised, (row) => charts.percent(row.normalised)],
    ["seconds", "Seconds", "time of the steps, without evaluation", (row) => row.seconds, (row) => seconds(row.seconds)],
    ["memory", "Peak memory", "of the whole process", (row) => row.memory, (row) => (Number.isFinite(row.memory) ? `${count(Math.round(row.memory))} MB` : "–")],
    ["adapted_on", "Learned on", "the images the method learned from", (row) => row.adapted_on, (row) => (row.adapted_on === "nothing" ? "no images" : row.adapted_on || "–")],
    ["samples", "Images seen", "over all steps and tasks", (row) => row.samples, (row) => count(row.samples)],
    ["steps", "Steps", "updates of λ", (row) => row.steps, (row) => count(row.steps)],
  ];
  const count = (value) => (Number.isFinite(value) ? value.toLocaleString("en-US").replaceAll(",", " ") : "–");
  const seconds = (value) => (Number.isFinite(value) ? (value < 10 ? value.toFixed(2) : value.toFixed(1)) : "–");

  /* Rows are ordered within the class they compete in. */
  const CLASSES = [
    ["one", "A single model, made without labels"],
    ["labelled", "A single model, learned with labels"],
    ["several", "Several models, or extra modules for each task"],
    ["edited", "λ changed by hand; the cost includes that of the run it came from"],
    ["reference", "For orientation"],
    ["published", "Published numbers, not measured here"],
  ];
  const NEEDS = { "labelled images": "labels", "labelled training images": "labelled training images" };
  const images = (row) => (row.adapted_on === "nothing" ? "no images" : row.adapted_on ? `${row.adapted_on} images${Number.isFinite(row.samples) ? `, ${count(row.samples)} seen` : ""}` : "");
  /* What has to be known before a number is compared: what it is made of, what it saw. */
  const told = (row) => [row.differs, row.parent && `from ${row.parent}, ${row.changes}`, row.note, NEEDS[row.needs] && `needs ${NEEDS[row.needs]}`, images(row),
    row.complete ? "" : "other tasks, so its average is not comparable"].filter(Boolean).join(" · ");
  const valueOf = (row, column) => {
    if (column === "name") return row.label.toLowerCase();
    if (column === "average") return row.average;
    if (column.startsWith("task ")) return row.cells[Number(column.slice(5))].accuracy;
    return COLUMNS.find(([name]) => name === column)[3](row);
  };
  function ordered(rows) {
    const sign = state.down ? -1 : 1;
    return [...rows].sort((left, right) => {
      const a = valueOf(left, state.sort), b = valueOf(right, state.sort);
      const empty = (value) => value === null || value === undefined || value === "";
      if (empty(a) || empty(b)) return Number(empty(a)) - Number(empty(b));
      return (a < b ? -1 : a > b ? 1 : 0) * sign;
    });
  }
  const visible = () => {
    const matches = (row) => `${row.label} ${row.method} ${told(row)} ${row.id}`.toLowerCase().includes(state.filter);
    return ordered(state.answer.table.rows.filter(matches));
  };

  function head(column, text, hint, end = true) {
    const current = state.sort === column;
    const sort = element("button", { type: "button", title: hint || null, onclick: () => {
      state.down = current ? !state.down : column !== "name";
      state.sort = column;
      fill();
      table.querySelector(`th[data-column="${column}"] button`)?.focus();
    } }, text, element("i", { "aria-hidden": "true", text: current ? (state.down ? " ↓" : " ↑") : "" }));
    return element("th", { scope: "col", class: end ? null : "an-name", "data-column": column,
      "aria-sort": current ? (state.down ? "descending" : "ascending") : null }, sort);
  }
  const range = ([low, high]) => `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`;
  /* What an accuracy that nobody measured has to be, where it follows from agreement with the expert. */
  function unknown(between) {
    if (!between) return element("td", { text: "–", class: "an-missing" });
    return element("td", { class: "an-missing", title: "not measured: follows from how often it agrees with the expert, and from the expert's accuracy" }, element("b", { text: range(between) }));
  }
  /* A number that is worse than another's never stands without this. */
  const MARKS = { good: ["✓", "an-verdict"], "": ["≈", "an-verdict an-even"] };
  function mark(row) {
    if (!row.verdict) return null;
    const kind = state.answer.verdicts[row.id], [text, name] = MARKS[kind] || ["⚠", "an-verdict an-worse"];
    const words = `Verdict: ${row.verdict}${kind === "" ? ", no gain over the base" : ""}`;
    return element("i", { class: name, role: "img", text, title: words, "aria-label": words });
  }
  function accuracy(cell, between) {
    if (!Number.isFinite(cell.accuracy)) return unknown(between);
    const interval = Number.isFinite(cell.low) ? range([cell.low, cell.high]) : "";
    return element("td", { class: cell.best ? "an-best" : null,
      title: [cell.best ? "highest of its kind" : "", interval && `95 % interval ${interval} %`, Number.isFinite(cell.normalised) && `${charts.percent(cell.normalised)} of the expert`].filter(Boolean).join(" · ") || null },
    element("b", { text: (100 * cell.accuracy).toFixed(1) }), interval ? element("small", { text: interval }) : null);
  }
  const section = (words, found) => element("tr", { class: "an-class" }, element("th", { scope: "rowgroup", colspan: String(3 + state.answer.table.tasks.length + COLUMNS.length) },
    element("span", {}, words, element("small", { text: String(found.length) }))));
  function line(row) {
    const tick = element("input", { type: "checkbox", checked: state.chosen.has(row.id), "aria-label": `Draw ${row.label}`, onchange: () => {
      if (tick.checked) state.chosen.add(row.id); else state.chosen.delete(row.id);
      if (state.chosen.size > MOST) { tick.checked = false; state.chosen.delete(row.id); ms.toast(`At most ${MOST} runs are drawn at once.`, "warning"); return; }
      figures();
    } });
    const about = [row.kind !== "run" || row.parent || row.name === row.method ? "" : row.method, told(row)].filter(Boolean).join(" · ");
    const made = [about, row.created && `started ${row.created.slice(0, 16).replace("T", " ")}`].filter(Boolean).join(" · ");
    const name = row.kind === "run"
      ? element("button", { type: "button", class: "an-run", text: row.name, title: "Open this run", onclick: () => ms.select(row.id) })
      : element("span", { class: "an-run", text: row.name });
    return element("tr", { class: [`an-row-${row.kind}`, row.id === ms.run ? "an-current" : ""].join(" "), "data-row": row.id },
      element("td", { class: "an-tick" }, tick),
      element("th", { scope: "row", class: "an-name" }, name, element("small", { text: about, title: made })),
      element("td", { class: row.best ? "an-best an-average" : "an-average" }, element("b", {}, mark(row), Number.isFinite(row.average) ? (100 * row.average).toFixed(1) : "–"),
        row.interval ? element("small", { text: range(row.interval) }) : null),
      ...row.cells.map((cell, place) => accuracy(cell, state.answer.between[row.id]?.[place])), ...COLUMNS.map(([, , , , text]) => element("td", { text: text(row) })));
  }
  function fill() {
    if (!state.answer) return;
    const { table: found } = state.answer, rows = visible();
    table.replaceChildren(
      element("thead", {}, element("tr", {}, element("th", { class: "an-tick", scope: "col" }, element("span", { class: "ms-hidden-text", text: "Drawn" })),
        head("name", "Run", "", false), head("average", "Average", "over the merged tasks, in per cent"),
        ...found.titles.map((text, place) => head(`task ${place}`, text, "accuracy in per cent")), ...COLUMNS.map(([name, text, hint]) => head(name, text, hint)))),
      ...CLASSES.map(([name, words]) => [words, rows.filter((row) => row.group === name)]).filter(([, found]) => found.length)
        .map(([words, found]) => element("tbody", {}, section(words, found), ...found.map(line))));
    none.hidden = rows.length > 0;
    hint();
  }

  function show(answer) {
    state.answer = answer;
    suites.fill(answer.suites, answer.suite);
    suites.root.hidden = answer.suites.length < 2;
    const { rows } = answer.table, runs = rows.filter((row) => row.kind === "run");
    help.textContent = "accuracy in per cent on the test images · bold: the highest of its kind, with labels and without apart"
      + (rows.some((row) => row.kind === "published") ? " · rows marked “published” are the papers' numbers, not measured here" : "");
    active.textContent = answer.active ? `${answer.active} more ${answer.active === 1 ? "run is" : "runs are"} going on or waiting` : "";
    missing?.fill(answer.missing);
    if (!runs.length) {
      table.replaceChildren();
      content.classList.add("an-empty");
      empty(answer);
      return;
    }
    box.show(null);
    content.hidden = false;
    for (const row of [...ordered(runs)].sort((left, right) => Number(left.group !== "one") - Number(right.group !== "one"))) {
      if (state.told.has(row.id)) continue;
      state.told.add(row.id);
      if (state.chosen.size < FIRST) state.chosen.add(row.id);
    }
    const known = new Set(rows.map((row) => row.id));
    for (const id of state.chosen) if (!known.has(id)) state.chosen.delete(id);
    fill();
    figures();
  }
  function empty(answer) {
    content.hidden = true;
    const waiting = answer.active ? `${answer.active} ${answer.active === 1 ? "run is" : "runs are"} going on. It appears here once it is done.` : "";
    box.show({ title: waiting ? "No finished run yet" : "Nothing to compare yet",
      text: waiting || (missing ? "Start a merge under Set up, or run several methods in one go." : "Finished runs appear here.") });
    if (missing && answer.missing.length && !answer.active) box.root.append(missing.button, missing.panel);
    else takeBack();
  }

  /* The button stands in the empty state as long as there is one. */
  function takeBack() {
    if (!missing || !box.root.contains(missing.button)) return;
    card.querySelector(".mc-tools").append(missing.button);
    card.querySelector(".mc-head").after(missing.panel);
  }

  async function refresh(anew = false) {
    const wanted = `${ms.run} ${state.suite} ${signature()}`;
    if (wanted === state.key && !anew) return;
    state.key = wanted;
    const turn = (state.turn += 1);
    if (!state.answer) { content.hidden = true; box.show({ title: "Loading …" }); }
    const answer = await charts.answer("compare", { run: ms.run, suite: state.suite }, { alive: () => turn === state.turn });
    if (!answer) return;
    if (answer.error) {
      content.hidden = true;
      box.show(analysis.failed(answer.error, () => { state.suite = ""; refresh(true); }));
      return;
    }
    if (state.answer && state.answer.suite !== answer.suite) { state.chosen.clear(); state.told.clear(); }
    takeBack();
    show(answer);
  }
  let statuses = "";
  const signature = () => statuses;

  async function figures() {
    clear.hidden = state.chosen.size === 0;
    const ids = ordered(state.answer.table.rows).map((row) => row.id).filter((id) => state.chosen.has(id));
    const turn = (state.drawn += 1);
    if (!ids.length) { state.figures = null; draw(); return; }
    const answer = await charts.answer("compare_figures", { run: ms.run, suite: state.answer.suite, ids, others: state.answer.table.rows.map((row) => row.id) }, { alive: () => turn === state.drawn });
    if (!answer) return;
    state.figures = answer.error ? null : { ...answer, names: ids.map((id) => state.answer.table.rows.find((row) => row.id === id)) };
    if (answer.error) ms.toast(answer.error, "error");
    draw();
  }
  const WORDS = { bars: ["Accuracy by task", "bars: accuracy · whiskers: 95 % interval"],
    radar: ["Accuracy around the tasks", "the further out, the better; the rings say how much"],
    time: ["Accuracy against time", "average accuracy · names: ticked runs · grey: all others, hover to read them"] };
  function draw() {
    const chosen = state.figures?.[state.figure];
    [title.textContent, figure.help.textContent] = WORDS[state.figure];
    figure.place.setAttribute("aria-label", WORDS[state.figure][0]);
    const named = state.figures?.names ?? [];
    const unlabelled = named.length > 0 && named.every((row) => row.cells.every((cell) => !Number.isFinite(cell.accuracy)));
    figure.note.textContent = unlabelled ? "Nothing to draw: the test images have no labels, so there is no accuracy." : state.figure === "radar" && state.answer?.table.tasks.length < 3
      ? "A radar needs at least three tasks." : "Tick runs in the table to draw them.";
    const filled = chosen?.wide.data.length ? chosen : null;
    figure.set(filled);
    const data = filled?.wide.data ?? [];
    key.replaceChildren(...(state.figure === "time" || unlabelled ? [] : named.map((row, place) => {
      const colour = data[place]?.marker?.color;
      return element("span", { class: "mc-key" }, element("i", { class: "mc-kind", style: colour ? `background:${charts.colour(colour)}` : null, "aria-hidden": "true" }), row.label);
    })));
  }

  async function exported(format) {
    const ids = visible().map((row) => row.id);
    const answer = await charts.answer("compare_text", { run: ms.run, suite: state.answer.suite, ids, format });
    if (answer?.error) ms.toast(answer.error, "error");
    else if (format === "tsv") ms.copy(answer.text);
    else ms.download(answer.text, answer.name, format === "json" ? "application/json" : "text/plain");
  }
  async function startMissing(methods) {
    const answer = await ms.ask("compare_start", { run: ms.run, suite: state.answer.suite, methods });
    refresh(true);
    return answer;
  }

  ms.on("runs", (runs) => {
    const now = runs.map((run) => run.id + run.status + run.title).join();
    if (now === statuses) return;
    statuses = now;
    if (ms.tab === "compare") refresh();
  });
  ms.on("theme", draw);
  content.hidden = true;
  analysis.follow("compare", () => refresh());
};

/* The page "Checkpoints": small pieces that its sections are made of. Text goes into the page through textContent only. */
window.mergescopeBench = (() => {
  "use strict";
  const ms = window.mergescope, { make, button } = ms;

  const card = (name, ...content) => {
    const el = make("section", "ms-card");
    el.setAttribute("aria-label", name);
    el.append(...content);
    return el;
  };
  const note = (kind, text) => {
    const el = make("div", `ms-note ${kind}`, text);
    if (kind === "error") el.setAttribute("role", "alert");
    return el;
  };
  let count = 0;
  /* A labelled control; `control` gets an id of its own. */
  const labelled = (text, control, help) => {
    const row = make("div", "ms-bench-field"), label = make("label", "", text);
    label.htmlFor = control.id = `ms-bench-${++count}`;
    row.append(label, control);
    if (help) row.append(make("p", "ms-help", help));
    return row;
  };
  /* `choices`: [value, text] pairs; a value that is not among them is kept as it is. */
  const select = (choices, value, onChange) => {
    const el = make("select");
    const known = choices.some(([each]) => each === value) ? choices : [...choices, [value, value]];
    for (const [each, text] of known) {
      const option = make("option", "", text);
      option.value = each;
      el.append(option);
    }
    el.value = value;
    el.addEventListener("change", () => onChange(el.value));
    return el;
  };
  const input = (value, placeholder, onInput) => {
    const el = make("input");
    el.type = "text";
    el.value = value;
    el.placeholder = placeholder;
    el.addEventListener("input", () => onInput(el.value));
    return el;
  };
  const size = (bytes) => (bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : bytes >= 2 ** 20 ? `${Math.round(bytes / 2 ** 20)} MiB`
    : `${Math.max(1, Math.round(bytes / 1024))} KiB`);
  const time = (seconds) => (seconds < 90 ? `${Math.ceil(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`);

  /* The line that says how far the background work is. */
  const progress = (chore, onStop) => {
    const box = make("div", "ms-bench-progress"), bar = make("progress"), words = make("span", "ms-help");
    if (chore.total) { bar.max = chore.total; bar.value = Math.min(chore.done, chore.total); }
    const left = chore.left === null ? "" : ` · about ${time(chore.left)} left`;
    words.textContent = `${chore.label || "Working"}${chore.total ? ` · ${chore.done} of ${chore.total}` : ""}${left}`;
    bar.setAttribute("aria-label", chore.about);
    box.append(bar, words, button("Stop", "", onStop));
    return box;
  };
  /* A table inside its own scroller: headings, rows of texts or elements. */
  const table = (headings, rows, label) => {
    const scroller = make("div", "ms-bench-scroll"), el = make("table", "ms-bench-table"), top = make("tr"), body = make("tbody");
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "region");
    scroller.setAttribute("aria-label", label);
    for (const heading of headings) {
      const cell = make("th", "", heading);
      cell.scope = "col";
      top.append(cell);
    }
    for (const row of rows) {
      const line = make("tr");
      for (const value of row) {
        const cell = make("td");
        cell.append(value);
        line.append(cell);
      }
      body.append(line);
    }
    const thead = make("thead");
    thead.append(top);
    el.append(thead, body);
    scroller.append(el);
    return scroller;
  };
  return { card, note, labelled, select, input, size, time, progress, table };
})();

// What if λ were different? Changes are listed, shown above at once, evaluated on the server, and can become a run.
import { askUntilAnswered, element, mean, number, percent, points, quiet, signed } from "./base.js";
import { chartCard, labelledMenu } from "./card.js";
import { editWords } from "./edits.js";
import { groupsOf } from "./matrix.js";

/** @type {Choice[]} */
const OPERATIONS = [
  ["set", "set to"],
  ["scale", "multiply by"],
  ["add", "add"],
];

/** @type {Record<string, string>} */
const USUAL = { set: "0.30", scale: "1.10", add: "0.05" };
/** @type {(value: string, text: string) => Choice} */
const choice = (value, text) => [value, text];

// Asks whatif({run, step, edits}) -> {pending} | {images, tasks: [{learned, edited}]} | {error};
// whatif_save({…, name}) -> {pending} | {saved: id} | {error}
/** @type {(hub: Hub, state: LayersState) => RunCard} */
export const whatif = (hub, state) => {
  const card = chartCard("What if?", "change λ, see the new values above, and measure the effect on every task", {
    height: 0,
    wide: true,
  });
  card.body.hidden = true;
  /** @type {(edits: Edit[]) => void} */
  const change = (edits) => {
    state.edits = edits;
    forget();
    state.changed();
  };
  const form = parts(hub, state, change);
  const chips = element("ul", { class: "mc-chips" });
  const measure = quiet("Measure", () => work("whatif"), { class: "mc-primary" });
  const clear = quiet("Undo all", () => change([]));
  const naming = { placeholder: "Name of the new run", "aria-label": "Name of the new run", maxlength: "80" };
  const name = element("input", { type: "text", ...naming });
  const save = quiet("Save as a run", () => work("whatif_save"));
  const actions = element("div", { class: "mc-form mc-actions" }, measure, clear, name, save);
  const message = element("p", { class: "mc-help", role: "status" });
  const table = element("div", { class: "mc-scroll" });
  card.foot.append(form.root, chips, actions, message, table);
  let turn = 0,
    busy = false;

  function forget() {
    turn += 1;
    busy = false;
    message.textContent = "";
    message.className = "mc-help";
    table.replaceChildren();
  }
  /** @type {(text: string, wrong?: boolean) => void} */
  function say(text, wrong = false) {
    message.textContent = text;
    message.className = wrong ? "mc-error" : "mc-help";
  }

  // The server computes in the background; the same question is asked until it is answered.
  /** @type {(what: "whatif" | "whatif_save") => Promise<void>} */
  async function work(what) {
    const run = hub.run;
    if (busy || !run) return;
    const mine = (turn += 1);
    busy = true;
    table.replaceChildren();
    say(what === "whatif" ? "Merging and measuring …" : "Merging and measuring on all test images …");
    update();
    const question = {
      run: run.id,
      step: run.frames[run.place(hub.step)].number,
      edits: state.edits,
      name: name.value,
    };
    const answer = await askUntilAnswered(what, { ...question, again: true }, { alive: () => mine === turn });
    if (!answer) return;
    busy = false;
    update();
    if (answer.error) say(answer.error, true);
    else if ("saved" in answer) {
      say("Saved as a new run.");
      hub.emit("saved", answer.saved);
    } else if ("tasks" in answer) {
      say(`Measured on ${answer.images} test images per task.`);
      table.replaceChildren(whatifTable(run, answer.tasks));
    }
  }

  function update() {
    const run = hub.run;
    card.root.hidden = !run?.frames.length;
    if (!run) return;
    form.update();
    /** @type {(edit: Edit) => HTMLElement} */
    const chip = (edit) => {
      const text = editWords(edit, run),
        undo = () => change(state.edits.filter((one) => one !== edit));
      const button = { type: "button", text: "×", "aria-label": `Undo ${text}`, onclick: undo };
      return element("li", {}, text, element("button", button));
    };
    chips.replaceChildren(...state.edits.map(chip));
    const none = !state.edits.length;
    actions.hidden = none;
    measure.disabled = save.disabled = busy;
  }
  hub.on("run", forget);
  hub.on("step", () => {
    if (table.hasChildNodes()) forget();
  });
  return { root: card.root, update };
};

// The line of controls that makes one change.
/** @param {Hub} hub @param {LayersState} state @param {(edits: Edit[]) => void} change */
function parts(hub, state, change) {
  const task = labelledMenu("Task", () => {}),
    where = labelledMenu("Where", () => {}),
    how = labelledMenu("λ", () => suggest());
  how.fill(OPERATIONS);
  const limits = { type: "number", step: "0.01", value: "0.30", min: "-10", max: "10" };
  const value = element("input", { ...limits, "aria-label": "Value" });
  const add = quiet("Add change", () => {
    const wanted = Number(value.value);
    if (value.value === "" || !Number.isFinite(wanted) || Math.abs(wanted) > 10) {
      value.focus();
      return;
    }
    const edit = {
      task: task.select.value,
      where: where.select.value,
      op: /** @type {Edit["op"]} */ (how.select.value),
      value: wanted,
    };
    change([...state.edits, edit]);
  });
  const suggest = () => {
    value.value = USUAL[how.select.value];
  };
  value.addEventListener("keydown", (event) => {
    if (event.key === "Enter") add.click();
  });
  const root = element("div", { class: "mc-form" }, task.root, where.root, how.root, value, add);
  let followed = "";
  const update = () => {
    const run = hub.run;
    if (!run) return;
    task.fill([["", "all tasks"], ...run.tasks.map((one) => choice(one.name, one.title))]);
    where.fill(places(run));
    const cell = JSON.stringify([run.id, state.cell]);
    if (cell === followed) return;
    followed = cell;
    if (!state.cell) return;
    task.select.value = run.tasks[state.cell.task].name;
    where.select.value = placeOf(run, state.detail, state.cell.key);
  };
  return { root, update };
}

/** @type {(run: Run) => Choice[]} */
function places(run) {
  const kinds = [...new Set(run.columns.map((column) => column.kind))],
    blocks = [...new Set(run.columns.map((column) => column.block))];
  if (run.columns.length === 1) return [["", "all layers"]];
  return [
    ["", "all layers"],
    ...blocks.map((block) => choice(`block:${block}`, block)),
    ...(kinds.length > 1 ? kinds.map((kind) => choice(`kind:${kind}`, `all ${kind}`)) : []),
    ...run.columns
      .filter((column) => column.name !== column.block)
      .map((column) => choice(`column:${column.name}`, `${column.block} · ${column.label}`)),
  ];
}

/** @type {(run: Run, detail: Detail, key: string) => string} */
function placeOf(run, detail, key) {
  const group = groupsOf(run.columns, detail).find((one) => one.key === key);
  if (detail === "tensor" && group && group.name !== group.block) return `column:${group.name}`;
  return run.columns.length === 1 ? "" : `${detail === "kind" ? "kind" : "block"}:${key}`;
}

/** @typedef {{ accuracy: number, entropy: number }} Measured */
/** @type {(run: Run, tasks: Effect[]) => HTMLElement} */
const whatifTable = (run, tasks) => {
  /** @type {(name: string, learned: Measured, edited: Measured) => HTMLElement} */
  const cells = (name, learned, edited) =>
    element(
      "tr",
      {},
      element("td", { text: name }),
      element("td", { text: percent(learned.accuracy) }),
      element("td", { text: percent(edited.accuracy) }),
      gain(edited.accuracy - learned.accuracy),
      element("td", { text: number(learned.entropy) }),
      element("td", { text: number(edited.entropy) }),
      element("td", { text: signed(edited.entropy - learned.entropy) }),
    );
  /** @type {(which: keyof Effect, what: keyof Measured) => number} */
  const average = (which, what) => mean(tasks.map((task) => task[which][what] ?? NaN));
  /** @type {(which: keyof Effect) => Measured} */
  const both = (which) => ({ accuracy: average(which, "accuracy"), entropy: average(which, "entropy") });
  /** @type {(one: Effect["learned"]) => Measured} */
  const clean = (one) => ({ accuracy: one.accuracy ?? NaN, entropy: one.entropy });
  const heads = ["Task", "accuracy, learned λ", "your λ", "points", "entropy, learned λ", "your λ", "change"];
  return element(
    "table",
    { class: "mc-table" },
    element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { text, scope: "col" })))),
    element(
      "tbody",
      {},
      ...tasks.map((task, row) => cells(run.tasks[row].title, clean(task.learned), clean(task.edited))),
      cells("mean", both("learned"), both("edited")),
    ),
  );
};

// Only accuracy is coloured: a lower entropy is no good in itself.
/** @type {(value: number) => HTMLElement} */
function gain(value) {
  const clear = Number.isFinite(value) && Math.abs(value) >= 0.0005;
  return element("td", { text: points(value), class: clear ? (value > 0 ? "mc-better" : "mc-worse") : null });
}

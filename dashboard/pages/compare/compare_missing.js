// "Run the missing methods" of the page Compare: a button, and a panel in which methods are ticked before they are queued.
import { element, quiet } from "../../charts/js/base.js";
import { toast } from "../../js/pieces.js";

export const missingMethods = (/** @type {(methods: string[]) => Promise<Told<"compare_start">>} */ start) => {
  const left = new Set();
  let listed = /** @type {Offered[]} */ ([]),
    known = "";

  const button = quiet("", () => open(panel.hidden), { class: "mc-primary", "aria-expanded": "false" });
  const queue = quiet("", begin, { class: "mc-primary" });
  /** @type {(text: string, value: boolean) => HTMLButtonElement} */
  const tick = (text, value) =>
    quiet(text, () => {
      for (const box of list.querySelectorAll("input")) {
        box.checked = value;
        mark(box);
      }
    });
  const list = element("div", { class: "an-missing-list" });
  const panel = element(
    "section",
    { class: "an-missing-panel", "aria-label": "Methods without a run", hidden: true },
    element("p", {
      class: "mc-help",
      text: "Each method runs with its defaults on all tasks, one after the other. Formulas take seconds; methods that learn take minutes.",
    }),
    list,
    element("div", { class: "mc-form" }, queue, tick("All", true), tick("None", false)),
  );

  /** @type {(yes: boolean | string) => void} */
  function open(yes) {
    panel.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
    if (yes) list.querySelector("input")?.focus();
  }
  /** @type {(box: { checked: boolean, value: string }) => void} */
  function mark(box) {
    if (box.checked) left.delete(box.value);
    else left.add(box.value);
    const count = listed.filter((item) => !left.has(item.name)).length;
    queue.textContent = `Queue ${count} ${count === 1 ? "run" : "runs"}`;
    queue.disabled = count === 0;
  }
  /** @type {(item: Offered) => HTMLElement} */
  function row(item) {
    const box = element("input", {
      type: "checkbox",
      value: item.name,
      checked: !left.has(item.name),
      onchange: () => mark(box),
    });
    return element(
      "label",
      { class: "an-missing-row", title: item.summary },
      box,
      element("span", {}, element("b", { text: item.title }), element("small", { text: item.cost })),
    );
  }
  /** @type {(methods: Offered[]) => void} */
  function fill(methods) {
    const now = methods.map((item) => item.name).join();
    button.hidden = !methods.length;
    button.textContent = methods.length === 1 ? "Run the missing method" : `Run the ${methods.length} missing methods`;
    if (!methods.length) open(false);
    if (now === known) return;
    known = now;
    listed = methods;
    const families = new Map();
    for (const item of methods) families.set(item.family, [...(families.get(item.family) || []), item]);
    list.replaceChildren(
      ...[...families].map(([family, items]) =>
        element("fieldset", {}, element("legend", { text: family }), ...items.map(row)),
      ),
    );
    mark(list.querySelector("input") ?? { checked: true, value: "" });
  }
  async function begin() {
    if (queue.disabled) return;
    queue.disabled = true;
    const answer = await start(listed.map((item) => item.name).filter((name) => !left.has(name)));
    queue.disabled = false;
    if (answer.error) return;
    const started = answer.started.length;
    if (started) toast(`${started} ${started === 1 ? "run is" : "runs are"} queued; they appear here one by one.`);
    if (answer.problem) toast(answer.problem, "warning");
    open(false);
  }
  return { button, panel, fill };
};

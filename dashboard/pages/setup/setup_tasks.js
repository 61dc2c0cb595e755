// The task cards of the page "Set up": images, classes, counts, accuracies, chosen or not. Text through textContent only.
import { button, element, percent } from "../../charts/js/base.js";
import { heading } from "../../js/pieces.js";

/** @type {(text: string, title?: string | null) => HTMLElement} */
const meta = (text, title = null) => element("span", { class: "ms-task-meta", text, title });

/** @type {(images: Record<string, number>) => string[]} */
function counted(images) {
  /** @type {Record<string, string>} */
  const words = { test: "test", "held-out": "held-out", train: "training" };
  const parts = Object.entries(images).map(([split, n]) => `${n.toLocaleString("en")} ${words[split] || split}`);
  return parts.reverse();
}

/** @type {(task: TaskCard, chosen: boolean, onChange: OnTask) => HTMLLabelElement} */
function card(task, chosen, onChange) {
  const input = element("input", {
    type: "checkbox",
    name: task.name,
    checked: chosen,
    onchange: () => {
      box.classList.toggle("chosen", input.checked);
      onChange(task.name, input.checked);
    },
  });
  const picture = task.strip.startsWith("data:image/png;base64,")
    ? element("img", { src: task.strip, alt: `Some images of ${task.title}` })
    : element("span", { class: "ms-help", text: task.problem || "no images to show" });
  const more = task.class_count - Math.min(task.classes.length, 4),
    counts = counted(task.images);
  const box = element(
    "label",
    { class: `ms-task${chosen ? " chosen" : ""}${task.expert ? "" : " unseen"}` },
    element(
      "span",
      { class: "ms-task-head" },
      input,
      element("span", { class: "ms-task-title", text: task.title }),
      element("span", { class: "ms-badge" }),
    ),
    element("span", { class: "ms-strip" }, picture),
    element("span", {
      class: "ms-task-classes",
      text: task.classes.slice(0, 4).join(", ") + (more > 0 ? ` and ${more} more` : ""),
      title: task.classes.join(", ") + (task.class_count > task.classes.length ? ", …" : ""),
    }),
    meta(
      `${task.class_count} classes · ${counts.length ? `${counts[0]} images` : "no images"}`,
      counts.length ? `${counts.join(", ")} images` : null,
    ),
    task.held_out ? meta(task.held_out) : null,
    element("span", { class: "ms-span-row" }),
  );
  return box;
}

/** @type {(box: HTMLElement, task: TaskCard, known?: import("../../answers").SetupPair | null) => void} */
function accuracy(box, task, known) {
  const slot = /** @type {HTMLElement} */ (box.querySelector(".ms-span-row"));
  if (task.labelled === false) {
    slot.replaceChildren(meta("no labels: λ and entropy, but no accuracy"));
    return;
  }
  if (!known) {
    slot.replaceChildren(
      element("span", {
        class: "ms-help",
        text: task.expert ? "expert: being measured …" : "no expert: only evaluated",
      }),
    );
    return;
  }
  const low = known.base ?? 0,
    high = known.expert ?? low;
  const range = element("i", { style: `left:${100 * Math.min(low, high)}%;width:${100 * Math.abs(high - low)}%` });
  /** @type {(role: string, value: number) => HTMLElement} */
  const mark = (role, value) => element("b", { class: role, style: `left:${100 * value}%` });
  const words = [
    known.base === null ? "" : `base ${percent(known.base)}`,
    known.expert === null ? "no expert: only evaluated" : `expert ${percent(known.expert)}`,
  ]
    .filter(Boolean)
    .join(" → ");
  slot.replaceChildren(
    element(
      "span",
      { class: "ms-span" },
      range,
      mark("base", low),
      known.expert === null ? null : mark("expert", high),
    ),
    meta(words),
  );
}

/** @type {(box: HTMLElement, check?: import("../../answers").SetupShapesChecked) => void} */
function badge(box, check) {
  const slot = /** @type {HTMLElement} */ (box.querySelector(".ms-badge"));
  slot.textContent = check && !check.trusted ? "needs caution" : "";
  slot.title = check?.advice || "";
  box.classList.toggle("caution", Boolean(check && !check.trusted));
}

/** @type {(section: HTMLElement, options: { tasks: TaskCard[], chosen: Set<string>, onChange: OnTask }) => TaskCards} */
export function buildTasks(section, { tasks, chosen, onChange }) {
  const boxes = new Map(
    tasks.map((task) => /** @type {const} */ ([task.name, card(task, chosen.has(task.name), onChange)])),
  );
  tasks.forEach((task) => accuracy(/** @type {HTMLElement} */ (boxes.get(task.name)), task, null));
  /** @type {(wanted: (name: string) => boolean, told?: OnTask) => void} */
  const choose = (wanted, told = () => {}) =>
    boxes.forEach((box, name) => {
      const input = /** @type {HTMLInputElement} */ (box.querySelector("input"));
      if (input.checked === wanted(name)) return;
      input.checked = wanted(name);
      box.classList.toggle("chosen", input.checked);
      told(name, input.checked);
    });
  section.replaceChildren(
    element(
      "div",
      { class: "ms-section-head" },
      heading("2  Tasks", "Each task you choose adds its expert to the merge. Hover over the class names to see more."),
      element(
        "div",
        { class: "ms-actions" },
        button("All", "", () => choose(() => true, onChange)),
        button("None", "", () => choose(() => false, onChange)),
      ),
    ),
    element("div", { class: "ms-task-grid" }, ...boxes.values()),
  );
  return {
    choose(names) {
      choose((name) => names.has(name));
    },
    accuracies(known) {
      tasks.forEach((task) => accuracy(/** @type {HTMLElement} */ (boxes.get(task.name)), task, known[task.name]));
    },
    caution(checks) {
      const by = new Map((checks || []).map((check) => [check.task, check]));
      boxes.forEach((box, name) => badge(box, by.get(name)));
    },
  };
}

// The page "Checkpoints": small pieces that its sections are made of. Text goes into the page through textContent only.
import { button, duration, element } from "../../charts/js/base.js";
import { table } from "../../js/pieces.js";

/** @type {(name: string, ...content: Child[]) => HTMLElement} */
export const benchCard = (name, ...content) => element("section", { class: "ms-card", "aria-label": name }, ...content);
let count = 0;
// A labelled control; `control` gets an id of its own.
/** @type {(text: string, control: HTMLElement, help?: string) => HTMLElement} */
export const labelled = (text, control, help) => {
  control.id = `ms-bench-${++count}`;
  return element(
    "div",
    { class: "ms-field" },
    element("label", { text, for: control.id }),
    control,
    help ? element("p", { class: "ms-help", text: help }) : null,
  );
};
/** @type {(value: string, placeholder: string, onInput: (text: string) => void, attributes?: Attributes) => HTMLInputElement} */
export const textInput = (value, placeholder, onInput, attributes = {}) => {
  const made = element("input", {
    type: "text",
    value,
    placeholder,
    oninput: () => onInput(made.value),
    ...attributes,
  });
  return made;
};
/** @type {(bytes: number) => string} */
export const fileSize = (bytes) =>
  bytes >= 2 ** 30
    ? `${(bytes / 2 ** 30).toFixed(1)} GiB`
    : bytes >= 2 ** 20
      ? `${Math.round(bytes / 2 ** 20)} MiB`
      : `${Math.max(1, Math.round(bytes / 1024))} KiB`;

// The line that says how far the background work is.
/** @type {(chore: Chore, onStop: () => unknown) => HTMLElement} */
export const progressLine = (chore, onStop) => {
  const left = chore.left === null ? "" : ` · about ${duration(chore.left)} left`;
  const far = chore.total ? { max: chore.total, value: Math.min(chore.done, chore.total) } : {};
  return element(
    "div",
    { class: "ms-bench-progress" },
    element("progress", { ...far, "aria-label": chore.about }),
    element("span", {
      class: "ms-help",
      text: `${chore.label || "Working"}${chore.total ? ` · ${chore.done} of ${chore.total}` : ""}${left}`,
    }),
    button("Stop", "", onStop),
  );
};
/** @type {(headings: string[], rows: Child[][], label: string) => HTMLElement} */
export const benchTable = (headings, rows, label) =>
  table(label, headings, rows, { scroller: "ms-bench-scroll", table: "ms-bench-table" });

// The settings of one method as a form, made from the description that dashboard/pages/setup/catalogue.py gives.
import { element, select } from "../../charts/js/base.js";
import { coded, heading } from "../../js/pieces.js";

let serial = 0;

/** @type {(value: unknown, field: Shown) => string} */
function words(value, field) {
  if (field.kind === "bool") return value ? "on" : "off";
  const found = field.choices.find((choice) => choice.value === value);
  return found ? found.title : String(value);
}

/** @type {(field: Shown, value: unknown, onInput: (value: unknown) => void, attributes: Attributes) => HTMLElement} */
function control(field, value, onInput, attributes) {
  if (field.kind === "choice") {
    /** @type {Choice[]} */
    const choices = field.choices.map((choice) => [String(choice.value), choice.title]);
    return select(
      choices,
      String(value),
      (chosen) => onInput(field.choices.find((choice) => String(choice.value) === chosen)?.value),
      attributes,
    );
  }
  if (field.kind === "bool") {
    const box = element("input", {
      type: "checkbox",
      checked: Boolean(value),
      onchange: () => onInput(box.checked),
      ...attributes,
    });
    return box;
  }
  const read = () => {
    const text = input.value.trim(),
      number = Number(text);
    onInput(field.kind !== "text" && text !== "" && isFinite(number) ? number : text);
  };
  const input = element("input", {
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    inputmode: /** @type {Record<string, string>} */ ({ int: "numeric", float: "decimal" })[field.kind],
    value: String(value ?? ""),
    oninput: read,
    ...attributes,
  });
  return input;
}

// What the browser can tell at once; the server checks everything again.
/** @type {(field: Shown, value: unknown) => string} */
function wrong(field, value) {
  if (field.kind !== "int" && field.kind !== "float") return "";
  if (typeof value !== "number") return "should be a number";
  if (field.kind === "int" && !Number.isInteger(value)) return "should be a whole number";
  if (field.min !== null && value < field.min) return `should be ${field.min} or more`;
  if (field.above !== null && value <= field.above) return `should be above ${field.above}`;
  if (field.max !== null && value > field.max) return `should be ${field.max} or less`;
  if (field.below !== null && value >= field.below) return `should be below ${field.below}`;
  return "";
}

/** @type {(field: Shown, value: unknown, suiteValue: unknown, onInput: OnField) => HTMLElement} */
export function formRow(field, value, suiteValue, onInput) {
  const id = `ms-field-${++serial}`;
  const message = element("p", { class: "ms-wrong", role: "alert", id: `${id}-wrong` });
  /** @type {(next: unknown) => void} */
  const show = (next) => {
    const text = wrong(field, next);
    message.textContent = text && `${field.title} ${text}.`;
    box.classList.toggle("bad", Boolean(text));
    input.setAttribute("aria-invalid", String(Boolean(text)));
  };
  const input = control(
    field,
    value,
    (next) => {
      show(next);
      onInput(field.name, next);
    },
    { id, name: field.name, "aria-describedby": `${id}-help ${id}-wrong` },
  );
  const label = element("label", { text: field.title, for: id });
  /** @type {(text: string) => string} */
  const known = (text) => text.toLowerCase().replace(/[^a-z]/g, "");
  const help = element(
    "p",
    { class: "ms-help", id: `${id}-help` },
    ...(known(field.help) === known(field.title) ? [] : coded(field.help)),
  );
  let origin = `Default: ${words(field.default, field) || "none"}${field.source ? ` — ${field.source}` : ""}.`;
  if (suiteValue !== undefined && suiteValue !== field.default)
    origin += ` This suite suggests ${words(suiteValue, field)}.`;
  const top = field.kind === "bool" ? [element("div", { class: "ms-check" }, input, label)] : [label, input];
  const box = element(
    "div",
    { class: `ms-field ${field.kind}`, "data-name": field.name },
    ...top,
    help,
    element("p", { class: "ms-source", text: origin }),
    message,
  );
  return box;
}

/** @type {(section: HTMLElement, form: FormOf) => { bad: () => boolean, focus: (name: string) => void }} */
export function buildForm(section, { fields, values, suite, onInput, extra }) {
  /** @type {(essential: boolean) => HTMLElement[]} */
  const rows = (essential) =>
    fields
      .filter((field) => Boolean(field.essential) === essential)
      .map((field) => formRow(field, values[field.name], suite?.[field.name], onInput));
  const first = rows(true);
  section.replaceChildren(
    heading("4  Options", "Every default cites its source. Your changes are recorded with the run."),
    ...(first.length ? [element("div", { class: "ms-fields" }, ...first)] : []),
    element(
      "details",
      { open: section.querySelector("details")?.open },
      element("summary", { text: "More options" }),
      element("div", { class: "ms-fields" }, ...rows(false), ...extra),
    ),
  );
  return {
    bad: () => fields.some((field) => wrong(field, values[field.name])),
    focus(name) {
      const found = section.querySelector(`[data-name="${CSS.escape(name)}"]`);
      if (!found) return;
      found.closest("details")?.setAttribute("open", "");
      /** @type {HTMLElement | null} */ (found.querySelector("input,select"))?.focus();
    },
  };
}

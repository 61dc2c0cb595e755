// How a run is carried out, in the form of the page "Set up": what no method has as a setting of its own.
import { element } from "../../charts/js/base.js";
import { whereField } from "../../js/where.js";
import { formRow } from "./setup_form.js";

/** @type {(values: string[]) => { value: string, title: string }[]} */
const named = (values) => values.map((value) => ({ value, title: value }));
const EVERY = {
  name: "evaluate_every",
  title: "Measure accuracy every … steps",
  help: "Uses up to 128 test images per task; 0: only at the end.",
  kind: "int",
  default: 0,
};
const DEVICE = {
  name: "device",
  title: "Device",
  help: "Where to run; auto uses a GPU if there is one.",
  kind: "choice",
  default: "auto",
};
const PRECISION = {
  name: "precision",
  title: "Precision",
  help: "For the forward and backward pass; auto measures which is faster on this machine.",
  kind: "choice",
  choices: named(["auto", "float32", "bfloat16"]),
  default: "auto",
};
const NAME = {
  name: "name",
  title: "Name of the run",
  help: "Shown in the list of runs; optional.",
  kind: "text",
  default: "",
};
const REST = { choices: [], source: "Mergescope", min: 0, max: null, above: null, below: null };

/** @type {(values: Record<string, unknown>, onInput: OnField) => HTMLElement} */
const whereRow = (values, onInput) =>
  element(
    "div",
    { class: "ms-field", "data-name": "on" },
    whereField({ several: false, on: String(values.on), onChange: (on) => onInput("on", on) }).root,
    element("p", {
      class: "ms-help",
      text: "Its result comes back into these runs. The forecast is that of this machine.",
    }),
  );

// Without Ray there is nothing to choose but this machine.
/** @type {(method: Method, catalogue: import("../../answers").SetupCatalogue, values: Record<string, unknown>, onInput: OnField) => HTMLElement[]} */
export const executionRows = (method, { devices, alone }, values, onInput) => {
  const steps = method.fields.some((field) => field.name === "steps");
  const rows = [...(steps ? [EVERY] : []), { ...DEVICE, choices: named(devices) }, PRECISION, NAME].map((field) =>
    formRow({ ...REST, ...field }, values[field.name], undefined, onInput),
  );
  return alone ? rows : [...rows, whereRow(values, onInput)];
};

// The methods on the page "Set up": under headings by what they need, with a search, and what the chosen one does.
import { element } from "../../charts/js/base.js";
import { heading, terms, titled } from "../../js/pieces.js";

const SEARCHED = 6;

/** @type {(item: Method, onChange: (name: string) => void) => HTMLLabelElement} */
const chip = (item, onChange) =>
  element(
    "label",
    { class: "ms-chip", title: item.summary },
    element("input", { type: "radio", name: "method", value: item.name, onchange: () => onChange(item.name) }),
    element("span", { text: item.title }),
  );

/** @type {(section: HTMLElement, options: { methods: Method[], onChange: (name: string) => void }) => { about: HTMLElement, choose: (name: string) => void }} */
export function buildMethods(section, { methods, onChange }) {
  const search = element("input", {
    type: "search",
    class: "ms-method-search",
    placeholder: `Search ${methods.length} methods`,
    "aria-label": "Search methods",
    oninput: find,
  });
  const none = element("p", { class: "ms-help", text: "No method matches.", hidden: true });
  const chips = new Map(methods.map((item) => [item.name, chip(item, onChange)]));
  const rows = [...new Set(methods.map((item) => item.family))].map((family) =>
    element(
      "fieldset",
      { class: "ms-method-group" },
      element("legend", { text: family }),
      element(
        "div",
        { class: "ms-chips" },
        ...methods.filter((item) => item.family === family).map((item) => chips.get(item.name)),
      ),
    ),
  );
  function find() {
    const words = search.value.trim().toLowerCase();
    for (const item of methods) {
      const text = [item.title, item.name, item.summary, item.family, item.paper].join(" ").toLowerCase();
      /** @type {HTMLElement} */ (chips.get(item.name)).hidden = !text.includes(words);
    }
    for (const row of rows) row.hidden = [...row.querySelectorAll("label")].every((box) => box.hidden);
    none.hidden = rows.some((row) => !row.hidden);
  }
  const head = heading("3  Method", "Grouped by what each method needs besides the checkpoints.");
  const about = element("div", { class: "ms-method-about" });
  section.replaceChildren(
    element("div", { class: "ms-section-head" }, head, methods.length > SEARCHED ? search : null),
    element("div", { class: "ms-method-groups" }, ...rows),
    none,
    about,
  );
  return {
    about,
    choose(name) {
      /** @type {HTMLInputElement} */ (/** @type {HTMLElement} */ (chips.get(name)).firstChild).checked = true;
    },
  };
}

/** @type {(item: Method) => HTMLElement} */
export function methodFacts(item) {
  /** @type {[string, string][]} */
  const rows = [
    ["What it does", item.summary],
    ["Needs", item.needs],
    ["Costs", item.cost],
    ["Learns", item.trains === "nothing" ? "" : item.trains],
    ["Paper", item.paper],
  ];
  return terms(
    "ms-facts",
    rows.filter(([, text]) => text),
  );
}

/** @type {(found: Preset[], chosen: string, onChange: (preset: Preset) => void) => HTMLElement} */
export const presetChoice = (found, chosen, onChange) =>
  element(
    "fieldset",
    { class: "ms-presets" },
    element("legend", { text: "Start from" }),
    ...found.map((preset) =>
      element(
        "label",
        {},
        element("input", {
          type: "radio",
          name: "preset",
          checked: preset.name === chosen,
          onchange: () => onChange(preset),
        }),
        titled(preset.title, preset.help),
      ),
    ),
  );

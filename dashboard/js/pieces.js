// Small pieces that the pages are made of, and messages to whoever looks at them. Text becomes text nodes only.
import { button, element } from "../charts/js/base.js";

// A message that goes away by itself.
/** @type {(text: string, kind?: "info" | "warning" | "error") => void} */
export const toast = (text, kind = "info") => {
  const tray =
    document.getElementById("ms-toasts") ?? element("div", { id: "ms-toasts", role: "status", "aria-live": "polite" });
  if (!tray.isConnected) document.body.append(tray);
  const words = String(text).slice(0, 600);
  const made = element("button", { type: "button", class: `ms-toast ${kind}`, text: words, title: "Close" });
  made.addEventListener("click", () => made.remove());
  tray.append(made);
  while (tray.children.length > 4) tray.firstChild?.remove();
  setTimeout(() => made.remove(), kind === "error" ? 15000 : 7000);
};

// The same answer; what went wrong is told at once.
/** @type {<T extends { error?: string }>(answer: T) => T} */
export const toastError = (answer) => {
  if (answer.error) toast(answer.error, "error");
  return answer;
};

// Title and help text above a part of a page.
/** @type {(title: string, help: string) => HTMLElement} */
export const heading = (title, help) =>
  element("div", {}, element("h2", { class: "ms-title", text: title }), element("p", { class: "ms-help", text: help }));

// A card in which the pages Compare, Playground and Similarity say something without a figure; `help` may be an element
// whose text changes.
/** @type {(title: string, help: string | HTMLElement, tools: Child[], ...content: Child[]) => HTMLElement} */
export const wordsCard = (title, help, tools, ...content) => {
  const helping = typeof help === "string" ? element("p", { class: "mc-help", text: help }) : help,
    words = element("div", {}, element("h3", { text: title }), helping),
    right = tools.length > 0 && element("div", { class: "mc-tools" }, ...tools);
  return element("section", { class: "mc-card" }, element("header", { class: "mc-head" }, words, right), ...content);
};

// A table in a scroller of its own. A cell is made already, or what stands in a <td>.
/** @type {(label: string, heads: string[], rows: Child[][], looks?: { scroller: string, table: string }) => HTMLElement} */
export const table = (label, heads, rows, looks = { scroller: "ms-scroll", table: "ms-table" }) => {
  /** @type {(cell: Child) => Child} */
  const made = (cell) => (cell instanceof HTMLTableCellElement ? cell : element("td", {}, cell));
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col", text }))),
    body = rows.map((row) => element("tr", {}, ...row.map(made)));
  return element(
    "div",
    { class: looks.scroller, tabindex: "0", role: "region", "aria-label": label },
    element("table", { class: looks.table }, element("thead", {}, head), element("tbody", {}, ...body)),
  );
};

// Terms, each with its text.
/** @type {(name: string, rows: [string, string][]) => HTMLElement} */
export const terms = (name, rows) => {
  const parts = rows.flatMap(([term, text]) => [element("dt", { text: term }), element("dd", { text })]);
  return element("dl", { class: name }, ...parts);
};

// A title with smaller lines below it, in a list.
/** @type {(title: string, ...texts: string[]) => HTMLElement} */
export const titled = (title, ...texts) =>
  element("span", {}, element("strong", { text: title }), ...texts.map((text) => element("small", { text })));

// A box to tick, with its label: {root, box}.
/** @type {(text: string, name: string, attributes?: Attributes) => { root: HTMLElement, box: HTMLInputElement }} */
export const tickable = (text, name, attributes = {}) => {
  const box = element("input", { type: "checkbox", ...attributes });
  return { root: element("label", { class: name }, box, element("span", { text })), box };
};

// Controls side by side.
/** @type {(...parts: Child[]) => HTMLElement} */
export const line = (...parts) => element("div", { class: "ms-line" }, ...parts);

// How far something is.
/** @type {(share: number) => HTMLElement} */
export const bar = (share) => element("span", { class: "ms-bar" }, element("i", { style: `width:${100 * share}%` }));

// A remark in a coloured frame.
/** @type {(kind: string, text: string, ...more: Child[]) => HTMLElement} */
export const note = (kind, text, ...more) =>
  element("div", { class: `ms-note ${kind}`, role: kind === "error" ? "alert" : null }, text, ...more);

// Texts and <code> of a text in which `…` marks code.
/** @type {(text: string) => (string | HTMLElement)[]} */
export const coded = (text) =>
  text.split("`").map((piece, place) => (place % 2 ? element("code", { text: piece }) : piece));

// What is doubtful about the inputs, as core.problem.findings has it, perhaps with a button.
/** @type {(one: { severity: string, text: string, remedy: string }, ...more: Child[]) => HTMLElement} */
export const finding = ({ severity, text, remedy }, ...more) => {
  const kind = severity === "severe" ? "error" : severity === "warning" ? "warning" : "";
  return note(kind, "", element("p", {}, ...coded(`${text} ${remedy}`)), ...more);
};

// What stands where nothing is to be seen yet: what is missing, and how to get it.
/** @type {(title: string, text: string) => HTMLElement} */
export const empty = (title, text) =>
  element("div", { class: "ms-empty" }, element("strong", { text: title }), element("span", { text }));

// A place that is kept while something loads.
/** @type {(height: number) => HTMLElement} */
export const skeleton = (height) => element("div", { class: "ms-skeleton", style: `height:${height}px` });

// Puts an error and "Try again" in the place of a section's content.
/** @type {(section: Element, text: string, again: () => unknown) => void} */
export const failed = (section, text, again) =>
  section.replaceChildren(note("error", text), button("Try again", "", again));

// Offers a text as a file.
/** @type {(text: string, name: string, type: string) => void} */
export const download = (text, name, type) => {
  const url = URL.createObjectURL(new Blob([text], { type })),
    link = element("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
};

/** @type {(text: string) => unknown} */
export const copy = (text) => {
  const done = () => toast("Copied.");
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text).then(done, () => {});
  const box = element("textarea", { text });
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
  return done();
};

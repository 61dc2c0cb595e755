// Parts of the page Playground: a test image to click, and what one model says.
import { element, percent } from "../../charts/js/base.js";

// Only pictures that the server made itself.
/** @type {(image: import("../../answers").PlaygroundShapesSample, onclick: () => void) => HTMLElement} */
export function thumb(image, onclick) {
  const label = image.label;
  return element(
    "button",
    { type: "button", class: "pg-thumb", title: label, "aria-pressed": "false", "data-index": image.index, onclick },
    element("img", { src: safe(image.picture), alt: label, width: 52, height: 52, loading: "lazy" }),
  );
}
/** @type {(uri: string) => string} */
export const safe = (uri) => (/^data:image\/png;base64,[A-Za-z0-9+/=]+$/.test(uri) ? uri : "");

/** @type {(name: string, title: string, rows: import("../../answers").PlaygroundShapesShown[], own: boolean) => HTMLElement} */
export function modelCard(name, title, rows, own) {
  const words = /** @type {Record<string, string>} */ ({ merged: "Merged", base: "Base" })[name] ?? title;
  const note =
    name === "merged"
      ? "this run"
      : name === "base"
        ? "before fine-tuning"
        : own
          ? "expert on these classes"
          : "expert on another task";
  return element(
    "div",
    { class: `pg-model ${name === "merged" ? "pg-first" : ""} ${own ? "pg-own" : ""}`, "data-model": name },
    element("h4", {}, words, element("small", { text: note })),
    element(
      "ol",
      {},
      ...rows.map((row, place) =>
        element(
          "li",
          { class: [row.true ? "pg-true" : "", place === 0 ? "pg-top" : ""].join(" ") },
          element("span", {
            class: "pg-label",
            text: row.label,
            title: row.true ? `${row.label}, the true class` : row.label,
          }),
          element("span", { class: "pg-share", text: percent(row.share, row.share < 0.0995 ? 1 : 0) }),
          element("i", {
            class: "pg-bar",
            style: `--share:${Math.max(0, Math.min(1, row.share))}`,
            "aria-hidden": "true",
          }),
        ),
      ),
    ),
  );
}

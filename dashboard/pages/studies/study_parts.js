// Parts of the page Studies: how far a study is, what it found, its tables.
import { duration, element } from "../../charts/js/base.js";
import { ACTIVE } from "../../charts/js/given.js";
import { table } from "../../js/pieces.js";

/** @type {(one: StudyCard) => boolean} */
export const active = (one) => Boolean(one?.state && ACTIVE.includes(one.state.status));

/** @type {(one: StudyCard) => string} */
export function studyWords(one) {
  const now = one.state;
  if (!now) return "not run on this suite yet";
  const quickly = now.quick ? " · quick" : "";
  if (now.status === "queued") return `waiting for its turn${quickly}`;
  if (now.status === "running")
    return `${now.done} of ${now.total} runs${now.left ? ` · ${duration(now.left)} left` : ""}${quickly}`;
  const failed = now.failed ? ` · ${now.failed} failed` : "";
  if (now.status === "done") return `done · ${now.done} of ${now.total} runs${failed}${quickly}`;
  return `${now.status} · ${now.done} of ${now.total} runs${quickly}`;
}

/** @type {(answer: Told<"study_result">) => HTMLElement} */
export function findingsCard(answer) {
  const partial = Boolean(answer.card.state && answer.card.state.done < answer.card.state.total);
  return element(
    "section",
    { class: "mc-card" },
    element("h3", { class: "ms-title", text: partial ? "So far" : "What it found" }),
    element("ul", { class: "st-findings" }, ...answer.findings.map((text) => element("li", { text }))),
    element("p", { class: "mc-help", text: answer.said }),
  );
}

/** @type {(one: import("../../answers").StudiesViewShown) => HTMLElement} */
export function studyTable(one) {
  const rows = one.rows.map(({ cells: [name, ...cells], note, best }) => [
    element("th", { scope: "row", text: name, title: note || null }),
    ...cells.map((text, place) => element("td", { text, class: best[place] && !one.source ? "st-best" : null })),
  ]);
  return element(
    "section",
    { class: one.source ? "mc-card st-published" : "mc-card" },
    element("h3", { class: "ms-title", text: one.title }),
    one.source ? element("p", { class: "mc-help", text: one.source }) : null,
    table(one.title, one.heads, rows),
  );
}

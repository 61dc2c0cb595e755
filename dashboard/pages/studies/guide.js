// The method guide: what you have -> what to use, and a card for every method with its measured accuracy.
import { element, percent } from "../../charts/js/base.js";
import { newest } from "../../js/analysis.js";
import { bar, coded, note, table, terms } from "../../js/pieces.js";

export const methodGuide = () => {
  /** @type {Record<string, string>} */
  const HEADINGS = {
    references: "References",
    nothing: "Checkpoints only",
    "unlabelled images": "With unlabelled images",
    "labelled images": "With a few labelled images",
    "labelled training images": "With training data",
  };
  const root = element("div", { class: "st-guide ms-stack" });
  const { asking } = newest();
  let shown = "";

  /** @type {(suite: string) => Promise<void>} */
  async function show(suite) {
    if (root.hidden) {
      shown = "";
      return;
    }
    if (shown === suite) return;
    shown = suite;
    root.replaceChildren(element("div", { class: "mc-state" }, element("strong", { text: "Loading …" })));
    const answer = await asking("method_guide", { suite });
    if (!answer) return;
    if (answer.error) {
      shown = "";
      root.replaceChildren(note("error", answer.error));
      return;
    }
    draw(answer);
  }
  /** @type {(answer: Told<"method_guide">) => void} */
  function draw(answer) {
    const measured = answer.cards.some((card) => Number.isFinite(card.accuracy)),
      heads = ["You have", measured ? "Use (best measured first)" : "Use", "How"];
    const rows = answer.decisions.map((one) => [
      element("th", { scope: "row", text: one.have }),
      element("td", { text: one.use.join(", ") || "–", "data-head": "Use" }),
      element("td", { "data-head": "How" }, ...coded(one.how)),
    ]);
    const decisions = element(
      "section",
      { class: "mc-card" },
      element("h3", { class: "ms-title", text: "What you have, what to use" }),
      element("p", { class: "mc-help", text: answer.source }),
      table("Decision table", heads, rows, { scroller: "ms-scroll", table: "ms-table st-decide" }),
    );
    const groups = new Map();
    for (const card of answer.cards) groups.set(card.group, [...(groups.get(card.group) || []), card]);
    const top = Math.max(...answer.cards.map((card) => card.accuracy ?? 0), 0.01);
    root.replaceChildren(
      decisions,
      ...[...groups].flatMap(([group, cards]) => [
        element("h3", { class: "st-heading", text: HEADINGS[group] || group[0].toUpperCase() + group.slice(1) }),
        element(
          "div",
          { class: "st-methods" },
          ...cards.map((/** @type {import("../../answers").StudiesGuideMethodCard} */ card) => method(card, top)),
        ),
      ]),
    );
  }
  /** @type {(card: import("../../answers").StudiesGuideMethodCard, top: number) => HTMLElement} */
  function method(card, top) {
    const measured = Number.isFinite(card.accuracy) ? percent(card.accuracy) : "not measured";
    const seconds =
      card.seconds !== null && Number.isFinite(card.seconds)
        ? ` Measured: ${card.seconds < 10 ? card.seconds.toFixed(1) : Math.round(card.seconds)} s.`
        : "";
    /** @type {[string, string][]} */
    const about = [
      ["Needs", card.needs],
      ["Cost", card.cost + seconds],
    ];
    if (card.trains !== "nothing") about.push(["Trains", card.trains]);
    return element(
      "section",
      { class: "mc-card st-method", "data-method": card.name },
      element(
        "header",
        { class: "mc-head" },
        element("h3", { text: card.title }),
        element("code", { text: card.name }),
      ),
      element("p", { class: "st-summary", text: card.summary }),
      element("div", { class: "st-reached" }, bar((card.accuracy || 0) / top), element("b", { text: measured })),
      element("p", { class: "st-formula" }, ...coded(card.formula)),
      terms("mc-list", about),
      element(
        "details",
        {},
        element("summary", { text: "Paper and differences" }),
        element("p", { class: "mc-help st-paper" }, ...coded(card.paper)),
      ),
    );
  }
  return { root, show };
};

// What a run gets wrong: its confusion matrix, and the images that only the expert gets right.
import { askUntilAnswered, element, percent } from "../../charts/js/base.js";
import { doingWords } from "../../charts/js/progress.js";
import { figureCard } from "../../js/analysis.js";
import { wordsCard } from "../../js/pieces.js";
import { page } from "../../js/shell.js";
import { safe } from "./playground_parts.js";

// `choose(index)` looks at an image, `mark()` shows which one is looked at. `look` takes seconds, so it follows when
// everything else is there; it ends where `alive()` is false.
export const mistakesCards = (/** @type {(index: number) => void} */ choose, /** @type {() => void} */ mark) => {
  const matrix = figureCard("Confusion matrix", "", { height: 420, note: "Computing …" });
  const gallery = element("div", { class: "pg-mistakes" });
  const count = element("p", { class: "mc-help" });
  const mistakes = wordsCard("Mistakes that the expert doesn't make", count, [], gallery);

  /** @type {(run: string, name: string, title: string, alive: () => boolean) => Promise<void>} */
  const look = async (run, name, title, alive) => {
    matrix.set(null);
    matrix.note.textContent = "Evaluating the run on the test images …";
    matrix.help.textContent = "";
    gallery.replaceChildren();
    count.textContent = "";
    const pending = (/** @type {Progress} */ now) => {
      if (now.total) matrix.note.textContent = doingWords(now).filter(Boolean).join(", ");
    };
    const answer = await askUntilAnswered("confusion", { run, task: name, again: true }, { alive, pending });
    if (!answer) return;
    if (answer.error || "unlabelled" in answer) {
      matrix.note.textContent = answer.error || "These images have no labels, so mistakes can't be counted.";
      return;
    }
    /** @type {(value: number) => string} */
    const right = (value) => percent(value / answer.images);
    matrix.help.textContent =
      `${title} · ${answer.images} test images · ${right(answer.correct)} right` +
      (answer.expert_correct === null ? "" : `, its expert ${right(answer.expert_correct)}`) +
      (page.status?.status === "done" ? "" : ` · step ${answer.step}`);
    matrix.set(answer.figures);
    const more = answer.only_expert - answer.mistakes.length;
    count.textContent =
      answer.expert_correct === null
        ? "This task has no expert."
        : answer.only_expert
          ? `${answer.only_expert} of ${answer.images} images · most confident first${more > 0 ? ` · ${answer.mistakes.length} shown` : ""}`
          : `None of ${answer.images} images: whatever the expert gets right, this run gets right too.`;
    gallery.replaceChildren(
      ...answer.mistakes.map((image) =>
        element(
          "button",
          {
            type: "button",
            class: "pg-mistake",
            "data-index": image.index,
            "aria-pressed": "false",
            onclick: () => choose(image.index),
          },
          element("img", { src: safe(image.picture), alt: "", width: 56, height: 56, loading: "lazy" }),
          element(
            "span",
            {},
            element("b", { text: image.label }),
            element("small", { text: `predicted ${image.said}, ${percent(image.share, 0)}` }),
          ),
        ),
      ),
    );
    mark();
  };

  return { roots: [matrix.root, mistakes], look };
};

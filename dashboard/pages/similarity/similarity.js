// The page Similarity: matrix with a slider over the groups of tensors, lengths, depth, advice.
import { element, quantile, quiet } from "../../charts/js/base.js";
import { choiceRow } from "../../charts/js/card.js";
import { stateBox } from "../../charts/js/facts.js";
import { themeColours, upright } from "../../charts/js/look.js";
import { failedState, figureCard, follow, newest, workingState } from "../../js/analysis.js";
import { wordsCard } from "../../js/pieces.js";
import { page } from "../../js/shell.js";

/** @type {(root: HTMLElement) => void} */
export const similarity = (root) => {
  const box = stateBox(),
    { asking } = newest();
  const state = { shown: "", measure: "cosine", group: 0, found: /** @type {Answer} */ (null) };

  const matrix = figureCard("Task vectors, pair by pair", "", { height: 420 });
  const measure = choiceRow("Measure", { cosine: "Cosine", conflict: "Sign conflict" }, state.measure, (value) => {
    state.measure = value;
    draw();
  });
  matrix.tools.prepend(measure.root);
  const slider = element("input", {
    type: "range",
    min: "0",
    max: "0",
    value: "0",
    "aria-label": "Group of tensors",
    oninput: () => {
      state.group = Number(slider.value);
      draw();
    },
  });
  const shown = element("output", { class: "an-group" });
  const whole = quiet("All tensors", () => {
    state.group = 0;
    draw();
  });
  matrix.foot.append(element("div", { class: "mc-scrub" }, whole, slider, shown));

  const list = element("ul", { class: "an-advice" });
  const advice = wordsCard("What this means", "advice based on these numbers", [], list);
  const norms = figureCard("Length of each task vector", "", { height: 250 });
  const depth = figureCard(
    "Similarity over depth",
    "mean cosine of all pairs · shaded: least to most similar pair · click to look at that block",
    {
      height: 250,
      wide: true,
      onClick: (point) => {
        state.group = Math.min(state.found.groups.length - 1, Math.round(point.x) + 1);
        draw();
      },
    },
  );
  const content = element(
    "div",
    { class: "mc-grid an-similarity" },
    matrix.root,
    element("div", { class: "an-column ms-stack" }, advice, norms.root),
    depth.root,
  );
  root.append(box.root, content);

  function draw() {
    const { found } = state;
    if (!found) return;
    const group = found.groups[state.group],
      all = state.group === 0;
    slider.max = String(found.groups.length - 1);
    slider.value = String(state.group);
    slider.setAttribute("aria-valuetext", all ? "all tensors" : group);
    shown.textContent = all ? "all tensors" : group;
    whole.disabled = all;
    const place = all ? "over all tensors" : `in ${group}`;
    matrix.help.textContent =
      state.measure === "cosine"
        ? `cosine of the task vectors ${place} · 0: unrelated, below 0: they conflict`
        : `share of entries ${place} that two task vectors move in opposite directions · 50 %: unrelated`;
    norms.help.textContent = `‖τ‖ ${place} · dotted: the median`;
    matrix.set(found.figures[state.measure], (figure) => {
      figure.data[0].z = found[state.measure][group];
    });
    norms.set(found.figures.norms, (figure) => {
      figure.data[0].x = found.norms[group];
      const median = quantile(
        found.norms[group].filter(Number.isFinite).sort((/** @type {number} */ a, /** @type {number} */ b) => a - b),
        0.5,
      );
      for (const shape of figure.layout.shapes) shape.x0 = shape.x1 = median;
    });
    depth.root.hidden = found.groups.length < 3;
    depth.set(found.figures.depth, (figure) => {
      if (!all)
        figure.layout.shapes.push(upright(state.group - 1, { color: themeColours().text, width: 1, dash: "dot" }));
    });
  }

  /** @type {(found: Told<"similarity">) => void} */
  function tell(found) {
    list.replaceChildren(
      ...found.advice.map((one) =>
        element(
          "li",
          { class: `an-kind-${one.kind}` },
          element("strong", { text: one.title }),
          element("span", { text: one.text }),
        ),
      ),
    );
  }

  async function refresh(again = false) {
    if (state.shown === page.run && !again) return;
    const run = (state.shown = page.run);
    if (!state.found) {
      content.hidden = true;
      box.show({ title: "Comparing the experts …", text: "" });
    }
    const pending = (/** @type {Progress} */ progress) => {
      content.hidden = true;
      box.show(workingState(progress));
    };
    const answer = await asking("similarity", { run, again }, { pending });
    if (!answer) return;
    content.hidden = Boolean(answer.error);
    if (answer.error) {
      state.found = null;
      box.show(failedState(answer.error, () => refresh(true)));
      return;
    }
    box.show(null);
    const same = state.found && JSON.stringify(state.found.groups) === JSON.stringify(answer.groups);
    if (!same) state.group = 0;
    state.found = answer;
    tell(answer);
    draw();
  }

  content.hidden = true;
  follow("similarity", refresh);
};

// The page Playground: one picture under every model, and what a run gets wrong.
import { element } from "../../charts/js/base.js";
import { labelledMenu } from "../../charts/js/card.js";
import { stateBox } from "../../charts/js/facts.js";
import { failedState, follow, newest } from "../../js/analysis.js";
import { toast, wordsCard } from "../../js/pieces.js";
import { page } from "../../js/shell.js";
import { mistakesCards } from "./playground_mistakes.js";
import { modelCard, safe, thumb } from "./playground_parts.js";
import { sketchpad } from "./sketchpad.js";

/** @type {(root: HTMLElement) => void} */
export const playground = (root) => {
  const box = stateBox(),
    samples = newest(),
    pictures = newest();
  const state = {
    run: "",
    status: "",
    task: "",
    head: "",
    tasks: /** @type {import("../../answers").PlaygroundShapesTask[]} */ ([]),
    looked: "",
    answer: /** @type {Told<"classify"> | null} */ (null),
    picked: /** @type {string | null} */ (null),
  };
  /** @type {(name: string) => string} */
  const titleOf = (name) => state.tasks.find((one) => one.name === name)?.title ?? name;

  // Which picture
  const pad = page.readonly
    ? null
    : sketchpad((uri, drawn) => classify("classify_picture", { picture: uri }, null, drawn));
  const preview = pad ? null : element("img", { class: "pg-preview", alt: "the chosen picture", hidden: true });
  const task = labelledMenu("Test images of", (value) => choose(value));
  const thumbs = element("div", { class: "pg-thumbs" });
  const picture = wordsCard(
    "Picture",
    pad ? "draw, drop or paste one, or click a test image" : "click a test image",
    [],
    pad ? pad.root : preview,
    task.root,
    thumbs,
  );

  // What the models say
  const head = labelledMenu("Classes of", (value) => {
    state.head = value;
    tell();
  });
  const truth = element("p", { class: "mc-help" });
  const models = element("div", { class: "pg-models", "aria-live": "polite" });
  const waiting = element("p", {
    class: "pg-wait mc-help",
    text: "Choose a picture to see how each model classifies it.",
  });
  const said = wordsCard("What each model predicts", truth, [head.root], models, waiting);

  const wrong = mistakesCards((index) => {
    pick(index);
    picture.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }, mark);
  const content = element(
    "div",
    {},
    element("div", { class: "mc-grid pg-grid" }, picture, said),
    element("div", { class: "mc-grid pg-grid pg-wrong" }, ...wrong.roots),
  );
  root.append(box.root, content);

  function mark() {
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".pg-thumb, .pg-mistake"))) {
      button.setAttribute("aria-pressed", String(state.picked === `${state.task} ${button.dataset.index}`));
    }
  }
  /** @type {(index: number) => void} */
  const pick = (index) => {
    state.picked = `${state.task} ${index}`;
    mark();
    classify("classify", { task: state.task, index }, state.task);
  };

  /** @type {(question: "classify" | "classify_picture", args: object, about: string | null, drawn?: boolean) => Promise<void>} */
  async function classify(question, args, about, drawn = false) {
    const run = page.run,
      alive = () => run === page.run;
    if (!about) {
      state.picked = null;
      mark();
    }
    models.classList.add("pg-stale");
    const slow = setTimeout(() => {
      waiting.textContent = "Asking every model …";
      waiting.hidden = Boolean(state.answer);
    }, 300);
    const answer = await pictures.asking(question, { run, again: true, ...args }, { alive });
    clearTimeout(slow);
    if (!answer) return;
    models.classList.remove("pg-stale");
    if (answer.error) {
      waiting.textContent = answer.error;
      waiting.hidden = Boolean(state.answer);
      if (state.answer || !about) toast(answer.error, "error");
      return;
    }
    state.answer = answer;
    if (answer.task) state.head = answer.task;
    if (drawn) {
      /* it stands there already, and the next stroke belongs to it */
    } else if (pad) pad.show(safe(answer.picture));
    else if (preview) {
      preview.src = safe(answer.picture);
      preview.hidden = false;
    }
    tell();
  }

  function tell() {
    const { answer } = state;
    waiting.hidden = Boolean(answer);
    head.root.hidden = !answer;
    truth.textContent = "";
    if (!answer) {
      models.replaceChildren();
      return;
    }
    if (!answer.said[state.head]) state.head = state.tasks[0].name;
    head.fill(
      state.tasks.map((one) => [one.name, one.title]),
      state.head,
    );
    const known = answer.task === state.head && answer.truth;
    truth.textContent = known ? `true class: ${answer.truth}` : `classified into the classes of ${titleOf(state.head)}`;
    /** @type {(name: string) => number} */
    const rank = (name) => (name === "merged" ? 0 : name === "base" ? 2 : name === state.head ? 1 : 3);
    const names = [...answer.models].sort((left, right) => rank(left) - rank(right));
    models.replaceChildren(
      ...names.map((name) => modelCard(name, titleOf(name), answer.said[state.head][name], name === state.head)),
    );
  }
  function look() {
    const key = `${state.run} ${state.status} ${state.task}`;
    if (!state.task || state.looked === key) return;
    state.looked = key;
    wrong.look(page.run, state.task, titleOf(state.task), () => key === state.looked && state.run === page.run);
  }

  /** @type {(name: string) => Promise<void>} */
  async function choose(name) {
    state.task = name;
    const run = page.run,
      alive = () => run === page.run;
    look();
    const pending = () => {
      if (!thumbs.childElementCount) box.show({ title: "Loading the models and images …" });
    };
    const answer = await samples.asking("samples", { run, task: name, again: true }, { alive, pending });
    if (!answer) return;
    if (answer.error) {
      content.hidden = true;
      box.show(failedState(answer.error, () => refresh(true)));
      return;
    }
    box.show(null);
    content.hidden = false;
    state.tasks = answer.tasks;
    state.task = answer.task;
    task.fill(
      answer.tasks.map((one) => [one.name, one.title]),
      answer.task,
    );
    thumbs.replaceChildren(...answer.samples.map((image) => thumb(image, () => pick(image.index))));
    look();
    if (!state.answer && answer.samples.length) pick(answer.samples[0].index);
    mark();
    tell();
  }

  function refresh(again = false) {
    if (!page.run) {
      state.run = "";
      content.hidden = true;
      box.show(
        page.known
          ? {
              title: "No run chosen",
              text: "Start a merge under Set up, or choose a run in the list, to try its models here.",
              setup: page.toSetup,
            }
          : { title: "Loading …" },
      );
      return;
    }
    const status = page.status?.id === page.run ? page.status.status : "";
    if (!again && state.run === page.run && (state.status === status || !status || !state.status)) {
      state.status = status || state.status;
      return;
    }
    const same = state.run === page.run;
    Object.assign(state, { run: page.run, status });
    if (!same) {
      Object.assign(state, { answer: null, picked: null });
      thumbs.replaceChildren();
      models.replaceChildren();
      content.hidden = true;
      box.show({ title: "Loading …" });
    }
    const kept = state.tasks.some((one) => one.name === state.task) ? state.task : "";
    choose(same ? kept : "");
  }

  content.hidden = true;
  page.on("status", () => {
    if (page.tab === "playground") refresh();
  });
  follow("playground", () => refresh());
};

// The page Studies: a list of questions, and beside it the one that is looked at: start, progress, result, files.
import { ask, askUntilAnswered, element, poller, quiet, remember, remembered, find } from "../../charts/js/base.js";
import { choiceRow, labelledMenu } from "../../charts/js/card.js";
import { stateBox } from "../../charts/js/facts.js";
import { RESUMABLE } from "../../charts/js/given.js";
import { failedState, figureCard, newest } from "../../js/analysis.js";
import { bar, download, empty, note, tickable, toast, toastError } from "../../js/pieces.js";
import { page } from "../../js/shell.js";
import { whereField } from "../../js/where.js";
import { methodGuide } from "./guide.js";
import { active, findingsCard, studyTable, studyWords } from "./study_parts.js";

/** @type {(root: HTMLElement) => void} */
export const studies = (root) => {
  const state = {
    suite: "",
    chosen: remembered("study"),
    quick: true,
    listing: /** @type {Answer} */ (null),
    costs: /** @type {Answer} */ (null),
    costKey: "",
    resultKey: "",
    figures: /** @type {[ReturnType<typeof figureCard>, Answer][]} */ ([]),
    open: false,
    busy: false,
  };

  const box = stateBox(),
    results = newest();
  const suites = labelledMenu("Suite", (value) => {
    state.suite = value;
    state.costs = null;
    state.costKey = "";
    state.resultKey = "";
    refresh();
    guide.show(state.suite);
  });
  const view = choiceRow("View", { studies: "Studies", guide: "Method guide" }, "studies", (value) => {
    body.hidden = value !== "studies";
    guide.root.hidden = value !== "guide";
    if (value === "guide") guide.show(state.suite);
  });
  const guide = methodGuide();
  guide.root.hidden = true;
  const list = element("nav", { class: "st-list", "aria-label": "Studies" });
  const detail = element("section", { class: "st-detail ms-stack" });
  const body = element("div", { class: "st-body" }, list, detail);
  const content = element(
    "div",
    {},
    element("div", { class: "mc-form st-tools" }, view.root, suites.root),
    body,
    guide.root,
  );
  root.append(box.root, content);
  content.hidden = true;

  // The parts of the detail stay in place, so that nothing jumps while a study goes on.
  const back = quiet(
    "← All studies",
    () => {
      state.open = false;
      layout();
    },
    { class: "mc-quiet st-back" },
  );
  const title = element("h3"),
    question = element("p", { class: "st-question" }),
    paper = element("p", { class: "mc-help" });
  const status = element("p", { class: "st-status", role: "status" });
  const filled = element("i"),
    track = element(
      "span",
      {
        class: "ms-bar",
        role: "progressbar",
        "aria-label": "Progress of the study",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
      },
      filled,
    );
  const { root: quickly, box: quick } = tickable("Quick: fewer steps, seeds and values", "an-check", {
    checked: state.quick,
    onchange: () => {
      state.quick = quick.checked;
      state.costKey = "";
      costs();
    },
  });
  const start = quiet(
    "Start",
    () =>
      act("study_start", { suite: state.suite, study: state.chosen, options: { quick: state.quick }, on: where.on() }),
    { class: "mc-primary" },
  );
  const cancel = quiet("Cancel", () => act("study_cancel", { id: card()?.state?.id }));
  const where = whereField({ several: true });
  const cost = element("span", { class: "mc-facts" });
  const form = element("div", { class: "mc-form st-start" }, start, cancel, quickly, where.root, cost);
  const files = element(
    "div",
    { class: "an-exports st-files", role: "group", "aria-label": "Files of this study" },
    ...["CSV", "LaTeX", "HTML", "JSON", "YAML"].map((text) => quiet(text, () => save(text.toLowerCase()))),
  );
  const head = element(
    "section",
    { class: "mc-card" },
    back,
    element("header", { class: "mc-head" }, element("div", {}, title, paper), files),
    question,
    form,
    track,
    status,
  );
  const result = element("div", { class: "st-result ms-stack" });
  detail.append(head, result);

  /** @type {() => StudyCard | undefined} */
  const card = () => state.listing?.studies.find((/** @type {StudyCard} */ one) => one.name === state.chosen);

  function drawList() {
    list.replaceChildren(
      ...state.listing.studies.map((/** @type {StudyCard} */ one) =>
        element(
          "button",
          {
            type: "button",
            class: `st-card ${one.state?.status || "new"}`,
            "data-study": one.name,
            "aria-current": one.name === state.chosen ? "true" : null,
            onclick: () => {
              state.chosen = one.name;
              state.open = true;
              state.resultKey = "";
              remember("study", one.name);
              drawList();
              draw();
              layout();
            },
          },
          element("strong", { text: one.title }),
          element("span", { class: "st-card-question", text: one.question }),
          element("small", { text: studyWords(one) }),
          active(one) ? bar(one.state?.share ?? 0) : null,
        ),
      ),
    );
  }
  function layout() {
    body.classList.toggle("st-open", state.open);
  }
  function draw() {
    const one = card();
    if (!one) return;
    const now = one.state,
      running = active(one);
    title.textContent = one.title;
    question.textContent = one.question;
    paper.textContent = one.paper || "Mergescope's own question";
    form.hidden = !state.listing.owner;
    quickly.hidden = running;
    where.root.hidden = running;
    where.refuse(state.listing.alone);
    start.hidden = running;
    start.textContent =
      now && RESUMABLE.includes(now.status) && now.quick === state.quick ? "Continue" : now ? "Run again" : "Start";
    start.disabled = state.busy;
    cancel.hidden = !running;
    cancel.disabled = state.busy;
    const told = state.costs?.[one.name];
    cost.textContent = running
      ? ""
      : told
        ? told.text
        : state.listing.owner && state.costs === null
          ? "measuring this machine …"
          : "";
    track.hidden = !running;
    filled.style.width = now ? `${100 * now.share}%` : "0";
    track.setAttribute("aria-valuenow", now ? String(Math.round(100 * now.share)) : "0");
    status.textContent = now ? [studyWords(one), running ? now.doing : "", now.error].filter(Boolean).join(" · ") : "";
    status.classList.toggle("st-wrong", Boolean(now?.error));
    files.hidden = !now || !now.done;
    loadResult(one);
  }

  /** @type {(one: StudyCard) => Promise<void>} */
  async function loadResult(one) {
    const now = one.state;
    const key = now ? `${now.id} ${now.done} ${now.failed}` : `none ${one.name}`;
    if (key === state.resultKey) return;
    state.resultKey = key;
    if (!now || !now.done) {
      state.figures = [];
      result.replaceChildren(
        empty(
          active(one) ? "The first run is in progress" : "No result on this suite yet",
          active(one)
            ? "Tables and figures appear here and grow with each run."
            : state.listing.owner
              ? "Start the study above. Its results are kept, so you can cancel it and continue later."
              : "The owner has not run this study.",
        ),
      );
      return;
    }
    const answer = await results.asking("study_result", { id: now.id });
    if (!answer) return;
    if (answer.error) {
      result.replaceChildren(note("error", answer.error));
      state.resultKey = "";
      return;
    }
    show(answer);
  }
  /** @type {(answer: Told<"study_result">) => void} */
  function show(answer) {
    state.figures = answer.charts.map((chart) => {
      const figure = figureCard(chart.title, "", { wide: true, height: chart.wide.layout.height });
      return [figure, chart];
    });
    result.replaceChildren(
      ...(answer.findings.length ? [findingsCard(answer)] : []),
      ...state.figures.map(([figure]) => figure.root),
      ...answer.tables.map(studyTable),
      ...(answer.published.length
        ? [element("h3", { class: "st-heading", text: "Published, not measured here" })]
        : []),
      ...answer.published.map(studyTable),
    );
    for (const [figure, chart] of state.figures) figure.set(chart);
  }
  /** @type {(format: string) => Promise<void>} */
  async function save(format) {
    const answer = await askUntilAnswered("study_text", { id: card()?.state?.id, format });
    if (answer && !toastError(answer).error)
      download(answer.text, answer.name, format === "html" ? "text/html" : "text/plain");
  }
  /** @type {(name: "study_start" | "study_cancel", args: object) => Promise<void>} */
  async function act(name, args) {
    if (state.busy) return;
    state.busy = true;
    draw();
    toastError(await ask(name, args));
    state.busy = false;
    refresh();
  }
  async function costs() {
    if (!state.listing?.owner) return;
    const key = `${state.suite} ${state.quick}`;
    if (key === state.costKey) return;
    state.costKey = key;
    const answer = await askUntilAnswered(
      "study_estimate",
      { suite: state.suite, options: { quick: state.quick } },
      { alive: () => key === state.costKey },
    );
    if (!answer) return;
    state.costs = answer.costs || {};
    if (answer.error) toast(answer.error, "warning");
    draw();
  }
  const refresh = poller(async () => {
    if (page.tab !== "studies") return null;
    if (!state.listing) {
      content.hidden = true;
      box.show({ title: "Loading …" });
    }
    const answer = await ask("studies", { suite: state.suite });
    if (answer.error) {
      if (!state.listing) box.show(failedState(answer.error, refresh));
      return 4;
    }
    box.show(null);
    content.hidden = false;
    state.listing = answer;
    state.suite = answer.suite;
    suites.fill(answer.suites, answer.suite);
    suites.root.hidden = answer.suites.length < 2;
    if (!card()) state.chosen = (answer.studies.find(active) || answer.studies[0]).name;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.study;
    drawList();
    if (focused) find(list, `[data-study="${focused}"]`, HTMLElement).focus();
    draw();
    costs();
    return answer.studies.some(active) ? Math.max(1, page.pollSeconds) : null;
  });
  page.on("tab", () => {
    refresh();
    if (page.tab === "studies") state.figures.forEach(([figure]) => figure.draw());
  });
  refresh();
};

// One line of facts about a run: speed, machine, memory. Progress and time left stand in the page's header.
import { button, duration, element, megabytes } from "./base.js";
import { doing } from "./progress.js";

/** @type {(run: Run | null) => string[]} */
export const runFacts = (run) => {
  if (!run || !run.about) return [];
  const facts = [];
  if (run.status === "running" && run.pace > 0) {
    facts.push(run.pace > 1 ? `${run.pace.toFixed(1)} s per step` : `${(1 / run.pace).toFixed(1)} steps/s`);
  } else if (run.elapsed > 0)
    facts.push(duration(run.elapsed) + (run.stepsDone > 1 ? ` for ${run.stepsDone} steps` : ""));
  if (run.device)
    facts.push([run.device === "cpu" ? "CPU" : run.device.toUpperCase(), run.precision].filter(Boolean).join(" "));
  if (megabytes(run.memory)) facts.push(megabytes(run.memory));
  return facts;
};

// What a person is told instead of charts; null where there is something to draw.
/** @type {(hub: Hub) => Waiting | null} */
const waitingState = (hub) => {
  const run = hub.run,
    loading = { title: "Loading …" };
  if (!hub.id && hub.known === false) return loading;
  if (!hub.id)
    return {
      title: "No run chosen",
      text: "Start a merge under Set up, or choose a run in the list.",
      setup: hub.toSetup,
    };
  if (hub.trouble && !run?.about)
    return { title: "The server does not answer", text: `${hub.trouble} This page keeps trying.` };
  if (!run?.about) return loading;
  if (run.steps.length || run.frames.length || run.evaluations.length) return null;
  if (run.status === "queued" || run.status === "running") return beginning(hub.status);
  if (run.status === "failed") return { title: "This run failed", text: run.failure || "No step was made." };
  return { title: "Nothing recorded", text: "This run ended before its first step." };
};

// `status` is what the list of runs knows: the place in the queue, and what the run is doing at the moment.
/** @type {(status: Listed | null) => Waiting} */
function beginning(status) {
  const then = "The charts start with the first step.";
  const now = doing(status);
  if (now && status?.doing)
    return { title: now[0], text: now[1] || then, done: status.doing.done, total: status.doing.total };
  if (status?.status === "queued" && status.position !== null && status.position > 0) {
    const before = status.position === 1 ? "Another run is" : `${status.position} other runs are`;
    return { title: "Waiting for its turn", text: `${before} active or queued on this device.` };
  }
  return { title: "Loading the checkpoints and images …", text: then };
}

// A box that says what is going on instead of a page. `show` takes {title, text, done, total, retry, setup, wrong}:
// `retry` is called by "Try again", `setup` leads to Set up; null hides the box.
export const stateBox = () => {
  const title = element("strong"),
    text = element("span"),
    bar = element("i");
  const track = element("span", { class: "ms-bar an-bar", hidden: true }, bar);
  const again = button("Try again", "", () => retry?.(), { hidden: true });
  const lead = button("Go to Set up", "", () => setup?.(), { hidden: true });
  const root = element("div", { class: "mc-state", role: "status" }, title, text, track, lead, again);
  /** @type {(() => void) | null | undefined} */
  let retry = null;
  /** @type {(() => void) | null | undefined} */
  let setup = null;
  /** @type {(state: Waiting | null) => void} */
  const show = (state) => {
    root.hidden = !state;
    if (!state) return;
    const words = state.text || "";
    if (title.textContent !== state.title) title.textContent = state.title;
    if (text.textContent !== words) text.textContent = words;
    track.hidden = !state.total;
    bar.style.width = state.total ? `${Math.min(100, (100 * (state.done ?? 0)) / state.total)}%` : "0";
    retry = state.retry;
    again.hidden = !retry;
    setup = state.setup;
    lead.hidden = !setup;
    root.classList.toggle("an-wrong", Boolean(state.wrong));
  };
  return { root, show };
};

// Such a box with `waitingState`; it hides `content` meanwhile.
/** @type {(hub: Hub, content: HTMLElement) => HTMLElement} */
export const runState = (hub, content) => {
  const { root, show } = stateBox();
  const update = () => {
    const state = waitingState(hub);
    content.hidden = state !== null;
    show(state);
  };
  for (const name of ["run", "change", "trouble", "status"]) hub.on(name, update);
  update();
  return root;
};

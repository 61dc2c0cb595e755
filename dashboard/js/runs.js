// The list of runs as the server has it: one poll feeds sidebar and header; what can be done with a run, and its words.
// See dashboard/pages/sidebar.py.
import { ask, percent, poller } from "../charts/js/base.js";
import { ACTIVE } from "../charts/js/given.js";
import { doing } from "../charts/js/progress.js";
import { toast, toastError } from "./pieces.js";
import { page } from "./shell.js";

/** @type {{ runs: Listed[], more: boolean, machine: string, writer: { text: string, gone: boolean } | null, first: boolean, limit: number }} */
export const listed = { runs: [], more: false, machine: "", writer: null, first: true, limit: 50 };
let failures = 0;
export const START = "Start merge"; // on the button of Set up
export const FIRST_STEP = `Choose tasks and a method, then press ${START}.`;

export const refreshRuns = poller(async () => {
  const answer = await ask("runs_list", { limit: listed.limit, run: page.run || page.asked.run });
  if (answer.error) {
    failures += 1;
    const words = "The server does not answer. This is the last known state; the page keeps trying.";
    if (failures === 3) toast(words, "warning");
  } else {
    if (failures > 2) toast("Connected again.");
    failures = 0;
    const { runs, more, machine, writer, current } = answer;
    Object.assign(listed, { runs, more, machine, writer });
    if (listed.first) {
      listed.first = false;
      page.reconnect(answer.known);
    }
    page.setStatus([...runs, ...(current ? [current] : [])].find((run) => run.id === page.run) ?? null);
    page.emit("runs", runs);
  }
  document.documentElement.classList.toggle("ms-offline", failures > 2);
  const active = listed.runs.some((run) => ACTIVE.includes(run.status));
  return page.pollSeconds * (active ? 2 : 4) * Math.min(8, 2 ** failures);
});

/** @type {(run: Listed) => boolean} */
export const loading = (run) => run.status === "queued" && run.position === 0;

/** @type {(run: Listed) => number} */
export const share = (run) => {
  if (run.steps) return Math.min(1, run.steps_done / run.steps);
  return run.doing?.total ? Math.min(1, run.doing.done / run.doing.total) : 0;
};

// A result that is worse than another is never told without saying so.
/** @type {(run: Listed) => boolean} */
export const worse = (run) => ["warning", "error"].includes(run.verdict?.kind ?? "");

/** @type {(run: Listed) => string} */
export const progressWords = (run) => {
  if (loading(run)) return "loading";
  if (run.status === "queued") return run.position ? `waiting, place ${run.position}` : "waiting";
  if (run.status === "done") {
    const average = run.average !== null && percent(run.average);
    return ["done", average, worse(run) && run.verdict?.code].filter(Boolean).join(" · ");
  }
  if (run.status === "running" && doing(run)) return "evaluating";
  if (!run.steps) return run.status_words;
  const far = `${run.steps_done}/${run.steps}`;
  return run.status === "running" ? `step ${far}` : `${run.status_words} · ${far}`;
};

// [[action, word]] that whoever looks may take.
/** @type {(run: Listed | null) => Action[]} */
export const actionsOf = (run) => {
  if (page.readonly || !run?.owner) return [];
  if (run.status === "paused") return [["resume", "Resume"], CANCEL];
  if (run.status === "running") return [["pause", "Pause"], CANCEL];
  if (run.status === "queued") return [CANCEL];
  return run.resumable ? [["restart", "Resume"]] : [];
};
/** @type {Action} */
const CANCEL = ["cancel", "Cancel"];

/** @type {(run: Listed, action: string, button: HTMLButtonElement) => Promise<void>} */
export const act = async (run, action, button) => {
  if (button.disabled) return;
  button.disabled = true;
  toastError(await ask("run_action", { run: run.id, action }));
  // The run notices the wish at its next micro-batch.
  for (const pause of [0, 250, 600, 1200]) setTimeout(refreshRuns, pause);
  button.disabled = false;
};

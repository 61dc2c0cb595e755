// The header: the current run, how far it is, and what can be done with it.
import { button, duration, find, keyed, partsOf, percent } from "../charts/js/base.js";
import { ACTIVE } from "../charts/js/given.js";
import { doing } from "../charts/js/progress.js";
import { coded } from "./pieces.js";
import { FIRST_STEP, act, actionsOf, listed, loading, share } from "./runs.js";
import { page } from "./shell.js";

/** @type {(root: HTMLElement) => void} */
export const header = (root) => {
  const part = partsOf(root);
  const title = part("h1"),
    pill = part(".ms-pill"),
    words = part(".ms-words"),
    bar = part(".ms-bar"),
    buttons = part(".ms-actions"),
    notice = part(".ms-notice");

  const draw = () => {
    const run = /** @type {Listed | null} */ (page.status),
      verdict = run?.verdict,
      told = run?.notice || verdict?.text || "",
      unknown = listed.first || Boolean(page.run);
    title.textContent = run?.title ?? (unknown ? "…" : page.readonly ? "No run chosen" : "New merge");
    pill.hidden = !run;
    bar.hidden = !(run && (run.steps || run.doing?.total) && run.status !== "done");
    notice.hidden = !told;
    notice.className = `ms-notice ms-note ${noticeKind(run)}`;
    keyed(notice, `${run?.id} ${told}`, () => [...coded(told), run && !run.notice && remedy(verdict)]);
    document.title = titleOf(run);
    if (!run) {
      // The line is there before the first answer, so that nothing below moves.
      words.textContent = unknown ? "\u00a0" : NOTHING[page.readonly ? "viewer" : "owner"];
      keyed(buttons, "", () => []);
      return;
    }
    pill.textContent = pillWord(run);
    pill.className = `ms-pill ${run.status}`;
    find(bar, "i", HTMLElement).style.width = `${100 * share(run)}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * share(run))));
    bar.setAttribute("aria-valuemax", "100");
    words.textContent = farWords(run).filter(Boolean).join(" · ");
    const wanted = actionsOf(run);
    keyed(buttons, run.id + wanted, () => [
      ...wanted.map(([action, text]) => {
        const made = button(text, "", () => act(run, action, made));
        return made;
      }),
      !page.readonly && button("Share", "ms-to-share", () => page.open("share")),
    ]);
  };
  for (const name of ["status", "run", "runs"]) page.on(name, draw);
  draw();
};

const NOTHING = { viewer: "Choose a run in the list.", owner: FIRST_STEP };

/** @type {(run: Listed | null) => string} */
function noticeKind(run) {
  if (!run?.notice) return run?.verdict?.kind ?? "";
  return run.status === "failed" ? "error" : "warning";
}

/** @type {(run: Listed | null) => string} */
function titleOf(run) {
  if (!run?.steps || !ACTIVE.includes(run.status)) return "Mergescope";
  return `${Math.floor((100 * run.steps_done) / run.steps)} % · ${run.title} · Mergescope`;
}

/** @type {(run: Listed) => string} */
function pillWord(run) {
  if (loading(run)) return "loading";
  return run.status === "running" && doing(run) ? "evaluating" : run.status_words;
}

/** @type {(run: Listed) => string[]} */
function farWords(run) {
  const now = doing(run);
  if (now) return now;
  if (run.status === "queued") {
    if (loading(run)) return ["loading the checkpoints and images"];
    return [run.position ? `place ${run.position} in the queue` : "waiting for its turn"];
  }
  if (run.status === "done")
    return [run.average === null ? "" : `${percent(run.average)} on average`, duration(run.seconds)];
  if (!run.steps) return [];
  const left = run.status === "running" && run.left !== null ? `${duration(run.left)} left` : "";
  return [`step ${run.steps_done} of ${run.steps}`, left];
}

// Leads to the form with the method that does better, on the same tasks.
/** @type {(verdict: Verdict | null | undefined) => HTMLElement | null} */
function remedy(verdict) {
  if (!verdict?.remedy || !page.toSetup) return null;
  const wanted = verdict.remedy;
  return button(`Set up ${verdict.title}`, "", () => page.setUp(wanted));
}

// What a run, or other work, is doing at the moment, in words.
import { duration } from "./base.js";

// [what, how long], before, between and after the steps of a run. Between two steps only what takes a while.
/** @type {(run: Listed | null) => string[] | null} */
export const doing = (run) => {
  const now = run?.doing,
    between = run?.status === "running" && run.steps && run.steps_done < run.steps;
  return !now || (between && !((now.left ?? 0) > 3)) ? null : doingWords(now);
};

/** @type {(progress: Progress) => string[]} */
export const doingWords = ({ label, done, total, left }) => {
  /** @type {(value: number) => string} */
  const count = (value) => value.toLocaleString("en");
  const far = total ? ` ${count(Math.min(done, total))} of ${count(total)}` : " …";
  return [label + far, left !== null && left >= 1 ? `about ${duration(left)} left` : ""];
};

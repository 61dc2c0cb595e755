// What the page "Set up" knows before a run: time, the trust check, doubts about the inputs.
import { button, element } from "../../charts/js/base.js";
import { doingWords } from "../../charts/js/progress.js";
import { finding, line, note } from "../../js/pieces.js";

/** @type {(term: string, text: string) => HTMLElement} */
export const fact = (term, text) =>
  element("p", { class: "ms-plan-fact" }, element("strong", { text: term }), element("span", { text }));

// `act`: leaveOut(tasks) and distil() change what is asked for; `chosen` are the tasks of the wish.
/** @type {(plan: Plan, chosen: Set<string>, act: PlanAct) => HTMLElement[]} */
export const planWords = ({ forecast, caution, doubts, ahead, doing }, chosen, act) => {
  const time = forecast.text ?? (forecast.error ? `unknown: ${forecast.error}` : "measuring …");
  const before = ahead === 1 ? "One run is ahead of this one." : `${ahead} runs are ahead of this one.`;
  return [
    fact("Time", time),
    ...(ahead ? [fact("Queue", before)] : []),
    ...(caution ? trust(caution, chosen, act) : []),
    ...(doubts.found ?? []).map((one) => doubt(one, chosen, act)),
    ...(doing ? [fact("Working on", doingWords(doing).filter(Boolean).join(", "))] : []),
  ];
};

const PASSED =
  "Trust check passed: in a short test run, the model stays close to every expert. This check misses about 40 % of the cases in which a task loses more than 3 points (study “What can be predicted without labels”).";

/** @type {(caution: Cautioned, chosen: Set<string>, act: PlanAct) => HTMLElement[]} */
function trust({ pending, error, tasks = [], overall, distil }, chosen, act) {
  if (pending) return [fact("Trust check", "trying a short test run …")];
  if (error) return [fact("Trust check", `not possible: ${error}`)];
  if (!tasks.length) return [];
  const bad = tasks.filter((task) => !task.trusted);
  if (!bad.length && !overall) return [note("good", PASSED)];
  const experts = button("Use the experts instead", "", act.distil, {
    title: "Minimise the distance to the expert's predictions instead",
  });
  const names = bad.map((task) => task.task),
    leave = leaving(names, bad.length === 1 ? "Leave it out" : "Leave them out", chosen, act);
  return [
    note(
      "warning",
      "",
      element("strong", { text: lead(bad.length, overall) }),
      overall ? element("p", { text: overall }) : null,
      ...bad.map((task) => element("p", { text: task.advice })),
      line(distil ? experts : null, leave),
    ),
  ];
}

/** @type {(count: number, overall?: string) => string} */
function lead(count, overall) {
  if (overall) return "This merge is likely to lose accuracy";
  return count === 1 ? "One task is likely to lose accuracy" : `${count} tasks are likely to lose accuracy`;
}

// What is doubtful about the inputs; one click leaves out the tasks that it is about.
/** @type {(one: Doubt<{ leave_out?: string[] }>, chosen: Set<string>, act: PlanAct) => HTMLElement} */
function doubt(one, chosen, act) {
  const tasks = (one.action.leave_out ?? []).filter((task) => chosen.has(task));
  return finding(one, leaving(tasks, "Leave it out", chosen, act));
}

// One task at least has to stay.
/** @type {(tasks: string[], text: string, chosen: Set<string>, act: PlanAct) => HTMLElement | null} */
const leaving = (tasks, text, chosen, act) =>
  tasks.length && tasks.length < chosen.size ? button(text, "", () => act.leaveOut(tasks)) : null;

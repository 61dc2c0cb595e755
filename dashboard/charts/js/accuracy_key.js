// What the signs of the figures of accuracy mean, and on which images they were measured.

// The marks on the images of the dots: all of them, or the sample; without dots, what is known.
/** @type {(run: Run | null, full: boolean | undefined) => Mark[]} */
export const marksBeside = (run, full) => {
  const { full: all = [], sample = [] } = run?.marks ?? {};
  if (full === undefined) return all.length ? all : sample;
  return full ? all : sample;
};
// Whether all dots over the steps are of all test images; undefined without dots.
/** @type {(run: Run) => boolean | undefined} */
export const ownsFull = (run) => (run.evaluations.length ? run.evaluations.every((one) => one.full) : undefined);

// At a step, or over all steps.
/** @type {(run: Run, step: number | null, whole: boolean) => Sign[]} */
export const accuracyKey = (run, step, whole) => {
  const now = run.evaluation(step),
    marks = marksBeside(run, whole ? ownsFull(run) : now?.full);
  /** @type {(name: string, symbol: string, kind: string) => Sign | undefined} */
  const keyOf = (name, symbol, kind) => {
    const mark = marks.find((one) => one.name === name);
    return mark && [symbol, mark.title, kind];
  };
  /** @type {(Sign | false | undefined)[]} */
  const signs = [
    keyOf("base", "○", "base"),
    keyOf("task_arithmetic", "◆", "ta"),
    now !== null && !whole && ["●", whenMeasured(run, now), "now"],
    ...(now && whole ? overSteps(run) : []),
    keyOf("expert", "|", "expert"),
  ];
  return signs.filter((one) => !!one);
};

// A formula has no steps to speak of.
/** @type {(run: Run, now: Evaluation) => string} */
const whenMeasured = (run, now) => {
  const images = now.full ? "all test images" : `${now.images} images per task`;
  return run.total || now.step ? `step ${now.step}, ${images}` : `merged, ${images}`;
};
/** @type {(run: Run) => (Sign | false | undefined)[]} */
function overSteps(run) {
  const sample = run.evaluations.find((one) => !one.full),
    full = run.evaluations.some((one) => one.full);
  return [
    sample && ["●", `${sample.images} images per task`, "now"],
    full && [sample ? "◯" : "●", "all test images", "now"],
    run.earlier !== null && ["|", `kept: step ${run.earlier}`, "now"],
  ];
}

// What the signs of the figures of accuracy mean, and on which images they were measured.

// The marks on the images of the dots: all of them, or the sample; without dots, what is known.
export const marksBeside = (run, full) => {
  const { full: all = [], sample = [] } = run?.marks ?? {};
  if (full === undefined) return all.length ? all : sample;
  return full ? all : sample;
};
// Whether all dots over the steps are of all test images; undefined without dots.
export const ownsFull = (run) => (run.evaluations.length ? run.evaluations.every((one) => one.full) : undefined);

// [[sign, text, kind]] at a step, or over all steps.
export const accuracyKey = (run, step, whole) => {
  const now = run.evaluation(step),
    marks = marksBeside(run, whole ? ownsFull(run) : now?.full);
  const keyOf = (name, symbol, kind) => {
    const mark = marks.find((one) => one.name === name);
    return mark && [symbol, mark.title, kind];
  };
  return [
    keyOf("base", "○", "base"),
    keyOf("task_arithmetic", "◆", "ta"),
    ...(now ? (whole ? overSteps(run) : [["●", whenMeasured(run, now), "now"]]) : []),
    keyOf("expert", "|", "expert"),
  ].filter(Boolean);
};

// A formula has no steps to speak of.
const whenMeasured = (run, now) => {
  const images = now.full ? "all test images" : `${now.images} images per task`;
  return run.total || now.step ? `step ${now.step}, ${images}` : `merged, ${images}`;
};
function overSteps(run) {
  const sample = run.evaluations.find((one) => !one.full),
    full = run.evaluations.some((one) => one.full);
  return [
    sample && ["●", `${sample.images} images per task`, "now"],
    full && [sample ? "◯" : "●", "all test images", "now"],
    run.earlier !== null && ["|", `kept: step ${run.earlier}`, "now"],
  ];
}

// Draws every figure that the run in the file has data for. "Save" uses the browser's own Plotly: nothing leaves it.
(() => {
  "use strict";
  const { charts } = window.mergescope,
    data = JSON.parse(document.getElementById("run").textContent),
    WIDTH = 960;

  // [name, help, height, figure of a size] of figures that were made before: [[name, {data, layout}]].
  const made = (figures) => figures.map(([name, figure]) => [name, "", figure.layout.height, () => charts.coloured(figure)]);

  // The same of a run; the figure is null where there is nothing to draw.
  function ofRun(whole) {
    const run = new charts.Run(whole.describe.run);
    run.describe(whole.describe);
    for (const answer of whole.history) run.ingest(answer);
    const rows = (each, more) => Math.max(240, each * run.tasks.length + more),
      view = { run, step: null, chosen: -1, values: run.values(null), start: run.origin };
    const map = (values, scale) => (size) =>
      run.frames.length ? charts.runMap(size, run, values(), { selected: null, zoomed: null, ...scale }) : null;
    const step = run.earlier === null ? "the last step" : `step ${run.earlier}, which was kept`;
    const reach = charts.limits(0, run.reach, 0.02, 0.02)[1];
    return [
      [
        "Merging coefficients",
        `λ after ${step}, one column per group of parameter tensors`,
        rows(24, 62),
        map(() => view.values, { unit: "λ", range: charts.limits(...run.range) }),
      ],
      [
        "Change since step 0",
        `λ after ${step} minus λ at the start`,
        rows(24, 62),
        map(() => charts.subtract(view.values, run.origin), { unit: "Δλ", span: reach }),
      ],
      [
        "Accuracy by task",
        "○ base · ◆ Task Arithmetic · ● merged, with its 95 % interval · | expert",
        rows(25, 40),
        (size) => charts.accuracyFigure(size, view),
      ],
      [
        "Accuracy over steps",
        "● some images · ◯ all test images · dotted: base · solid: expert · dashed: Task Arithmetic",
        118 * Math.ceil(run.tasks.length / 5) + 30,
        (size) => charts.accuracyOverSteps(size, view),
      ],
      [
        "Agreement with the experts",
        "share of watched images on which model and expert name the same class; one thin line a task",
        300,
        (size) => charts.agreementFigure(size, view) ?? charts.agreementByTask(size, view),
      ],
      [
        "Divergence from the experts",
        "KL(expert ‖ model) on the same images in nats; the lowest mean is kept",
        300,
        (size) => charts.agreementFigure(size, { ...view, measure: "kl" }),
      ],
      [
        "Prediction entropy",
        "nats per image; one thin line a task",
        300,
        (size) => charts.entropyFigure(size, view),
      ],
      [
        "Profile by depth",
        "mean λ of each block, one thin line a task",
        280,
        (size) => (run.frames.length ? charts.depthFigure(size, view) : null),
      ],
      [
        "Profile by task",
        "○ mean λ at step 0 · ● mean λ now · thick: middle half of the tensors · thin: all of them",
        rows(27, 36),
        (size) => (run.frames.length ? charts.spreadFigure(size, view) : null),
      ],
    ];
  }

  const figures = (data.figures ? made(data.figures) : ofRun(data)).filter(([, , height, figure]) =>
    figure({ width: WIDTH, height }),
  );
  for (const [name, help, height, figure] of figures) {
    const card = charts.card(name, help, { height, wide: true });
    card.tools.append(...charts.saveButtons(card.place, name, "Save as "));
    document.querySelector("main").append(card.root);
    new charts.Plot(card.place, figure).draw();
  }
})();

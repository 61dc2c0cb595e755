// The live view: λ as it is learned, entropy and accuracy of every task, warnings.
(() => {
  "use strict";
  const charts = window.mergescope.charts;
  const { element } = charts;

  charts.live = (root, hub) => {
    const state = { task: -1, cell: null, accuracy: "now", what: "entropy", measure: "agreement" };
    const content = element("div", { class: "mc-grid" });
    const warnings = element("div", { class: "mc-warnings mc-wide", role: "status" });
    const redraw = () => {
      for (const card of cards) card.update();
    };
    state.set = (changes) => {
      Object.assign(state, changes);
      redraw();
    };
    const cards = [lambdaCard, cellCard, accuracyCard, agreementCard, entropyCard].map((make) => make(hub, state));
    content.append(warnings, ...cards.map((card) => card.root));
    root.replaceChildren(charts.runState(hub, content), content);
    root.classList.add("mc");
    hub.on("run", () => state.set({ task: -1, cell: null, what: "entropy" }));
    hub.on("change", () => {
      const texts = (hub.run?.notices ?? []).map((notice) => notice.text);
      charts.keyed(warnings, texts, () => texts.map((text) => element("p", { class: "mc-warning", text })));
      redraw();
    });
    hub.on("step", redraw);
    hub.attach(root);
    redraw();
  };

  function lambdaCard(hub, state) {
    const single = (run) => run?.columns.length === 1;
    const pick = (point) => {
      if (single(hub.run) || !Array.isArray(point.pointIndex) || point.curveNumber !== 0) return;
      const [task, group] = point.pointIndex,
        same = state.cell?.task === task && state.cell.group === group;
      state.set(same ? { cell: null, task: -1 } : { cell: { task, group }, task });
    };
    const figure = (size, run) => {
      if (!run.hasCoefficients || !run.frames.length) return null;
      if (single(run)) return charts.taskwiseFigure(size, { run, step: hub.step, chosen: state.task });
      const scale = { unit: "λ", range: charts.limits(...run.range) };
      return charts.runMap(size, run, run.values(hub.step), { ...scale, selected: state.cell, zoomed: card.plot.zoomed });
    };
    const options = { height: 300, wide: true, note: "λ appears with the first step." };
    const card = charts.plotCard(hub, "Merging coefficients λ", "", options, figure, { onZoom: true, onClick: pick });
    const facts = element("p", { class: "mc-facts" });
    card.tools.append(facts);
    card.foot.append(charts.scrubber(hub).root);
    const update = () => {
      const run = hub.run;
      card.root.hidden = Boolean(run?.ended && !run.frames.length);
      card.fit(Math.max(236, Math.min(560, 24 * (run?.tasks.length ?? 8) + 62)));
      facts.textContent = charts.facts(run).join(" · ");
      charts.keyed(card.help, `${run?.id} ${run?.columns.length}`, () => {
        if (single(run)) return ["one λ a task, over all steps"];
        return ["a column per parameter tensor · click one to follow it", ...charts.kindKey(run?.columns ?? [])];
      });
      card.draw();
    };
    return { root: card.root, update };
  }

  // What the strip of colours below a map means; nothing where all columns are of one kind.
  charts.kindKey = (columns) => {
    const kinds = new Set(columns.map((column) => column.kind));
    const swatch = (kind) => element("i", { class: `mc-kind mc-kind-${kind}`, "aria-hidden": "true" });
    return Object.keys(charts.colours().kinds)
      .filter((kind) => kinds.size > 1 && kinds.has(kind))
      .map((kind) => element("span", { class: "mc-key" }, swatch(kind), kind));
  };

  function cellCard(hub, state) {
    const group = () => (state.cell && hub.run ? charts.groups(hub.run.columns, "tensor")[state.cell.group] : null);
    const figure = (size, run) =>
      group() && charts.cellFigure(size, { run, second: null, step: hub.step, task: state.cell.task, group: group() });
    const card = charts.plotCard(hub, "One coefficient over time", "", { height: 200, wide: true }, figure);
    card.tools.append(charts.quiet("Close", () => state.set({ cell: null, task: -1 })));
    const update = () => {
      card.root.hidden = !group();
      if (!group()) return;
      const run = hub.run,
        column = group();
      const track = run.track(state.cell.task, column.members),
        now = track.y[run.place(hub.step)];
      card.help.textContent =
        `${run.tasks[state.cell.task].title} · ${column.key} · λ = ${charts.number(now)}, ` +
        `${charts.signed(now - track.y[0])} since step 0 · thin lines: the other tasks`;
      card.draw();
    };
    return { root: card.root, update };
  }

  const MEASURED = "Accuracy is measured on a sample every few steps, and on all test images at the end.";
  const NO_LABELS = "The test images have no labels, so accuracy can't be measured; this is shown instead";
  const unlabelled = (run) =>
    Boolean(run?.evaluations.length && run.evaluations.every((one) => !one.accuracy.some(Number.isFinite)));

  function accuracyCard(hub, state) {
    const figure = (size, run) =>
      (state.accuracy === "now" ? charts.accuracyFigure : charts.accuracyOverSteps)(size, { run, step: hub.step });
    const options = { height: 252, wide: true, note: MEASURED };
    const card = charts.plotCard(hub, "Accuracy by task", "", options, figure);
    const views = { now: "Now", steps: "Over steps" };
    const choice = charts.choice("Accuracy", views, state.accuracy, (accuracy) => state.set({ accuracy }));
    card.tools.append(choice.root);
    const update = () => {
      const run = hub.run,
        tasks = run?.tasks.length ?? 8,
        current = state.accuracy === "now",
        now = run?.evaluation(hub.step);
      card.root.hidden = unlabelled(run);
      const across = Math.max(1, Math.floor(card.place.clientWidth / 165));
      card.fit(Math.max(252, current ? 25 * tasks + 40 : 118 * Math.ceil(tasks / across)));
      choice.root.hidden = Boolean(run?.ended && !run.total);
      const marks = run ? charts.marksBeside(run, current ? now?.full : charts.ownsFull(run)) : [];
      const keyOf = (name, symbol, kind) => {
        const mark = marks.find((one) => one.name === name);
        return mark && [symbol, mark.title, kind];
      };
      const shown = [
        keyOf("base", "○", "base"),
        keyOf("task_arithmetic", "◆", "ta"),
        ...(current || !now ? [now && ["●", whenMeasured(run, now), "now"]] : overSteps(run)),
        keyOf("expert", "|", "expert"),
      ].filter(Boolean);
      charts.keyed(card.help, JSON.stringify(shown), () => charts.key(shown));
      const facts = [run?.id, run?.seen, run?.marks, run?.total, run?.notices, run?.earlier, now?.step];
      card.plot.drawFor([...facts, hub.step, state.accuracy]);
    };
    return { root: card.root, update };
  }

  // A formula has no steps to speak of.
  const whenMeasured = (run, now) => {
    const images = now.full ? "all test images" : `${now.images} images a task`;
    return run.total || now.step ? `step ${now.step}, ${images}` : `merged, ${images}`;
  };
  function overSteps(run) {
    const sample = run.evaluations.find((one) => !one.full),
      full = run.evaluations.some((one) => one.full);
    return [
      sample && ["●", `${sample.images} images a task`, "now"],
      full && [sample ? "◯" : "●", "all test images", "now"],
      run.earlier !== null && ["|", `kept: step ${run.earlier}`, "now"],
    ];
  }

  const UNWATCHED =
    "Not measured: this run was made by an earlier version, or its tasks have no images for comparing it with the experts.";

  function agreementCard(hub, state) {
    // What is done at once has no steps to draw.
    const figure = (size, run) =>
      charts.agreementFigure(size, { run, step: hub.step, chosen: state.task, measure: state.measure }) ??
      charts.agreementByTask(size, { run });
    const card = charts.plotCard(hub, "Agreement with the experts", "", { height: 252 }, figure);
    const views = { agreement: "Agreement", kl: "KL" };
    const choice = charts.choice("Measure", views, state.measure, (measure) => state.set({ measure }));
    card.tools.append(choice.root);
    const update = () => {
      const run = hub.run,
        looks = run?.agreements ?? [],
        own = run && charts.reported(run);
      choice.root.hidden = !looks.some((one) => one.half === "choosing");
      card.note.textContent = run?.ended ? UNWATCHED : "Agreement is measured from time to time, and at the end.";
      const kl = state.measure === "kl" && !choice.root.hidden,
        mean = own && charts.mean(own[kl ? "kl" : "agreement"]),
        value = kl ? `${charts.number(mean)} nats` : charts.percent(mean);
      const told = [
        kl ? "KL(expert ‖ model)" : "how often both predict the same class",
        `on ${looks[0]?.images} watched images a task`,
        own && (looks.length > 1 ? `${value} on ${own.images} others` : `mean ${value}`),
      ];
      told.push(charts.accuracyBetween(run));
      card.help.textContent = [unlabelled(run) && NO_LABELS, ...(looks.length ? told : [])].filter(Boolean).join(" · ");
      card.fit(choice.root.hidden && own ? Math.max(252, 25 * run.tasks.length + 40) : 252);
      card.plot.drawFor([run?.id, run?.seen, run?.total, run?.earlier, hub.step, state.task, state.measure]);
    };
    return { root: card.root, update };
  }

  // The sum over tasks is what the method minimises.
  function total(run, what) {
    const last = run.steps.slice(-charts.smoothingWindow(run.steps.length)).map((step) => charts.mean(step[what]));
    const sum = charts.mean(last) * run.tasks.length;
    return Number.isFinite(sum) ? `sum of the tasks ${charts.number(sum, 2)}` : "";
  }

  function entropyCard(hub, state) {
    const figure = (size, run) =>
      charts.entropyFigure(size, { run, step: hub.step, chosen: state.task, what: state.what });
    const card = charts.plotCard(hub, "Prediction entropy", "", { height: 252 }, figure);
    const curves = { entropy: "Entropy", loss: "Loss" };
    const choice = charts.choice("Curve", curves, state.what, (what) => state.set({ what }));
    card.tools.append(choice.root);
    const update = () => {
      const run = hub.run;
      // What ended without one has no entropy to wait for.
      card.root.hidden = Boolean(run?.ended && !run.steps.some((one) => one.entropy?.some?.(Number.isFinite)));
      card.root.previousElementSibling?.classList.toggle("mc-wide", card.root.hidden);
      card.note.textContent = run?.steps.some((one) => one.number > 0)
        ? "This method measures no entropy."
        : "Entropy appears with the first step.";
      choice.root.hidden = !run?.hasLoss;
      const split = run?.about?.adapted_on;
      card.help.textContent = [
        "nats per image and task",
        split && split !== "nothing" ? `on unlabelled ${split} images` : "",
        run?.steps.length ? total(run, state.what) : "",
        run?.steps.length > 60 ? `mean of ${charts.smoothingWindow(run.steps.length)} steps` : "",
      ]
        .filter(Boolean)
        .join(" · ");
      card.draw();
    };
    return { root: card.root, update };
  }
})();

// The live view: λ as it is learned, entropy and accuracy of every task, warnings.
(() => {
  "use strict";
  const charts = window.mergescope.charts;
  const { element } = charts;

  charts.live = (root, hub) => {
    const state = { task: -1, cell: null, accuracy: "now", what: "entropy" };
    const content = element("div", { class: "mc-grid" });
    const lambda = lambdaCard(hub, state),
      cell = cellCard(hub, state);
    const accuracy = accuracyCard(hub, state),
      entropy = entropyCard(hub, state);
    const warnings = element("div", { class: "mc-warnings mc-wide", role: "status" });
    content.append(warnings, lambda.root, cell.root, accuracy.root, entropy.root);
    root.replaceChildren(charts.runState(hub, content), content);
    root.classList.add("mc");

    const cards = [lambda, cell, accuracy, entropy];
    const redraw = () => {
      for (const card of cards) card.update();
    };
    hub.on("run", () => {
      Object.assign(state, { task: -1, cell: null, what: "entropy" });
      redraw();
    });
    hub.on("change", () => {
      warn(warnings, hub.run);
      redraw();
    });
    hub.on("step", redraw);
    state.changed = redraw;
    hub.attach(root);
    redraw();
  };

  function warn(place, run) {
    const texts = (run?.notices ?? []).map((notice) => notice.text);
    if (place.dataset.texts === JSON.stringify(texts)) return;
    place.dataset.texts = JSON.stringify(texts);
    place.replaceChildren(...texts.map((text) => element("p", { class: "mc-warning", text })));
  }

  function lambdaCard(hub, state) {
    const card = charts.card("Merging coefficients λ", "", {
      height: 300,
      wide: true,
      note: "λ appears with the first step.",
    });
    const facts = element("p", { class: "mc-facts" });
    const scrub = charts.scrubber(hub);
    card.tools.append(facts);
    card.foot.append(scrub.root);
    const plot = new charts.Plot(
      card.place,
      (size) => {
        const run = hub.run;
        if (!run?.hasCoefficients || !run.frames.length) return null;
        if (run.columns.length === 1) return charts.taskwiseFigure(size, { run, step: hub.step, chosen: state.task });
        return charts.runMap(size, run, run.values(hub.step), {
          unit: "λ",
          range: charts.limits(...run.range),
          selected: state.cell,
          zoomed: plot.zoomed,
        });
      },
      {
        onZoom: true,
        note: card.note,
        onClick: (point) => {
          const run = hub.run;
          if (!run || run.columns.length === 1 || !Array.isArray(point.pointIndex) || point.curveNumber !== 0) return;
          const [task, group] = point.pointIndex,
            same = state.cell && state.cell.task === task && state.cell.group === group;
          state.cell = same ? null : { task, group };
          state.task = same ? -1 : task;
          state.changed();
        },
      },
    );
    const update = () => {
      const run = hub.run;
      const none = run?.ended && !run.frames.length;
      card.root.hidden = Boolean(none);
      const height = `${Math.max(236, Math.min(560, 24 * (run?.tasks.length ?? 8) + 62))}px`;
      if (card.place.style.minHeight !== height) card.place.style.minHeight = height;
      facts.textContent = charts.facts(run).join(" · ");
      help(card.help, run);
      plot.draw();
    };
    return { root: card.root, update };
  }

  function help(place, run) {
    const single = run?.columns.length === 1;
    const key = `${run?.id} ${run?.columns.length}`;
    if (place.dataset.key === key) return;
    place.dataset.key = key;
    const kinds = [...new Set(run?.columns.map((column) => column.kind) ?? [])];
    place.replaceChildren(
      single ? "one λ a task, over all steps" : "a column per parameter tensor · click one to follow it",
      ...(single || kinds.length < 2 ? [] : charts.kindKey(kinds)),
    );
  }

  charts.kindKey = (kinds) =>
    Object.keys(charts.colours().kinds)
      .filter((kind) => kinds.includes(kind))
      .map((kind) =>
        element(
          "span",
          { class: "mc-key" },
          element("i", { class: `mc-kind mc-kind-${kind}`, "aria-hidden": "true" }),
          kind,
        ),
      );

  function cellCard(hub, state) {
    const card = charts.card("One coefficient over time", "", { height: 200, wide: true });
    const close = element("button", {
      type: "button",
      class: "mc-quiet",
      text: "Close",
      onclick: () => {
        state.cell = null;
        state.task = -1;
        state.changed();
      },
    });
    card.tools.append(close);
    const group = () => (state.cell && hub.run ? charts.groups(hub.run.columns, "tensor")[state.cell.group] : null);
    const plot = new charts.Plot(card.place, (size) =>
      group()
        ? charts.cellFigure(size, { run: hub.run, second: null, step: hub.step, task: state.cell.task, group: group() })
        : null,
    );
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
      plot.draw();
    };
    return { root: card.root, update };
  }

  const MEASURED = "Accuracy is measured every few steps on a sample, and on all test images at the end.";
  const NO_LABELS = "The test images have no labels, so there is no accuracy. λ and entropy are complete.";
  const unlabelled = (run) =>
    Boolean(run?.evaluations.length && run.evaluations.every((one) => !one.accuracy.some(Number.isFinite)));

  function accuracyCard(hub, state) {
    const card = charts.card("Accuracy by task", "", {
      height: 252,
      note: MEASURED,
    });
    const choice = charts.choice(
      "Accuracy",
      [
        ["now", "Now"],
        ["steps", "Over steps"],
      ],
      state.accuracy,
      (value) => {
        state.accuracy = value;
        state.changed();
      },
    );
    card.tools.append(choice.root);
    const plot = new charts.Plot(
      card.place,
      (size) => {
        const view = { run: hub.run, step: hub.step };
        if (!hub.run?.about || unlabelled(hub.run)) return null;
        return state.accuracy === "now" ? charts.accuracyFigure(size, view) : charts.accuracyOverSteps(size, view);
      },
      { note: card.note },
    );
    const update = () => {
      const run = hub.run,
        now = unlabelled(run) ? null : run?.evaluation(hub.step);
      const size = Math.max(
        252,
        state.accuracy === "now"
          ? 25 * (run?.tasks.length ?? 8) + 40
          : 118 * Math.ceil((run?.tasks.length ?? 8) / Math.max(1, Math.floor(card.place.clientWidth / 165))),
      );
      if (card.place.style.minHeight !== `${size}px`) card.place.style.minHeight = `${size}px`;
      choice.root.hidden = Boolean((run?.ended && !run.total) || unlabelled(run));
      card.note.textContent = unlabelled(run) ? NO_LABELS : MEASURED;
      const marks = run ? charts.marksBeside(run, state.accuracy === "now" ? now?.full : charts.ownsFull(run)) : [];
      const keyOf = (name, symbol, kind) => {
        const mark = marks.find((one) => one.name === name);
        return mark && [symbol, mark.title, kind];
      };
      const shown = [
        keyOf("base", "○", "base"),
        keyOf("task_arithmetic", "◆", "ta"),
        ...(state.accuracy === "now" || !now ? [now && ["●", `${whenMeasured(run, now)}`, "now"]] : overSteps(run)),
        keyOf("expert", "|", "expert"),
      ];
      const key = JSON.stringify(shown);
      if (card.help.dataset.key !== key) {
        card.help.dataset.key = key;
        card.help.replaceChildren(...charts.key(shown.filter(Boolean)));
      }
      plot.drawFor([run?.id, run?.seen, run?.marks, run?.total, run?.notices, now?.step, hub.step, state.accuracy]);
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
    ];
  }

  // The sum over tasks is what the method minimises.
  function total(run, what) {
    const last = run.steps.slice(-charts.smoothingWindow(run.steps.length)).map((step) => charts.mean(step[what]));
    const sum = charts.mean(last) * run.tasks.length;
    return Number.isFinite(sum) ? `sum of the tasks ${charts.number(sum, 2)}` : "";
  }

  function entropyCard(hub, state) {
    const card = charts.card("Prediction entropy", "", { height: 252, note: "This method measures no entropy." });
    const choice = charts.choice(
      "Curve",
      [
        ["entropy", "Entropy"],
        ["loss", "Loss"],
      ],
      state.what,
      (value) => {
        state.what = value;
        state.changed();
      },
    );
    card.tools.append(choice.root);
    const plot = new charts.Plot(
      card.place,
      (size) =>
        hub.run?.about
          ? charts.entropyFigure(size, { run: hub.run, step: hub.step, chosen: state.task, what: state.what })
          : null,
      { note: card.note },
    );
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
      plot.draw();
    };
    return { root: card.root, update };
  }
})();

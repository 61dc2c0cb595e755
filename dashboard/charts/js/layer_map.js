// The heatmap of the layers view with its controls: detail, change, another run beside it or subtracted.
(() => {
  "use strict";
  const charts = window.mergescope.charts;
  const { element } = charts;

  charts.layerMap = (hub, state, extra) => {
    const card = charts.card("λ by layer", "", { height: 320, wide: true, note: "λ appears with the first step." });
    const second = element(
      "div",
      { class: "mc-second" },
      element("p", { class: "mc-help" }),
      element("div", { class: "mc-plot", role: "img", "aria-label": "λ of the other run", style: "min-height:300px" }),
    );
    card.root.insertBefore(second, card.foot);
    card.foot.append(charts.scrubber(hub).root);
    const detail = charts.choice(
      "Columns",
      [
        ["tensor", "Tensors"],
        ["block", "Blocks"],
        ["kind", "Kinds"],
      ],
      state.detail,
      (value) => {
        state.detail = value;
        state.cell = null;
        state.changed();
      },
    );
    const show = charts.choice(
      "Show",
      [["value", "λ"], ["start", "Change since step 0"], ...(extra.runs ? [["other", "Against a run"]] : [])],
      state.show,
      (value) => {
        state.show = value;
        if (value === "other") offer();
        state.changed();
      },
    );
    const other = charts.menu("Run", (id) => {
      hub.compare(id);
      state.changed();
    });
    const pair = charts.choice(
      "Layout",
      [
        ["side", "Both"],
        ["difference", "Difference"],
      ],
      state.pair,
      (value) => {
        state.pair = value;
        state.changed();
      },
    );
    card.tools.append(detail.root, show.root, other.root, pair.root);

    async function offer() {
      const answer = await extra.runs({ run: hub.id });
      const options = (answer.runs ?? []).map((run) => [run.id, run.name]);
      other.fill(options.length ? [["", "Choose …"], ...options] : [["", "No other run has coefficients"]]);
    }

    const view = (run, values, signed, size, zoomed, revision) => {
      const groups = charts.layerGroups(run, state);
      const rows = charts.matrix(values, run.tasks.length, groups);
      const cell = state.cell
        ? { task: state.cell.task, group: groups.findIndex((group) => group.key === state.cell.key) }
        : null;
      return charts.heatmapFigure(size, {
        tasks: run.tasks.map((task) => task.title),
        groups,
        rows,
        zoomed,
        revision,
        selected: cell && cell.group >= 0 ? cell : null,
        ...signed,
      });
    };
    const plot = new charts.Plot(
      card.place,
      (size) => {
        const run = hub.run,
          values = charts.shownValues(hub, state);
        if (!run?.hasCoefficients || !values) return null;
        const revision = `${run.id} ${state.detail}`;
        if (state.show === "start") {
          return view(
            run,
            charts.subtract(values, run.origin),
            { unit: "Δλ", span: charts.limits(0, run.reach, 0.02, 0.02)[1] },
            size,
            plot.zoomed,
            revision,
          );
        }
        if (state.show === "other" && hub.second?.frames.length && state.pair === "difference") {
          const apart = charts.subtract(values, charts.align(hub.second, hub.second.values(hub.step), run));
          const span = apart.reduce(
            (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
            0,
          );
          return view(
            run,
            apart,
            { unit: "Δλ", span: charts.limits(0, span, 0.02, 0.02)[1] },
            size,
            plot.zoomed,
            revision,
          );
        }
        return view(run, values, { unit: "λ", range: range(hub, state) }, size, plot.zoomed, revision);
      },
      { onZoom: true, note: card.note, onClick: (point) => pick(point.pointIndex, point.curveNumber) },
    );
    const below = new charts.Plot(second.lastChild, (size) => {
      const run = hub.run,
        from = hub.second;
      if (!run?.hasCoefficients || !from?.frames.length) return null;
      return view(
        run,
        charts.align(from, from.values(hub.step), run),
        { unit: "λ", range: range(hub, state) },
        size,
        plot.zoomed,
        `${run.id} ${state.detail}`,
      );
    });

    function pick(index, curve) {
      const run = hub.run;
      if (!run || !Array.isArray(index) || curve !== 0) return;
      choose(index[0], index[1]);
    }
    function choose(task, place) {
      const groups = charts.layerGroups(hub.run, state);
      state.cell = { task, key: groups[place].key };
      state.task = task;
      state.changed();
    }
    card.place.tabIndex = 0;
    card.place.setAttribute("role", "group");
    card.place.setAttribute("aria-label", "λ by layer. Arrow keys choose a coefficient.");
    card.place.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!move || !hub.run?.hasCoefficients) return;
      event.preventDefault();
      const groups = charts.layerGroups(hub.run, state),
        at = groups.findIndex((group) => group.key === state.cell?.key);
      const within = (value, count) => Math.max(0, Math.min(count - 1, value));
      choose(
        within((state.cell?.task ?? 0) + (state.cell ? move[0] : 0), hub.run.tasks.length),
        within(Math.max(at, 0) + (at < 0 ? 0 : move[1]), groups.length),
      );
    });

    const update = () => {
      const run = hub.run,
        against = state.show === "other";
      for (const [choice, value] of [
        [detail, state.detail],
        [show, state.show],
        [pair, state.pair],
      ])
        choice.select(value);
      other.root.hidden = !against;
      pair.root.hidden = !against || !hub.second;
      second.hidden = !(against && hub.second && state.pair === "side");
      if (hub.second?.about) second.firstChild.textContent = hub.second.about.name;
      const height = `${Math.max(230, Math.min(560, 27 * (run?.tasks.length ?? 8) + 66))}px`;
      for (const place of [card.place, second.lastChild])
        if (place.style.minHeight !== height) place.style.minHeight = height;
      words(card.help, run, state, hub);
      plot.draw();
      below.draw();
    };
    return { root: card.root, update };
  };

  function range(hub, state) {
    const { run, second } = hub,
      other = state.show === "other" && second?.frames.length ? second.range : run.range;
    let [low, high] = [Math.min(run.range[0], other[0]), Math.max(run.range[1], other[1])];
    if (state.edits.length) {
      for (const value of charts.shownValues(hub, state)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    return charts.limits(low, high);
  }

  function words(place, run, state, hub) {
    const kinds =
      run && state.detail !== "kind" ? [...new Set(charts.layerGroups(run, state).map((group) => group.kind))] : [];
    const what = state.edits.length
      ? "with your changes"
      : state.show === "start"
        ? "what learning changed"
        : state.show === "other" && hub.second?.about && state.pair === "difference"
          ? `this run minus ${hub.second.about.name}`
          : "click a cell to follow it";
    const key = `${what} ${kinds}`;
    if (place.dataset.key === key) return;
    place.dataset.key = key;
    place.replaceChildren(what, ...(kinds.length > 1 ? charts.kindKey(kinds) : []));
  }
})();

// The layers view: any step, any detail, against step 0 or another run, and what one coefficient did.
(() => {
  "use strict";
  const charts = window.mergescope.charts;
  const { element } = charts;

  // `extra` may have runs(args), facts(args), whatif(args), whatif_save(args); what is missing is not offered.
  charts.layers = (root, hub, extra = {}) => {
    const state = { detail: "tensor", show: "value", pair: "side", task: -1, cell: null, edits: [] };
    const content = element("div", { class: "mc-grid" });
    const map = mapCard(hub, state, extra), cell = cellCard(hub, state, extra);
    const depth = depthCard(hub, state), spread = spreadCard(hub, state);
    const cards = [map, cell, depth, spread];
    if (extra.whatif) cards.push(charts.whatif(hub, state, extra));
    content.append(...cards.map((card) => card.root));
    const nothing = element("div", { class: "mc-state" }, element("strong", { text: "No coefficients in this run" }),
      element("span", { text: "Only methods that learn λ have layers to look at, such as AdaMerging." }));
    const both = element("div", {}, nothing, content);
    root.replaceChildren(charts.stateBox(hub, both), both);
    root.classList.add("mc");

    const redraw = () => {
      const none = Boolean(hub.run && !hub.run.frames.length);
      nothing.hidden = !none;
      content.hidden = none;
      if (!none) for (const card of cards) card.update();
    };
    state.changed = redraw;
    hub.on("run", () => { Object.assign(state, { task: -1, cell: null, edits: [], show: state.show === "other" ? "value" : state.show }); redraw(); });
    hub.on("change", redraw);
    hub.on("step", redraw);
    hub.attach(root);
    redraw();
  };

  const groupsOf = (run, state) => charts.groups(run.columns, state.detail);
  const chosenGroup = (run, state) => (run && state.cell ? groupsOf(run, state).find((group) => group.key === state.cell.key) ?? null : null);

  // λ at the chosen step, with the changes of the what-if where there are some.
  charts.shownValues = (hub, state) => {
    const values = hub.run?.values(hub.step);
    return values && state.edits.length ? charts.applyEdits(values, hub.run, state.edits) : values;
  };

  function mapCard(hub, state, extra) {
    const card = charts.card("λ by layer", "", { height: 320, wide: true, note: "λ appears with the first step." });
    const second = element("div", { class: "mc-second" }, element("p", { class: "mc-help" }),
      element("div", { class: "mc-plot", role: "img", "aria-label": "λ of the other run", style: "min-height:300px" }));
    card.root.insertBefore(second, card.foot);
    card.foot.append(charts.scrubber(hub).root);
    const detail = charts.choice("Columns", [["tensor", "Tensors"], ["block", "Blocks"], ["kind", "Kinds"]], state.detail,
      (value) => { state.detail = value; state.cell = null; state.changed(); });
    const show = charts.choice("Show", [["value", "λ"], ["start", "Change since step 0"], ...(extra.runs ? [["other", "Against a run"]] : [])],
      state.show, (value) => { state.show = value; if (value === "other") offer(); state.changed(); });
    const other = charts.menu("Run", (id) => { hub.compare(id); state.changed(); });
    const pair = charts.choice("Layout", [["side", "Both"], ["difference", "Difference"]], state.pair,
      (value) => { state.pair = value; state.changed(); });
    card.tools.append(detail.root, show.root, other.root, pair.root);

    async function offer() {
      const answer = await extra.runs({ run: hub.id });
      const options = (answer.runs ?? []).map((run) => [run.id, run.name]);
      other.fill(options.length ? [["", "Choose …"], ...options] : [["", "No other run has coefficients"]]);
    }

    const view = (run, values, signed, size, zoomed, revision) => {
      const groups = groupsOf(run, state);
      const rows = charts.matrix(values, run.tasks.length, groups);
      const cell = state.cell ? { task: state.cell.task, group: groups.findIndex((group) => group.key === state.cell.key) } : null;
      return charts.heatmapFigure(size, { tasks: run.tasks.map((task) => task.title), groups, rows, zoomed, revision,
        selected: cell && cell.group >= 0 ? cell : null, ...signed });
    };
    const plot = new charts.Plot(card.place, (size) => {
      const run = hub.run, values = charts.shownValues(hub, state);
      if (!run?.hasCoefficients || !values) return null;
      const revision = `${run.id} ${state.detail}`;
      if (state.show === "start") {
        return view(run, charts.subtract(values, run.origin), { unit: "Δλ", span: charts.limits(0, run.reach, 0.02, 0.02)[1] }, size, plot.zoomed, revision);
      }
      if (state.show === "other" && hub.second?.frames.length && state.pair === "difference") {
        const apart = charts.subtract(values, charts.align(hub.second, hub.second.values(hub.step), run));
        const span = apart.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
        return view(run, apart, { unit: "Δλ", span: charts.limits(0, span, 0.02, 0.02)[1] }, size, plot.zoomed, revision);
      }
      return view(run, values, { unit: "λ", range: range(hub, state) }, size, plot.zoomed, revision);
    }, { onZoom: true, note: card.note, onClick: (point) => pick(point.pointIndex, point.curveNumber) });
    const below = new charts.Plot(second.lastChild, (size) => {
      const run = hub.run, from = hub.second;
      if (!run?.hasCoefficients || !from?.frames.length) return null;
      return view(run, charts.align(from, from.values(hub.step), run), { unit: "λ", range: range(hub, state) }, size, plot.zoomed, `${run.id} ${state.detail}`);
    });

    function pick(index, curve) {
      const run = hub.run;
      if (!run || !Array.isArray(index) || curve !== 0) return;
      choose(index[0], index[1]);
    }
    function choose(task, place) {
      const groups = groupsOf(hub.run, state);
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
      const groups = groupsOf(hub.run, state), at = groups.findIndex((group) => group.key === state.cell?.key);
      const within = (value, count) => Math.max(0, Math.min(count - 1, value));
      choose(within((state.cell?.task ?? 0) + (state.cell ? move[0] : 0), hub.run.tasks.length), within(Math.max(at, 0) + (at < 0 ? 0 : move[1]), groups.length));
    });

    const update = () => {
      const run = hub.run, against = state.show === "other";
      for (const [choice, value] of [[detail, state.detail], [show, state.show], [pair, state.pair]]) choice.select(value);
      other.root.hidden = !against;
      pair.root.hidden = !against || !hub.second;
      second.hidden = !(against && hub.second && state.pair === "side");
      if (hub.second?.about) second.firstChild.textContent = hub.second.about.name;
      const height = `${Math.max(230, Math.min(560, 27 * (run?.tasks.length ?? 8) + 66))}px`;
      for (const place of [card.place, second.lastChild]) if (place.style.minHeight !== height) place.style.minHeight = height;
      words(card.help, run, state, hub);
      plot.draw();
      below.draw();
    };
    return { root: card.root, update };
  }

  function range(hub, state) {
    const { run, second } = hub, other = state.show === "other" && second?.frames.length ? second.range : run.range;
    let [low, high] = [Math.min(run.range[0], other[0]), Math.max(run.range[1], other[1])];
    if (state.edits.length) {
      for (const value of charts.shownValues(hub, state)) { low = Math.min(low, value); high = Math.max(high, value); }
    }
    return charts.limits(low, high);
  }

  function words(place, run, state, hub) {
    const kinds = run && state.detail !== "kind" ? [...new Set(groupsOf(run, state).map((group) => group.kind))] : [];
    const what = state.edits.length ? "with your changes" : state.show === "start" ? "what learning changed"
      : state.show === "other" && hub.second?.about && state.pair === "difference" ? `this run minus ${hub.second.about.name}` : "click a cell to follow it";
    const key = `${what} ${kinds}`;
    if (place.dataset.key === key) return;
    place.dataset.key = key;
    place.replaceChildren(what, ...(kinds.length > 1 ? charts.kindKey(kinds) : []));
  }

  function cellCard(hub, state, extra) {
    const card = charts.card("One coefficient", "", { height: 230, note: "Click a cell above to follow its λ over all steps." });
    const list = element("dl", { class: "mc-list" });
    card.foot.append(list);
    let facts = null, asked = "";
    const plot = new charts.Plot(card.place, (size) => {
      const group = chosenGroup(hub.run, state);
      if (!group) return null;
      return charts.cellFigure(size, { run: hub.run, second: state.show === "other" ? hub.second : null, step: hub.step, task: state.cell.task, group });
    }, { note: card.note });

    async function ask() {
      if (!extra.facts || asked === hub.id) return;
      const id = asked = hub.id;
      facts = null;
      for (let tries = 0; tries < 60 && asked === id; tries += 1) {
        const answer = await extra.facts({ run: id });
        if (answer.error || !answer.pending) { facts = answer.error ? null : answer; break; }
        await new Promise((done) => setTimeout(done, 1000));
      }
      if (asked === id) update();
    }
    function update() {
      const run = hub.run, group = chosenGroup(run, state);
      card.help.textContent = group ? `${run.tasks[state.cell.task].title} · ${group.key}` : "λ over all steps, and how large the task vector is there";
      list.hidden = !group;
      if (group) {
        ask();
        const rows = charts.cellFacts(run, state.cell.task, group, hub.step, asked === hub.id ? facts : null);
        list.replaceChildren(...rows.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]));
      }
      plot.draw();
    }
    return { root: card.root, update };
  }

  // [[name, value]] about one task in one group; `facts` has norms and conflicts [column][task], or is null.
  charts.cellFacts = (run, task, group, step, facts) => {
    const track = run.track(task, group.members), place = run.place(step);
    const rows = [["λ", `${charts.number(track.y[place])} at step ${track.x[place]}`],
      ["since step 0", charts.signed(track.y[place] - track.y[0])]];
    if (group.members.length > 1) rows.push(["tensors", `mean of ${group.members.length}`]);
    else if (group.name !== group.key) rows.push(["tensor", group.name]);
    if (facts) {
      const squares = group.members.map((member) => facts.norms[member][task] ** 2);
      const norm = Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
      rows.push(["‖τ‖", `${norm.toPrecision(3)} (${charts.percent(norm ** 2 / facts.norms.reduce((sum, row) => sum + row[task] ** 2, 0))} of the task vector's energy)`]);
      rows.push(["sign conflict", `${charts.percent(charts.mean(group.members.map((member) => facts.conflict[member][task])))} of entries against another task, on average`]);
    }
    return rows;
  };

  function depthCard(hub, state) {
    const card = charts.card("Profile by depth", "", { height: 230 });
    const plot = new charts.Plot(card.place, (size) => (hub.run?.hasCoefficients
      ? charts.depthFigure(size, { run: hub.run, values: charts.shownValues(hub, state), chosen: state.task }) : null), { note: card.note });
    card.note.textContent = "This run has one λ for all layers.";
    return { root: card.root, update: () => {
      card.help.textContent = state.task >= 0 ? "mean λ of each block; shaded: the middle 80 % of its tensors" : "mean λ of each block, one line a task";
      plot.draw();
    } };
  }

  function spreadCard(hub, state) {
    const card = charts.card("Profile by task", "○ mean at step 0 · ● mean now · thick: middle half of the tensors · thin: all of them", { height: 250, wide: true });
    const plot = new charts.Plot(card.place, (size) => (hub.run?.hasCoefficients
      ? charts.spreadFigure(size, { run: hub.run, values: charts.shownValues(hub, state), start: hub.run.origin, chosen: state.task }) : null), {
      onClick: (point) => { state.task = state.task === point.pointIndex ? -1 : point.pointIndex; state.changed(); } });
    return { root: card.root, update: () => {
      const height = `${Math.max(180, 27 * (hub.run?.tasks.length ?? 8) + 36)}px`;
      if (card.place.style.minHeight !== height) card.place.style.minHeight = height;
      plot.draw();
    } };
  }
})();

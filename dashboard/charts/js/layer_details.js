// Below the map of layers: one coefficient with its facts, and the profiles by depth and by task.
(() => {
  "use strict";
  const charts = window.mergescope.charts;
  const { element } = charts;

  charts.layerCell = (hub, state, rights) => {
    const options = { height: 230, note: "Click a cell above to follow its λ over all steps." };
    const card = charts.plotCard(hub, "One coefficient", "", options, (size, run) => {
      const group = charts.chosenGroup(run, state),
        second = state.show === "other" ? hub.second : null;
      return group && charts.cellFigure(size, { run, second, step: hub.step, task: state.cell.task, group });
    });
    const list = element("dl", { class: "mc-list" });
    card.foot.append(list);
    let facts = null,
      asked = "";

    async function ask() {
      if (!rights.asks || asked === hub.id) return;
      const id = (asked = hub.id);
      facts = null;
      const answer = await charts.answer("facts", { run: id }, { alive: () => asked === id });
      if (!answer) return;
      facts = answer.error ? null : answer;
      update();
    }
    function update() {
      const run = hub.run,
        group = charts.chosenGroup(run, state);
      card.help.textContent = group
        ? `${run.tasks[state.cell.task].title} · ${group.key}`
        : "λ over all steps, and how large the task vector is there";
      list.hidden = !group;
      if (group) {
        ask();
        const rows = charts.cellFacts(run, state.cell.task, group, hub.step, asked === hub.id ? facts : null);
        list.replaceChildren(
          ...rows.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]),
        );
      }
      card.draw();
    }
    return { root: card.root, update };
  };

  // [[name, value]] about one task in one group; `facts` has norms and conflicts [column][task], or is null.
  charts.cellFacts = (run, task, group, step, facts) => {
    const track = run.track(task, group.members),
      place = run.place(step);
    const rows = [
      ["λ", `${charts.number(track.y[place])} at step ${track.x[place]}`],
      ["since step 0", charts.signed(track.y[place] - track.y[0])],
    ];
    if (group.members.length > 1) rows.push(["tensors", `mean of ${group.members.length}`]);
    else if (group.name !== group.key) rows.push(["tensor", group.name]);
    if (facts) {
      const squares = group.members.map((member) => facts.norms[member][task] ** 2);
      const norm = Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
      rows.push([
        "‖τ‖",
        `${norm.toPrecision(3)} (${charts.percent(norm ** 2 / facts.norms.reduce((sum, row) => sum + row[task] ** 2, 0))} of the task vector's energy)`,
      ]);
      rows.push([
        "sign conflict",
        `${charts.percent(charts.mean(group.members.map((member) => facts.conflict[member][task])))} of entries against another task, on average`,
      ]);
    }
    return rows;
  };

  charts.layerDepth = (hub, state) => {
    const options = { height: 230, note: "This run has one λ for all layers." };
    const card = charts.plotCard(hub, "Profile by depth", "", options, (size, run) => {
      if (!run.hasCoefficients) return null;
      return charts.depthFigure(size, { run, values: charts.shownValues(hub, state), chosen: state.task });
    });
    const update = () => {
      card.help.textContent =
        state.task >= 0
          ? "mean λ of each block; shaded: the middle 80 % of its tensors"
          : "mean λ of each block, one line a task";
      card.draw();
    };
    return { root: card.root, update };
  };

  charts.layerSpread = (hub, state) => {
    const help = "○ mean at step 0 · ● mean now · thick: middle half of the tensors · thin: all of them";
    const figure = (size, run) => {
      if (!run.hasCoefficients) return null;
      const values = charts.shownValues(hub, state);
      return charts.spreadFigure(size, { run, values, start: run.origin, chosen: state.task });
    };
    const onClick = ({ pointIndex }) => {
      state.task = state.task === pointIndex ? -1 : pointIndex;
      state.changed();
    };
    const card = charts.plotCard(hub, "Profile by task", help, { height: 250, wide: true }, figure, { onClick });
    const update = () => {
      card.fit(Math.max(180, 27 * (hub.run?.tasks.length ?? 8) + 36));
      card.draw();
    };
    return { root: card.root, update };
  };
})();

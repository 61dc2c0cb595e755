// One λ over all steps, with the other tasks of the same group behind it.
(() => {
  "use strict";
  const charts = window.mergescope.charts;

  // `view`: {run, second, step, task, group}; `second` is a run to compare with, or null.
  charts.cellFigure = (size, view) => {
    const { run, second, task, group } = view;
    if (!group || !run.frames.length) return null;
    const colours = charts.colours(),
      narrow = charts.narrow(size.width);
    const names = run.tasks.map((one) => one.title);
    const label = charts.brief(run.tasks[task], narrow ? 12 : 18);
    const data = [];
    run.tasks.forEach((_, place) => {
      if (place !== task)
        data.push(line(run.track(place, group.members), names[place], { width: 1, color: colours.muted }, 0.45));
    });
    data.push(line(run.track(task, group.members), names[task], { width: 2.5, color: colours.accent }, 1));
    if (second) data.push(...other(second, run, task, group));
    const every = data.flatMap((trace) => trace.y).filter(Number.isFinite);
    const [low, high] = charts.limits(
      every.reduce((a, b) => Math.min(a, b)),
      every.reduce((a, b) => Math.max(a, b)),
      0.02,
      0.04,
    );
    const mine = run.track(task, group.members);
    return {
      data,
      layout: {
        margin: { l: 46, r: charts.labelRoom([run.tasks[task]], narrow), t: 8, b: 38 },
        uirevision: `${run.id} ${group.key}`,
        dragmode: narrow ? false : "zoom",
        xaxis: {
          range: [0, Math.max(run.total || 0, run.last, 1)],
          title: { text: "step" },
          nticks: narrow ? 4 : 6,
          fixedrange: narrow,
        },
        yaxis: { range: [low, high], nticks: 5, tickformat: ".2~f", fixedrange: narrow },
        shapes: charts.cursor(view.step),
        annotations: [
          {
            x: mine.x[mine.x.length - 1],
            y: mine.y[mine.y.length - 1],
            text: charts.plain(label),
            xanchor: "left",
            xshift: 6,
            font: { size: 12, color: colours.accent },
          },
        ],
      },
    };
  };

  function line(track, name, style, opacity) {
    return {
      mode: track.x.length > 1 ? "lines" : "markers",
      x: track.x,
      y: track.y,
      line: style,
      opacity,
      marker: { color: style.color, size: 7 },
      hovertemplate: `<b>${charts.plain(name)}</b><br>step %{x}<br>λ = %{y:.3f}<extra></extra>`,
    };
  }

  // The same task and the same tensors, by name, in the other run.
  function other(second, run, task, group) {
    const row = second.tasks.findIndex((one) => one.name === run.tasks[task].name);
    const wanted = new Set(group.members.map((member) => run.columns[member].name));
    const members = second.columns.flatMap((column, place) => (wanted.has(column.name) ? [place] : []));
    if (row < 0 || !members.length) return [];
    const style = { width: 2, color: charts.colours().warm, dash: "dash" };
    return [line(second.track(row, members), `${second.tasks[row].title} · ${second.about.name}`, style, 1)];
  }
})();

// One line of facts about a run: speed, machine, memory. Progress and time left stand in the page's header.
(() => {
  "use strict";
  const charts = window.mergescope.charts;

  charts.facts = (run) => {
    if (!run || !run.about) return [];
    const facts = [];
    if (run.status === "running" && run.pace > 0) {
      facts.push(run.pace > 1 ? `${run.pace.toFixed(1)} s per step` : `${(1 / run.pace).toFixed(1)} steps/s`);
    } else if (run.elapsed > 0) facts.push(`${charts.duration(run.elapsed)} for ${run.stepsDone || 1} steps`);
    if (run.device)
      facts.push([run.device === "cpu" ? "CPU" : run.device.toUpperCase(), run.precision].filter(Boolean).join(" "));
    if (charts.megabytes(run.memory)) facts.push(charts.megabytes(run.memory));
    return facts;
  };

  // What a person is told instead of charts: no run, waiting, an error. null where there is something to draw.
  charts.state = (hub) => {
    const run = hub.run;
    if (!hub.id) return ["No run chosen", "Start a merge under Set up, or choose a run in the list."];
    if (hub.trouble && !run?.about) return ["The server does not answer", `${hub.trouble} This page goes on trying.`];
    if (!run?.about) return ["Loading …", ""];
    if (run.steps.length || run.frames.length || run.evaluations.length) return null;
    if (run.status === "queued") return ["Waiting for its turn", "The charts start with the first step."];
    if (run.status === "failed") return ["This run failed", run.failure || "No step was made."];
    if (run.status === "running") return ["Loading the checkpoints …", "The charts start with the first step."];
    return ["Nothing was recorded", "This run ended before its first step."];
  };

  // An element that shows `charts.state`, and hides `content` meanwhile.
  charts.stateBox = (hub, content) => {
    const title = charts.element("strong"),
      text = charts.element("span");
    const root = charts.element("div", { class: "mc-state", role: "status" }, title, text);
    const update = () => {
      const state = charts.state(hub);
      root.hidden = state === null;
      content.hidden = state !== null;
      if (state) [title.textContent, text.textContent] = state;
    };
    for (const name of ["run", "change", "trouble"]) hub.on(name, update);
    update();
    return root;
  };
})();

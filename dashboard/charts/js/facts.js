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

  // What a person is told instead of charts: [title, text, share done, whether to lead to Set up]; null where there is
  // something to draw.
  charts.state = (hub) => {
    const run = hub.run;
    if (!hub.id && hub.known === false) return ["Loading …", ""];
    if (!hub.id) return ["No run chosen", "Start a merge under Set up, or choose a run in the list.", null, true];
    if (hub.trouble && !run?.about) return ["The server does not answer", `${hub.trouble} This page goes on trying.`];
    if (!run?.about) return ["Loading …", ""];
    if (run.steps.length || run.frames.length || run.evaluations.length) return null;
    if (run.status === "queued" || run.status === "running") return beginning(hub.status);
    if (run.status === "failed") return ["This run failed", run.failure || "No step was made."];
    return ["Nothing was recorded", "This run ended before its first step."];
  };

  // `status` is what the list of runs knows: the place in the queue, and what the run is doing at the moment.
  function beginning(status) {
    const then = "The charts start with the first step.";
    const now = window.mergescopeFrame?.doing(status);
    if (now) {
      const { done, total } = status.doing;
      return [now[0], now[1] || then, total ? Math.min(1, done / total) : null];
    }
    if (status?.status === "queued" && status.position > 0) {
      const before = status.position === 1 ? "Another run is" : `${status.position} other runs are`;
      return ["Waiting for its turn", `${before} going on or waiting on this device.`];
    }
    return ["Loading the checkpoints and images …", then];
  }

  // An element that shows `charts.state`, and hides `content` meanwhile.
  charts.stateBox = (hub, content) => {
    const title = charts.element("strong"),
      text = charts.element("span"),
      bar = charts.element("i");
    const track = charts.element("span", { class: "ms-bar an-bar", hidden: true }, bar);
    const page = window.mergescope;
    const lead = charts.element("button", {
      type: "button",
      class: "ms-button",
      text: "Go to Set up",
      hidden: true,
      onclick: () => page.open("setup"),
    });
    const root = charts.element("div", { class: "mc-state", role: "status" }, title, text, track, lead);
    const update = () => {
      const state = charts.state(hub);
      root.hidden = state === null;
      content.hidden = state !== null;
      if (!state) return;
      const [heading, words, share = null, setup = false] = state;
      if (title.textContent !== heading) title.textContent = heading;
      if (text.textContent !== words) text.textContent = words;
      track.hidden = share === null;
      bar.style.width = `${100 * (share ?? 0)}%`;
      lead.hidden = !setup || !page.tabs?.includes("setup");
    };
    for (const name of ["run", "change", "trouble", "status"]) hub.on(name, update);
    update();
    return root;
  };
})();

// Ties the charts to the page they stand in: Mergescope's own page, or an exported file.
(() => {
  "use strict";
  const charts = window.mergescope.charts;

  // In the dashboard: one hub for the whole page, whichever tab is opened first.
  const page = window.mergescope,
    hub = () => (charts.hub ??= connect());
  page.pages.live = (root) => charts.live(root, hub());
  page.pages.layers = (root) => charts.layers(root, hub(), { asks: true, owner: !page.readonly });

  function connect() {
    const [describe, history] = ["describe", "history"].map((name) => (args) => charts.ask(name, args));
    const hub = new charts.Hub({ describe, history }, page.pollSeconds);
    hub.on("step", (step) => page.setStep(step));
    hub.on("saved", (run) => page.select(run));
    page.on("run", (run) => {
      hub.known = page.known;
      hub.show(run);
      if (!run) hub.emit("run", null);
    });
    page.on("step", (step) => hub.setStep(step));
    page.on("tab", () => {
      hub.wake();
      charts.redraw();
    });
    // The sidebar sees a run go on again (resumed) before anybody asks for its steps.
    page.on("status", (status) => {
      hub.status = status?.id === hub.id ? status : null;
      hub.emit("status", hub.status);
      if (status?.id === hub.id && status.status !== hub.run?.status) hub.poke();
    });
    hub.known = page.known;
    hub.status = page.status;
    hub.show(page.run);
    if (page.step !== null) hub.setStep(page.step);
    return hub;
  }

  // In an exported file: {describe: answer, history: [answers]} of one run, all steps of which are there.
  charts.embedded = (whole) => {
    let next = 0;
    return {
      describe: async () => whole.describe,
      history: async () =>
        whole.history[next++] ?? { ...whole.history.at(-1), more: false, numbers: [], frames: [], evaluations: [] },
    };
  };
})();

// The layers view: any step, any detail, against step 0 or another run, and what one coefficient did.
(() => {
  "use strict";
  const charts = window.mergescope.charts;
  const { element } = charts;

  // `extra` may have runs(args), facts(args), whatif(args), whatif_save(args); what is missing is not offered.
  charts.layers = (root, hub, extra = {}) => {
    const state = { detail: "tensor", show: "value", pair: "side", task: -1, cell: null, edits: [] };
    const content = element("div", { class: "mc-grid" });
    const map = charts.layerMap(hub, state, extra),
      cell = charts.layerCell(hub, state, extra);
    const depth = charts.layerDepth(hub, state),
      spread = charts.layerSpread(hub, state);
    const cards = [map, cell, depth, spread];
    if (extra.whatif) cards.push(charts.whatif(hub, state, extra));
    content.append(...cards.map((card) => card.root));
    const nothing = element(
      "div",
      { class: "mc-state" },
      element("strong", { text: "No coefficients in this run" }),
      element("span", { text: "Only methods that learn λ have layers to look at, such as AdaMerging." }),
    );
    const both = element("div", {}, nothing, content);
    root.replaceChildren(charts.runState(hub, both), both);
    root.classList.add("mc");

    const redraw = () => {
      const none = Boolean(hub.run && !hub.run.frames.length);
      nothing.hidden = !none;
      content.hidden = none;
      if (!none) for (const card of cards) card.update();
    };
    state.changed = redraw;
    hub.on("run", () => {
      Object.assign(state, { task: -1, cell: null, edits: [], show: state.show === "other" ? "value" : state.show });
      redraw();
    });
    hub.on("change", redraw);
    hub.on("step", redraw);
    hub.attach(root);
    redraw();
  };
})();

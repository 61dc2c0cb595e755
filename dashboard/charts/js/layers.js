// The layers view: any step, any detail, against step 0 or another run, and what one coefficient did.
import { element } from "./base.js";
import { runState } from "./facts.js";
import { layerCell, layerDepth, layerSpread } from "./layer_details.js";
import { layerMap } from "./layer_map.js";
import { whatif } from "./whatif.js";

// `rights.asks`: there is a server to ask for more; `rights.owner`: it lets λ be changed.
/** @type {(root: HTMLElement, hub: Hub, rights?: Rights) => void} */
export const layers = (root, hub, rights = {}) => {
  /** @type {LayersState} */
  const state = {
    detail: "tensor",
    show: "value",
    pair: "side",
    task: -1,
    cell: null,
    edits: [],
    changed: () => redraw(),
  };
  const content = element("div", { class: "mc-grid" });
  const map = layerMap(hub, state, rights),
    cell = layerCell(hub, state, rights);
  const depth = layerDepth(hub, state),
    spread = layerSpread(hub, state);
  const cards = [map, cell, depth, spread];
  if (rights.owner) cards.push(whatif(hub, state));
  content.append(...cards.map((card) => card.root));
  const nothing = element(
    "div",
    { class: "mc-state" },
    element("strong", { text: "No coefficients in this run" }),
    element("span", { text: "Only methods that learn λ, such as AdaMerging, have layers to look at." }),
  );
  const both = element("div", {}, nothing, content);
  root.replaceChildren(runState(hub, both), both);
  root.classList.add("mc");

  const redraw = () => {
    const none = Boolean(hub.run && !hub.run.frames.length);
    nothing.hidden = !none;
    content.hidden = none;
    if (!none) for (const card of cards) card.update();
  };
  hub.on("run", () => {
    Object.assign(state, { task: -1, cell: null, edits: [], show: state.show === "other" ? "value" : state.show });
    redraw();
  });
  hub.on("change", redraw);
  hub.on("step", redraw);
  hub.attach(root);
  redraw();
};

// Ties the charts of Live and Layers to the page: one hub for both, whichever tab is opened first.
import { ask } from "../charts/js/base.js";
import { Hub } from "../charts/js/hub.js";
import { layers } from "../charts/js/layers.js";
import { live } from "../charts/js/live.js";
import { redraw } from "../charts/js/plot.js";
import { page } from "./shell.js";

/** @type {Hub | null} */
let connected = null;
export const hub = () => (connected ??= connect());
/** @type {(root: HTMLElement) => void} */
export const liveTab = (root) => live(root, hub());
/** @type {(root: HTMLElement) => void} */
export const layersTab = (root) => layers(root, hub(), { asks: true, owner: !page.readonly });

function connect() {
  /** @type {{ describe: (args: object) => Promise<Told<"describe">>, history: (args: object) => Promise<Told<"history">> }} */
  const source = { describe: (args) => ask("describe", args), history: (args) => ask("history", args) };
  const made = new Hub(source, page.pollSeconds);
  made.toSetup = page.toSetup;
  made.on("step", (step) => page.setStep(step));
  made.on("saved", (run) => page.select(run));
  page.on("run", (run) => {
    made.known = page.known;
    made.show(run);
    if (!run) made.emit("run", null);
  });
  page.on("step", (step) => made.setStep(step));
  page.on("tab", () => {
    made.wake();
    redraw();
  });
  // The sidebar sees a run go on again (resumed) before anybody asks for its steps.
  page.on("status", (status) => {
    made.status = status?.id === made.id ? status : null;
    made.emit("status", made.status);
    if (status?.id === made.id && status.status !== made.run?.status) made.poke();
  });
  made.known = page.known;
  made.status = page.status;
  made.show(page.run);
  if (page.step !== null) made.setStep(page.step);
  return made;
}

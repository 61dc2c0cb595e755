// Starts the charts of an exported file on the data inside it; `#step=12&view=layers` opens it there.
import { find } from "../charts/js/base.js";
import { Hub } from "../charts/js/hub.js";
import { layers } from "../charts/js/layers.js";
import { live } from "../charts/js/live.js";
import { redraw } from "../charts/js/plot.js";
import { embedded } from "./embedded.js";

const whole = JSON.parse(find(document, "#run", HTMLScriptElement).text);
const hub = new Hub(embedded(whole), 1);
live(find(document, "#live .mc", HTMLElement), hub);
layers(find(document, "#layers .mc", HTMLElement), hub);
hub.show(whole.describe.run);
const asked = new URLSearchParams(location.hash.slice(1));
if (/^[0-9]{1,7}$/.test(asked.get("step") || "")) hub.setStep(Number(asked.get("step")));
const buttons = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("nav button"));
const sections = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("main > section"));
/** @type {(view: string | null | undefined) => void} */
const open = (view) => {
  for (const section of sections) section.hidden = section.id !== view;
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  hub.wake();
  redraw();
};
for (const button of buttons) button.addEventListener("click", () => open(button.dataset.view));
if (["live", "layers", "results"].includes(asked.get("view") ?? "")) open(asked.get("view"));
find(document, "#theme", HTMLButtonElement).addEventListener("click", () => {
  document.body.classList.toggle("dark");
  redraw();
});

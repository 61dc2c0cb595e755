// Starts the charts of an exported file on the data inside it; `#step=12&view=layers` opens it there.
import { Hub } from "../charts/js/hub.js";
import { layers } from "../charts/js/layers.js";
import { live } from "../charts/js/live.js";
import { redraw } from "../charts/js/plot.js";
import { embedded } from "./embedded.js";

const whole = JSON.parse(document.getElementById("run").textContent);
const hub = new Hub(embedded(whole), 1);
live(document.querySelector("#live .mc"), hub);
layers(document.querySelector("#layers .mc"), hub);
hub.show(whole.describe.run);
const asked = new URLSearchParams(location.hash.slice(1));
if (/^[0-9]{1,7}$/.test(asked.get("step") || "")) hub.setStep(Number(asked.get("step")));
const buttons = document.querySelectorAll("nav button");
const open = (view) => {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== view;
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  hub.wake();
  redraw();
};
for (const button of buttons) button.addEventListener("click", () => open(button.dataset.view));
if (["live", "layers", "results"].includes(asked.get("view"))) open(asked.get("view"));
document.getElementById("theme").addEventListener("click", () => {
  document.body.classList.toggle("dark");
  redraw();
});

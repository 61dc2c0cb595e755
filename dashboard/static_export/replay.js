// Starts the charts of an exported file on the data inside it; `#step=12&view=layers` opens it there.
(() => {
  const charts = window.mergescope.charts, whole = JSON.parse(document.getElementById("run").textContent);
  const hub = new charts.Hub(charts.embedded(whole), 1);
  charts.live(document.querySelector("#live .mc"), hub);
  charts.layers(document.querySelector("#layers .mc"), hub);
  hub.show(whole.describe.run);
  const asked = new URLSearchParams(location.hash.slice(1));
  if (/^[0-9]{1,7}$/.test(asked.get("step") || "")) hub.setStep(Number(asked.get("step")));
  const buttons = document.querySelectorAll("nav button");
  const open = (view) => {
    for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== view;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === view));
    hub.wake();
    charts.redraw();
  };
  for (const button of buttons) button.addEventListener("click", () => open(button.dataset.view));
  if (["live", "layers", "results"].includes(asked.get("view"))) open(asked.get("view"));
  document.getElementById("theme").addEventListener("click", () => document.body.classList.toggle("dark"));
  window.mergescope.hub = hub;
})();

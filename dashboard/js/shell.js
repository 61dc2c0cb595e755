// What all pages share in the browser: which run, tab and step are current, the URL that says so, and the theme.
import { Emitter, remember, remembered } from "../charts/js/base.js";
import { ACTIVE } from "../charts/js/given.js";
import { toast } from "./pieces.js";

const RUN = /^[0-9a-f]{12}$/;
const settings = JSON.parse(document.getElementById("ms-settings")?.textContent || "{}");
const query = new URLSearchParams(location.search);
/** @type {(name: string, form: RegExp) => string} */
const asked = (name, form) => form.exec(query.get(name) ?? "")?.[0] ?? "";

class Page extends Emitter {
  constructor() {
    super();
    this.readonly = Boolean(settings.readonly);
    this.pollSeconds = settings.pollSeconds || 1;
    this.tabs = settings.tabs ?? [];
    this.viewed = settings.viewed ?? []; // those that a view link opens too
    // What the address asked for.
    const step = asked("step", /^[0-9]{1,7}$/),
      tab = asked("tab", /^[a-z]{1,20}$/);
    this.asked = { run: asked("run", RUN), step: step ? Number(step) : null };
    this.run = "";
    this.step = /** @type {number | null} */ (null);
    this.tab = this.tabs.includes(tab) ? tab : (this.tabs[0] ?? "");
    this.before = ""; // the tab before
    this.known = false; // whether the server has said which runs there are
    this.status = /** @type {Answer} */ (null); // what the list of runs says of the current one
    this.wanted = /** @type {Answer} */ (null); // what Set up should show next
    this.settled = false;
  }

  // `chosen`: a person asked for it, so that this browser comes back to it.
  /** @type {(run: string, options?: { step?: number | null, chosen?: boolean }) => void} */
  select(run, { step = null, chosen = true } = {}) {
    run = RUN.test(run || "") ? run : "";
    if (run === this.run && step === this.step) return;
    const changed = run !== this.run;
    this.run = run;
    if (changed) this.status = null;
    if (changed && chosen) remember("run", run);
    this.step = step;
    this.keepUrl();
    if (changed) this.emit("run", run);
    this.emit("step", step);
  }

  /** @type {(tab: string) => void} */
  open(tab) {
    if (!this.tabs.includes(tab) || tab === this.tab) return;
    this.before = this.tab;
    this.tab = tab;
    this.keepUrl();
    this.emit("tab", tab);
  }

  // Set up, with what it should show.
  /** @type {(wanted: object) => void} */
  setUp(wanted) {
    this.wanted = wanted;
    this.emit("suite");
    this.open("setup");
  }

  // What leads to Set up; null where there is no such page.
  get toSetup() {
    return this.tabs.includes("setup") ? () => this.open("setup") : null;
  }

  // True where Gradio shows this tab. The first time that it is the wanted one, the page is complete.
  /** @type {(tab: string) => boolean} */
  shows(tab) {
    const there = Boolean(document.getElementById(`ms-tab-${tab}`)?.offsetParent);
    if (there && tab === this.tab) this.settled = true;
    return there;
  }

  // Gradio has selected a tab. Until the page is complete that may be its own first tab, not the one in the address.
  /** @type {(tab: string) => void} */
  follow(tab) {
    if (this.settled || this.shows(this.tab)) this.open(tab);
  }

  /** @type {(step: number | null) => void} */
  setStep(step) {
    if (step === this.step) return;
    this.step = step;
    this.keepUrl();
    this.emit("step", step);
  }

  /** @type {(status: Listed | null) => void} */
  setStatus(status) {
    const before = JSON.stringify(this.status);
    this.status = status;
    if (before !== JSON.stringify(status)) this.emit("status", status);
  }

  // The first run to show: the URL's, the one this browser looked at last, the latest active one, the newest.
  /** @type {(runs: { id: string, status: string }[]) => void} */
  reconnect(runs) {
    const known = new Set(runs.map((run) => run.id)),
      active = runs.find((run) => ACTIVE.includes(run.status)),
      own = [this.asked.run, remembered("run")];
    this.known = true;
    const wanted = [...own, active?.id, runs[0]?.id].find((id) => id && known.has(id)) ?? "";
    if (this.asked.run && !known.has(this.asked.run))
      toast("The run in this link is not here, or no longer here.", "warning");
    if (!wanted) this.emit("run", ""); // what said that it loads learns that there is nothing to load
    const step = wanted && wanted === this.asked.run ? this.asked.step : null;
    this.select(wanted, { step, chosen: own.includes(wanted) });
  }

  /** @type {(element: HTMLElement) => boolean} */
  visible(element) {
    return !document.hidden && element.offsetParent !== null;
  }

  get theme() {
    return document.body?.classList.contains("dark") ? "dark" : "light";
  }

  // The theme that the link or this browser asks for; else the system's, which Gradio applies.
  restoreTheme() {
    const saved = query.get("__theme") || remembered("theme"),
      system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    document.body.classList.toggle("dark", (["dark", "light"].includes(saved) ? saved : system) === "dark");
  }

  /** @type {(theme: string) => void} */
  setTheme(theme) {
    document.body.classList.toggle("dark", theme === "dark");
    remember("theme", theme);
  }

  keepUrl() {
    const next = new URLSearchParams(location.search);
    /** @type {(name: string, value: string | number | null) => void} */
    const put = (name, value) => (value === "" || value === null ? next.delete(name) : next.set(name, String(value)));
    put("run", this.run);
    put("tab", this.tab);
    put("step", this.step);
    const text = next.toString();
    history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
  }
}

export const page = new Page();

/** @type {(event: Event) => Element | null} */
const tabOf = (event) => (event.target instanceof Element ? event.target.closest('[role="tab"]') : null);
for (const name of ["pointerdown", "keydown"]) {
  /** @type {(event: Event) => void} */
  const settle = (event) => {
    if (tabOf(event)) page.settled = true;
  };
  document.addEventListener(name, settle, true);
}

// Gradio tells that a tab was chosen only once it listens; a quick hand is faster than a slow browser.
document.addEventListener("click", (event) => {
  const chosen = /^ms-tab-([a-z]+)-button$/.exec(tabOf(event)?.id ?? "");
  if (chosen) page.open(chosen[1]);
});

document.addEventListener("DOMContentLoaded", () => {
  page.restoreTheme();
  let theme = page.theme;
  new MutationObserver(() => {
    if (page.theme === theme) return;
    theme = page.theme;
    page.emit("theme", theme);
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
});

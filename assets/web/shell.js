/* What all pages share in the browser: which run, tab and step are current, the URL that says so, theme, messages.
   Loaded in the page's head after charts/js/base.js, before any component. Text goes into the page through textContent only. */
(() => {
  "use strict";
  const RUN = /^[0-9a-f]{12}$/, { charts } = window.mergescope, { element, button, remember, remembered } = charts;
  const settings = JSON.parse(document.getElementById("ms-settings")?.textContent || "{}");
  const query = new URLSearchParams(location.search);
  const asked = {
    run: RUN.test(query.get("run") || "") ? query.get("run") : "",
    tab: /^[a-z]{1,20}$/.test(query.get("tab") || "") ? query.get("tab") : "",
    step: /^[0-9]{1,7}$/.test(query.get("step") || "") ? Number(query.get("step")) : null,
  };
  let settled = false;
  for (const name of ["pointerdown", "keydown"]) {
    document.addEventListener(name, (event) => { if (event.target.closest?.('[role="tab"]')) settled = true; }, true);
  }

  const ms = Object.assign(new charts.Emitter(), window.mergescope, {
    run: "", known: false, tab: (settings.tabs || []).includes(asked.tab) ? asked.tab : settings.tabs?.[0] || "", before: "", step: null, status: null, asked,
    charts, readonly: Boolean(settings.readonly), pollSeconds: settings.pollSeconds || 1, tabs: settings.tabs || [],
    /* `chosen`: a person asked for it, so that this browser comes back to it. */
    select(run, { step = null, chosen = true } = {}) {
      run = RUN.test(run || "") ? run : "";
      if (run === ms.run && step === ms.step) return;
      const changed = run !== ms.run;
      ms.run = run;
      if (changed) ms.status = null;
      if (changed && chosen) remember("run", run);
      ms.step = step;
      keepUrl();
      if (changed) ms.emit("run", run);
      ms.emit("step", step);
    },
    open(tab) {
      if (!ms.tabs.includes(tab)) return;
      if (tab === ms.tab) return;
      ms.before = ms.tab;
      ms.tab = tab;
      keepUrl();
      ms.emit("tab", tab);
    },
    /* True where Gradio shows this tab. The first time that it is the wanted one, the page is complete. */
    shows(tab) {
      const there = Boolean(document.getElementById(`ms-tab-${tab}`)?.offsetParent);
      if (there && tab === ms.tab) settled = true;
      return there;
    },
    /* Gradio has selected a tab. Until the page is complete that may be its own first tab, not the one in the address. */
    follow(tab) {
      if (settled || ms.shows(ms.tab)) ms.open(tab);
    },
    setStep(step) {
      if (step === ms.step) return;
      ms.step = step;
      keepUrl();
      ms.emit("step", step);
    },
    setStatus(status) {
      const before = JSON.stringify(ms.status);
      ms.status = status;
      if (before !== JSON.stringify(status)) ms.emit("status", status);
    },
    /* The first run to show: the URL's, the one this browser looked at last, the latest active one, the newest. */
    reconnect(runs) {
      const known = new Set(runs.map((run) => run.id));
      ms.known = true;
      const active = runs.find((run) => charts.ACTIVE.includes(run.status));
      const wanted = [asked.run, remembered("run"), active?.id, runs[0]?.id].find((id) => id && known.has(id)) || "";
      if (asked.run && !known.has(asked.run)) ms.toast("The run in this link is not here, or not any more.", "warning");
      if (!wanted) ms.emit("run", ""); // what said that it loads learns that there is nothing to load
      ms.select(wanted, { step: wanted && wanted === asked.run ? asked.step : null, chosen: [asked.run, remembered("run")].includes(wanted) });
    },
    visible(element) {
      return !document.hidden && Boolean(element) && element.offsetParent !== null;
    },
    /* The theme that the link or this browser asks for; else the system's, which Gradio applies. */
    restoreTheme() {
      let saved = query.get("__theme") || remembered("theme");
      if (!["dark", "light"].includes(saved)) saved = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      document.body.classList.toggle("dark", saved === "dark");
    },
    setTheme(theme) {
      document.body.classList.toggle("dark", theme === "dark");
      remember("theme", theme);
    },
    toast(text, kind = "info") {
      let tray = document.getElementById("ms-toasts");
      if (!tray) document.body.append(tray = element("div", { id: "ms-toasts", role: "status", "aria-live": "polite" }));
      const shown = ["info", "warning", "error"].includes(kind) ? kind : "info";
      const note = element("button", { type: "button", class: `ms-toast ${shown}`, text: String(text).slice(0, 600), title: "Close", onclick: () => note.remove() });
      tray.append(note);
      while (tray.children.length > 4) tray.firstChild.remove();
      setTimeout(() => note.remove(), kind === "error" ? 15000 : 7000);
    },
    /* Title and help text above a part of a page. */
    heading: (title, help) => element("div", {}, element("h2", { class: "ms-title", text: title }), element("p", { class: "ms-help", text: help })),
    /* What is doubtful about the inputs, as core.problem.findings has it, perhaps with a button. */
    finding: ({ severity, text, remedy }, ...more) => ms.note({ severe: "error", warning: "warning" }[severity] || "", "",
      element("p", {}, ...ms.coded(`${text} ${remedy}`)), ...more),
    /* A remark in a coloured frame. */
    note: (kind, text, ...more) => element("div", { class: `ms-note ${kind}`, role: kind === "error" ? "alert" : null }, text, ...more),
    /* What stands where nothing is to be seen yet: what is missing, and how to get it. */
    empty: (title, text) => element("div", { class: "ms-empty" }, element("strong", { text: title }), element("span", { text })),
    /* A place that is kept while something loads. */
    skeleton: (height) => element("div", { class: "ms-skeleton", style: `height:${height}px` }),
    /* Texts and <code> of a text in which `…` marks code. */
    coded: (text) => String(text).split("`").map((piece, place) => (place % 2 ? element("code", { text: piece }) : piece)),
    /* Puts an error and "Try again" in the place of a section's content. */
    failed: (section, text, again) => section.replaceChildren(ms.note("error", text), button("Try again", "", again)),
    /* Offers a text as a file. */
    download(text, name, type) {
      const url = URL.createObjectURL(new Blob([text], { type })), link = element("a", { href: url, download: name });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    },
    /* A question to the server; what goes wrong is told at once. */
    async ask(name, args) {
      const answer = await charts.ask(name, args);
      if (answer.error) ms.toast(answer.error, "error");
      return answer;
    },
    copy(text) {
      const done = () => ms.toast("Copied.");
      if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text).then(done, () => {});
      const box = element("textarea", { text });
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
      done();
    },
  });
  Object.defineProperty(ms, "theme", { get: () => (document.body?.classList.contains("dark") ? "dark" : "light") });
  window.mergescope = ms;

  function keepUrl() {
    const next = new URLSearchParams(location.search);
    const put = (name, value) => (value === "" || value === null ? next.delete(name) : next.set(name, value));
    put("run", ms.run);
    put("tab", ms.tab);
    put("step", ms.step);
    const text = next.toString();
    history.replaceState(history.state, "", location.pathname + (text ? `?${text}` : ""));
  }

  /* Gradio tells that a tab was chosen only once it listens; a quick hand is faster than a slow browser. */
  document.addEventListener("click", (event) => {
    const chosen = /^ms-tab-([a-z]+)-button$/.exec(event.target.closest?.('[role="tab"]')?.id || "");
    if (chosen) ms.open(chosen[1]);
  });

  document.addEventListener("DOMContentLoaded", () => {
    ms.restoreTheme();
    let theme = ms.theme;
    new MutationObserver(() => {
      if (ms.theme !== theme) { theme = ms.theme; ms.emit("theme", theme); }
    }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  });
})();

/* What all pages share in the browser: which run, tab and step are current, the URL that says so, theme, messages.
   Loaded in the page's head, before any component. Text goes into the page through textContent only. */
(() => {
  "use strict";
  const RUN = /^[0-9a-f]{12}$/, listeners = {};
  const settings = JSON.parse(document.getElementById("ms-settings")?.textContent || "{}");
  const query = new URLSearchParams(location.search);
  const asked = {
    run: RUN.test(query.get("run") || "") ? query.get("run") : "",
    tab: /^[a-z]{1,20}$/.test(query.get("tab") || "") ? query.get("tab") : "",
    step: /^[0-9]{1,7}$/.test(query.get("step") || "") ? Number(query.get("step")) : null,
  };
  const remembered = () => { try { return localStorage.getItem("mergescope.run") || ""; } catch { return ""; } };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private mode */ } };

  let settled = false;
  for (const name of ["pointerdown", "keydown"]) {
    document.addEventListener(name, (event) => { if (event.target.closest?.('[role="tab"]')) settled = true; }, true);
  }

  const ms = window.mergescope = {
    run: "", known: false, tab: (settings.tabs || []).includes(asked.tab) ? asked.tab : settings.tabs?.[0] || "", before: "", step: null, status: null, asked,
    readonly: Boolean(settings.readonly), pollSeconds: settings.pollSeconds || 1, tabs: settings.tabs || [],
    get theme() { return document.body?.classList.contains("dark") ? "dark" : "light"; },

    on(name, fn) {
      (listeners[name] ||= new Set()).add(fn);
      return () => listeners[name].delete(fn);
    },
    emit(name, value) {
      for (const fn of [...(listeners[name] || [])]) {
        try { fn(value); } catch (error) { console.error(error); }
      }
    },

    /* `chosen`: a person asked for it, so that this browser comes back to it. */
    select(run, { step = null, chosen = true } = {}) {
      run = RUN.test(run || "") ? run : "";
      if (run === ms.run && step === ms.step) return;
      const changed = run !== ms.run;
      ms.run = run;
      if (changed) ms.status = null;
      if (changed && chosen) remember("mergescope.run", run);
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
      const active = runs.find((run) => ["running", "paused", "queued"].includes(run.status));
      const wanted = [asked.run, remembered(), active?.id, runs[0]?.id].find((id) => id && known.has(id)) || "";
      if (asked.run && !known.has(asked.run)) ms.toast("The run in this link is not here (any more).", "warning");
      if (!wanted) ms.emit("run", ""); // what said that it loads learns that there is nothing to load
      ms.select(wanted, { step: wanted && wanted === asked.run ? asked.step : null, chosen: [asked.run, remembered()].includes(wanted) });
    },
    visible(element) {
      return !document.hidden && Boolean(element) && element.offsetParent !== null;
    },
    /* The theme that the link or this browser asks for; else the system's, which Gradio applies. */
    restoreTheme() {
      let saved = "";
      try { saved = query.get("__theme") || localStorage.getItem("mergescope.theme") || ""; } catch { /* private mode */ }
      if (!["dark", "light"].includes(saved)) saved = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      document.body.classList.toggle("dark", saved === "dark");
    },
    setTheme(theme) {
      document.body.classList.toggle("dark", theme === "dark");
      remember("mergescope.theme", theme);
    },
    toast(text, kind = "info") {
      let tray = document.getElementById("ms-toasts");
      if (!tray) {
        tray = document.createElement("div");
        tray.id = "ms-toasts";
        tray.setAttribute("role", "status");
        tray.setAttribute("aria-live", "polite");
        document.body.append(tray);
      }
      const note = document.createElement("button");
      note.type = "button";
      note.className = `ms-toast ${["info", "warning", "error"].includes(kind) ? kind : "info"}`;
      note.textContent = String(text).slice(0, 600);
      note.title = "Close";
      note.addEventListener("click", () => note.remove());
      tray.append(note);
      while (tray.children.length > 4) tray.firstChild.remove();
      setTimeout(() => note.remove(), kind === "error" ? 15000 : 7000);
    },
    /* An element with a class and text; text is never markup. */
    make(tag, cls, text) {
      const el = document.createElement(tag);
      if (cls) el.className = cls;
      if (text !== undefined) el.textContent = text;
      return el;
    },
    button(text, cls, onClick) {
      const el = ms.make("button", `ms-button ${cls}`, text);
      el.type = "button";
      el.addEventListener("click", onClick);
      return el;
    },
    /* Title and help text above a part of a page. */
    heading(title, help) {
      const box = ms.make("div");
      box.append(ms.make("h2", "ms-title", title), ms.make("p", "ms-help", help));
      return box;
    },
    /* The same as `make` from a text in which `…` marks code. */
    prose(tag, cls, text) {
      const el = ms.make(tag, cls);
      String(text).split("`").forEach((piece, place) => { if (piece) el.append(place % 2 ? ms.make("code", "", piece) : piece); });
      return el;
    },
    /* Puts an error and "Try again" in the place of a section's content. */
    failed(section, text, again) {
      const note = ms.make("div", "ms-note error", text);
      note.setAttribute("role", "alert");
      const button = ms.make("button", "ms-button", "Try again");
      button.type = "button";
      button.addEventListener("click", again);
      section.replaceChildren(note, button);
    },
    /* Calls a server function; always resolves to an object. Gradio gives nothing where the server can't be reached. */
    async ask(fn, args) {
      try {
        const answer = await fn(args);
        if (answer) return answer;
      } catch { /* told below */ }
      return { error: "The server did not answer. It may have been stopped.", gone: true };
    },
    /* What is asked again and again has a route of its own, see dashboard/polls.py; null where there is no answer. */
    async poll(name, args) {
      try {
        const headers = { "content-type": "application/json" };
        const answer = await fetch(`poll/${name}`, { method: "POST", headers, body: JSON.stringify(args) });
        return await answer.json();
      } catch { return null; }
    },
    copy(text) {
      const done = () => ms.toast("Copied.");
      if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text).then(done, () => {});
      const box = document.createElement("textarea");
      box.value = text;
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
      done();
    },
  };

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

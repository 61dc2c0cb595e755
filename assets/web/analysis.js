/* What the pages Similarity, Compare and Playground share: asking the server until it has an answer, states, figures.
   `mergescope.charts` (helpers, Plotly) is loaded with each component, so it is looked up when something is called. */
(() => {
  "use strict";
  const ms = window.mergescope;
  const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

  const analysis = ms.analysis = {
    /* Calls `fn(args)` until the answer is not pending; `alive()` false ends it with null. `pending(progress)` is told. */
    async ask(fn, args, { alive = () => true, pending = () => {} } = {}) {
      let failures = 0;
      for (let tries = 0; alive(); tries += 1) {
        let answer = null;
        try {
          answer = await fn(tries ? { ...args, again: false } : args);
          failures = 0;
        } catch {
          failures += 1;
          if (failures > 4) return { error: "The server does not answer. It may have been stopped." };
        }
        if (!alive()) return null;
        if (answer && !answer.pending) return answer;
        if (answer) pending(answer.pending);
        await wait(failures ? 2 ** failures : Math.min(2, 0.3 + 0.1 * tries));
      }
      return null;
    },

    /* A box that says what is going on instead of a page; `show(null)` hides it. */
    stateBox() {
      const { element } = ms.charts;
      const title = element("strong"), text = element("span"), bar = element("i");
      const track = element("span", { class: "ms-bar an-bar", hidden: true }, bar);
      const again = element("button", { type: "button", class: "ms-button", text: "Try again", hidden: true });
      const lead = element("button", { type: "button", class: "ms-button", text: "Go to Set up", hidden: true, onclick: () => ms.open("setup") });
      const root = element("div", { class: "mc-state", role: "status" }, title, text, track, again, lead);
      const show = (state) => {
        root.hidden = !state;
        if (!state) return;
        title.textContent = state.title;
        text.textContent = state.text || "";
        track.hidden = !state.total;
        bar.style.width = state.total ? `${Math.min(100, (100 * state.done) / state.total)}%` : "0";
        again.hidden = !state.retry;
        again.onclick = state.retry || null;
        lead.hidden = !state.setup || !ms.tabs.includes("setup");
        root.classList.toggle("an-wrong", Boolean(state.wrong));
      };
      return { root, show };
    },
    working: (progress) => ({ title: progress.label ? `${progress.label} …` : "Working …",
      text: progress.total ? `${progress.done} of ${progress.total}${progress.left >= 1 ? `, about ${ms.charts.duration(progress.left)} left` : ""}` : "", done: progress.done, total: progress.total }),
    failed: (text, retry) => ({ title: "That did not work", text, wrong: true, retry }),

    /* A card with a figure made in Python. `set(figures, change)`: {light, dark} or {wide: …, narrow: …} or null;
       `change(figure)` may alter the copy that is drawn. */
    figureCard(title, help, { wide = false, height = 260, note = "", onClick = null } = {}) {
      const { card, charts } = { card: ms.charts.card(title, help, { height, wide, note }), charts: ms.charts };
      let figures = null, change = () => {};
      const chosen = (width) => {
        const sized = figures?.wide ? figures[charts.narrow(width) ? "narrow" : "wide"] : figures;
        return sized?.[ms.theme] ?? null;
      };
      const plot = new charts.Plot(card.place, (size) => {
        const found = chosen(size.width);
        if (!found) return null;
        const figure = structuredClone(found);
        change(figure);
        const { height: _height, ...layout } = figure.layout;
        return { data: figure.data, layout };
      }, { note: card.note, onClick });
      const fit = () => {
        const wanted = chosen(card.place.clientWidth)?.layout.height;
        if (wanted && card.place.style.height !== `${wanted}px`) card.place.style.height = `${wanted}px`;
      };
      const save = analysis.saveButton(card.place, title);
      card.tools.append(save);
      const set = (next, alter = () => {}) => {
        figures = next;
        change = alter;
        save.hidden = !next;
        fit();
        plot.draw();
      };
      set(null);
      return { ...card, set, draw: () => { fit(); plot.draw(); } };
    },

    /* "Save" with SVG and PNG: drawn by the browser's own Plotly, nothing leaves it. */
    saveButton(place, title) {
      const { element } = ms.charts;
      const save = (format) => {
        menu.open = false;
        const width = place.clientWidth, height = place.clientHeight;
        Plotly.downloadImage(place, { format, width, height, scale: format === "png" ? 2 : 1, filename: analysis.fileName(title) })
          .catch(() => ms.toast("The picture could not be saved.", "error"));
      };
      const menu = element("details", { class: "an-save" }, element("summary", { text: "Save", title: "Save this figure" }),
        element("div", {}, ...["SVG", "PNG"].map((text) => element("button", { type: "button", text, onclick: () => save(text.toLowerCase()) }))));
      menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; });
      return menu;
    },
    fileName: (text) => text.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").toLowerCase() || "mergescope",

    /* Offers a text as a file. */
    download(text, name, type) {
      const url = URL.createObjectURL(new Blob([text], { type }));
      const link = ms.charts.element("a", { href: url, download: name });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    },

    /* Calls `refresh()` when the tab opens, when the run changes while it is open, and at once if it is open. */
    follow(tab, refresh) {
      const maybe = () => { if (ms.tab === tab) refresh(); };
      ms.on("tab", maybe);
      ms.on("run", maybe);
      maybe();
    },
  };
})();

/* What the pages Similarity, Compare, Studies and Playground share: states and figures. Most of `mergescope.charts`, and
   Plotly, is loaded with each component, so it is looked up when something is called. */
(() => {
  "use strict";
  const ms = window.mergescope;
  const { charts } = ms, { element } = charts;

  const analysis = ms.analysis = {
    working: (progress) => ({ title: progress.label ? `${progress.label} …` : "Working …",
      text: progress.total ? `${progress.done} of ${progress.total}${progress.left >= 1 ? `, about ${charts.duration(progress.left)} left` : ""}` : "", done: progress.done, total: progress.total }),
    failed: (text, retry) => ({ title: "That did not work", text, wrong: true, retry }),

    /* A card with a figure made in Python. `set(figures, change)`: {wide, narrow} or null; `change(figure)` may alter the
       copy that is drawn. */
    figureCard(title, help, { wide = false, height = 260, note = "", onClick = null } = {}) {
      const card = charts.card(title, help, { height, wide, note });
      let figures = null, change = () => {};
      const chosen = (width) => figures?.[charts.narrow(width) ? "narrow" : "wide"] ?? null;
      const plot = new charts.Plot(card.place, (size) => {
        const found = chosen(size.width);
        if (!found) return null;
        const figure = charts.coloured(found);
        change(figure);
        const { height: _height, ...layout } = figure.layout;
        return { data: figure.data, layout };
      }, { note: card.note, onClick });
      const fit = () => {
        const wanted = chosen(card.place.clientWidth)?.layout.height;
        if (wanted && card.place.style.height !== `${wanted}px`) card.place.style.height = `${wanted}px`;
      };
      const save = analysis.saveMenu(card.place, title);
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

    /* "Save" with SVG and PNG. */
    saveMenu(place, title) {
      const menu = element("details", { class: "an-save", onclick: (event) => { if (event.target.closest("button")) menu.open = false; } },
        element("summary", { text: "Save", title: "Save this figure" }), element("div", {}, ...charts.saveButtons(place, title)));
      menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; });
      return menu;
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

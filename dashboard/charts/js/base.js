// The one namespace, and small helpers for the page: elements, numbers, text that is safe inside Plotly's labels.
(() => {
  "use strict";
  const root = (window.mergescope = window.mergescope || {});
  const charts = (root.charts = root.charts || {});

  // Texts reach the page as text nodes only: names of tasks, runs and tensors come from files.
  charts.element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (name === "text") made.textContent = value;
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };

  // Plotly reads a few tags and entities in labels; a name must not become one.
  charts.plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  charts.percent = (fraction, digits = 1) =>
    Number.isFinite(fraction) ? `${(100 * fraction).toFixed(digits)} %` : "–";
  charts.points = (fraction) => {
    if (!Number.isFinite(fraction)) return "–";
    return charts.signed(100 * fraction, 1);
  };
  // No "−0.000", and a proper minus.
  charts.number = (value, digits = 3) => {
    if (!Number.isFinite(value)) return "–";
    const text = value.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
  };
  charts.signed = (value, digits = 3) =>
    (value > 0 && Number(value.toFixed(digits)) ? "+" : "") + charts.number(value, digits);
  charts.duration = (seconds) => {
    if (!Number.isFinite(seconds)) return "–";
    if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  };
  charts.megabytes = (value) => {
    if (!Number.isFinite(value) || value <= 0) return "";
    return value >= 1000 ? `${(value / 1024).toFixed(1)} GB` : `${Math.round(value)} MB`;
  };
  charts.shorten = (text, length) => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

  charts.mean = (values) => {
    let sum = 0,
      count = 0;
    for (const value of values)
      if (Number.isFinite(value)) {
        sum += value;
        count += 1;
      }
    return count ? sum / count : NaN;
  };
  charts.quantile = (sorted, share) => {
    if (!sorted.length) return NaN;
    const place = (sorted.length - 1) * share,
      low = Math.floor(place),
      rest = place - low;
    return sorted[low] + (rest ? rest * (sorted[low + 1] - sorted[low]) : 0);
  };

  // A call of the server that never throws: what goes wrong is an answer too.
  charts.ask = async (fn, args) => {
    try {
      return (await fn(args)) ?? { error: "The server gave no answer." };
    } catch {
      return { error: "The server did not answer. Try again." };
    }
  };

  // A tiny event emitter; `on` returns the function that takes the listener away again.
  charts.Emitter = class {
    constructor() {
      this.listeners = new Map();
    }
    on(name, listener) {
      if (!this.listeners.has(name)) this.listeners.set(name, new Set());
      this.listeners.get(name).add(listener);
      return () => this.listeners.get(name).delete(listener);
    }
    emit(name, detail) {
      for (const listener of [...(this.listeners.get(name) ?? [])]) listener(detail);
    }
  };
})();

// A chart that stays: one <div>, `Plotly.react` on it, drawn once a frame and only while it can be seen.
import { palette } from "./given.js";
import { timing } from "./hub.js";
import { layout } from "./look.js";

/** @type {Set<Plot>} */
const all = new Set();
const FRAME = 30; // milliseconds of drawing at a stretch
let scheduled = false,
  painted = false,
  began = 0;

// `figure({width, height})` returns {data, layout} or null (nothing to show yet);
// `note` is an element that is shown meanwhile.
export class Plot {
  /**
   * @param {HTMLElement} place
   * @param {Sized} figure
   * @param {Listening & { note?: HTMLElement | null }} options
   */
  constructor(place, figure, { onClick = null, onZoom = false, note = null } = {}) {
    this.place = /** @type {Plotted} */ (place);
    this.figure = figure;
    this.onClick = onClick;
    this.onZoom = onZoom;
    this.note = note;
    this.dirty = true;
    this.drawn = false;
    this.key = "";
    all.add(this);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(place);
  }

  // Only where `key` says that something else is to be seen.
  /** @param {unknown} key */
  drawFor(key) {
    const text = JSON.stringify(key);
    if (text === this.key) return;
    this.key = text;
    this.draw();
  }

  draw() {
    this.dirty = true;
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(paint);
  }

  get shown() {
    return this.place.isConnected && this.place.offsetParent !== null && this.place.clientWidth > 40;
  }

  _paint() {
    const size = { width: this.place.clientWidth, height: this.place.clientHeight };
    const figure = this.figure(size);
    this.dirty = false;
    if (this.note) this.note.hidden = Boolean(figure);
    if (!figure) {
      if (this.drawn) Plotly.purge(this.place);
      this.drawn = false;
      return;
    }
    Plotly.react(this.place, figure.data, layout(size, figure.layout), palette.config);
    if (!this.drawn) this._listen();
    this.drawn = true;
  }

  _listen() {
    if (this.onClick) this.place.on("plotly_click", (event) => this.onClick?.(event.points[0]));
    if (this.onZoom) {
      this.place.on("plotly_relayout", (change) => {
        if (Object.keys(change).some((key) => key.startsWith("xaxis"))) this.draw();
      });
    }
  }

  // The visible part of the x axis, as the person zoomed it; null before the first drawing or when not zoomed.
  get zoomed() {
    const axis = this.place.layout?.xaxis;
    return this.drawn && axis && axis.autorange !== true && axis.range ? axis.range : null;
  }
}

// Charts take turns: what does not fit into one frame waits for the next, so that a slider stays smooth.
function paint() {
  scheduled = false;
  if (!window.Plotly) return;
  const start = performance.now();
  if (!began) began = start;
  for (const plot of [...all]) {
    if (!plot.place.isConnected) {
      plot.observer.disconnect();
      all.delete(plot);
    } else if (plot.dirty && plot.shown) {
      if (performance.now() - start > FRAME) {
        plot.draw();
        return;
      }
      plot._paint();
      all.delete(plot); // to the end of the line
      all.add(plot);
      painted = true;
    }
  }
  if (painted) record();
  painted = false;
  began = 0;
}

// One entry for each time that everything to be seen was brought up to date.
function record() {
  const { paints, answered } = timing;
  paints.push({ answered, start: began, end: performance.now() });
  if (paints.length > 500) paints.splice(0, 250);
}

export const redraw = () => {
  for (const plot of all) plot.draw();
};

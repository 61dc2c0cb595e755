// Cards, the step slider, and the small controls around charts.
import { toast } from "../../js/pieces.js";
import { element, keyed, quiet } from "./base.js";
import { Plot } from "./plot.js";

// {root, body, place, note, help, tools, foot, fit}: a heading, one line of help, controls, and the place of a chart.
/** @param {string} title @param {string} help @param {CardOptions} options */
export const chartCard = (title, help, { height, wide = false, note = "" }) => {
  const place = element("div", { class: "mc-plot", role: "img", "aria-label": title });
  const waiting = element("p", { class: "mc-note", text: note });
  const helping = element("p", { class: "mc-help", text: help });
  const tools = element("div", { class: "mc-tools" }),
    foot = element("div", { class: "mc-foot" });
  const words = element("div", {}, element("h3", { text: title }), helping);
  const head = element("header", { class: "mc-head" }, words, tools);
  const body = element("div", { class: "mc-body" }, place, waiting);
  const root = element("section", { class: wide ? "mc-card mc-wide" : "mc-card" }, head, body, foot);
  /** @type {(pixels: number) => string} */
  const fit = (pixels) => (place.style.minHeight = `${pixels}px`);
  fit(height);
  return { root, body, place, note: waiting, help: helping, tools, foot, fit };
};

// The same with its chart: `draw()` draws `figure(size, run)`, which is null where there is nothing to draw.
/**
 * @param {Hub} hub @param {string} title @param {string} help @param {CardOptions} options
 * @param {FigureOf} figure @param {Listening} listening
 */
export const plotCard = (hub, title, help, options, figure, listening = {}) => {
  const card = chartCard(title, help, options);
  /** @type {Sized} */
  const made = (size) => (hub.run?.about ? figure(size, hub.run) : null);
  const plot = new Plot(card.place, made, { note: card.note, ...listening });
  return { ...card, plot, draw: () => plot.draw() };
};

// A row of buttons of which one is pressed. `options`: {value: label}.
/**
 * @template {string} V
 * @param {string} label
 * @param {Partial<Record<V, string>>} options
 * @param {string} chosen
 * @param {(value: V) => void} onChange
 */
export const choiceRow = (label, options, chosen, onChange) => {
  const root = element("div", { class: "mc-choice", role: "group", "aria-label": label });
  /** @type {(value: V) => void} */
  const press = (value) => {
    select(value);
    onChange(value);
  };
  const pairs = /** @type {[V, string][]} */ (Object.entries(options));
  const buttons = pairs.map(([value, text]) =>
    element("button", { type: "button", text, value, onclick: () => press(value) }),
  );
  /** @type {(value: string) => void} */
  const select = (value) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === value));
  };
  select(chosen);
  root.append(...buttons);
  return { root, select };
};

// A labelled <select>; `fill([[value, text]], chosen)` replaces its options; without `chosen` it keeps the choice where
// that still exists.
/** @param {string} label @param {(value: string) => void} onChange */
export const labelledMenu = (label, onChange) => {
  const select = element("select", { "aria-label": label, onchange: () => onChange(select.value) });
  const root = element("label", { class: "mc-menu" }, element("span", { text: label }), select);
  /** @type {(options: Choice[], chosen?: string) => void} */
  const fill = (options, chosen = select.value) => {
    const made = () => options.map(([value, shown]) => element("option", { value, text: shown }));
    keyed(select, JSON.stringify(options), made);
    if (options.some(([value]) => value === chosen)) select.value = chosen;
  };
  return { root, select, fill };
};

/** @type {(parts: Sign[]) => HTMLElement[]} */
export const legend = (parts) =>
  parts.map(([mark, text, role]) =>
    element(
      "span",
      { class: "mc-key" },
      element("i", { class: `mc-mark mc-${role}`, text: mark, "aria-hidden": "true" }),
      text,
    ),
  );

// Buttons that save the figure in a place: drawn by the browser's own Plotly, nothing leaves it.
/** @type {(place: HTMLElement, title: string, words?: string) => HTMLButtonElement[]} */
export const saveButtons = (place, title, words = "") => {
  /** @type {(format: string) => void} */
  const save = (format) => {
    const filename =
        title
          .replace(/[^A-Za-z0-9]+/g, "-")
          .replace(/^-|-$/g, "")
          .toLowerCase() || "mergescope",
      size = { width: place.clientWidth, height: place.clientHeight, scale: format === "png" ? 2 : 1 };
    Plotly.downloadImage(place, { format, filename, ...size }).catch(() =>
      toast("The picture could not be saved.", "error"),
    );
  };
  return ["SVG", "PNG"].map((format) => quiet(words + format, () => save(format.toLowerCase())));
};

// The slider through all steps: drag, arrow keys, Home and End, play; "follow live" while the run goes on.
/** @param {Hub} hub */
export const scrubber = (hub) => {
  const slider = element("input", {
    type: "range",
    min: "0",
    max: "0",
    value: "0",
    "aria-label": "Step",
    oninput: () => hub.setStep(numberAt(Number(slider.value))),
  });
  const shown = element("output", { class: "mc-step" });
  const play = element("button", { type: "button", class: "mc-play", onclick: () => (timer ? stop() : start()) });
  const follow = element("button", {
    type: "button",
    class: "mc-follow",
    onclick: () => {
      stop();
      hub.setStep(null);
    },
  });
  const root = element("div", { class: "mc-scrub" }, play, element("span", { text: "step" }), slider, shown, follow);
  let timer = 0;

  const frames = () => hub.run?.frames ?? [];
  /** @type {(place: number) => number} */
  const numberAt = (place) => frames()[place]?.number ?? 0;
  function start() {
    const from = hub.run?.place(hub.step) ?? 0;
    let place = from >= frames().length - 1 ? 0 : from;
    const jump = Math.max(1, Math.round(frames().length / 240));
    timer = setInterval(() => {
      place += jump;
      if (place >= frames().length - 1) {
        stop();
        hub.setStep(numberAt(frames().length - 1));
      } else hub.setStep(numberAt(place));
    }, 50);
    update();
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    update();
  }
  function update() {
    const run = hub.run,
      count = frames().length;
    // While steps are still to come it stands there already, so that nothing moves when they do.
    root.hidden = count < 2 && (!run?.hasCoefficients || run.ended);
    slider.disabled = play.disabled = count < 2;
    slider.max = String(Math.max(0, count - 1));
    slider.value = String(run ? run.place(hub.step) : 0);
    const number = numberAt(Number(slider.value));
    const words = number === run?.earlier ? `${number}, kept` : String(number);
    slider.setAttribute("aria-valuetext", `step ${words}`);
    shown.textContent = words;
    play.textContent = timer ? "❚❚" : "▶";
    play.setAttribute("aria-label", timer ? "Stop playing" : "Play all steps");
    const live = run && !run.ended;
    follow.hidden = !live && hub.step === null;
    follow.textContent = live
      ? hub.step === null
        ? "following live"
        : "follow live"
      : (run?.earlier ?? -1) < 0
        ? "last step"
        : "kept step";
    follow.setAttribute("aria-pressed", String(hub.step === null));
  }
  hub.on("change", update);
  hub.on("step", update);
  hub.on("run", () => {
    stop();
    update();
  });
  update();
  return { root, update };
};

// What page and charts share: elements, numbers, questions to the server, events.

/** @param {Child} child @returns {child is Node | string} */
const given = (child) => child !== null && child !== undefined && child !== false;

// Texts reach the page as text nodes only: names of tasks, runs and tensors come from files.
/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "text") made.textContent = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter(given));
  return made;
};

// Fills a place where `key` says that something else is to be seen.
/** @type {(place: HTMLElement, key: unknown, children: () => Child[]) => void} */
export const keyed = (place, key, children) => {
  const text = String(key);
  if (place.dataset.key === text) return;
  place.dataset.key = text;
  place.replaceChildren(...children().filter(given));
};

/** @type {(text: string, kind: string, onclick: () => unknown, attributes?: Attributes) => HTMLButtonElement} */
export const button = (text, kind, onclick, attributes = {}) =>
  element("button", { type: "button", class: `ms-button ${kind}`, text, onclick, ...attributes });
// The buttons on the cards of charts.
/** @type {(text: string, onclick: () => unknown, attributes?: Attributes) => HTMLButtonElement} */
export const quiet = (text, onclick, attributes = {}) =>
  element("button", { type: "button", class: "mc-quiet", text, onclick, ...attributes });
// An element that the page is sure to have.
/**
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
export const find = (root, selector, kind) => {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new TypeError(`Nothing fits ${selector}.`);
  return found;
};
// The elements of a template by selector.
/** @type {(root: ParentNode) => (selector: string) => HTMLElement} */
export const partsOf = (root) => (selector) => find(root, selector, HTMLElement);
// A <select> of [value, text] pairs; a value that is not among them is kept as it is.
/** @type {(choices: Choice[], value: string, onChange: (value: string) => void, attributes?: Attributes) => HTMLSelectElement} */
export const select = (choices, value, onChange, attributes = {}) => {
  const known = choices.some(([each]) => each === value) ? choices : [...choices, [value, value]];
  const options = known.map(([each, text]) => element("option", { value: each, text }));
  const made = element("select", { onchange: () => onChange(made.value), ...attributes }, ...options);
  made.value = value;
  return made;
};

/** @param {unknown} value @returns {value is number} */
export const isNumber = (value) => Number.isFinite(value);
// Plotly reads a few tags and entities in labels; a name must not become one.
/** @type {(text: string) => string} */
export const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** @type {(fraction: Maybe, digits?: number) => string} */
export const percent = (fraction, digits = 1) => (isNumber(fraction) ? `${(100 * fraction).toFixed(digits)} %` : "–");
/** @type {(fraction: Maybe) => string} */
export const points = (fraction) => {
  if (!isNumber(fraction)) return "–";
  return signed(100 * fraction, 1);
};
// No "−0.000", and a proper minus.
/** @type {(value: Maybe, digits?: number) => string} */
export const number = (value, digits = 3) => {
  if (!isNumber(value)) return "–";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
};
/** @type {(value: number, digits?: number) => string} */
export const signed = (value, digits = 3) =>
  (value > 0 && Number(value.toFixed(digits)) ? "+" : "") + number(value, digits);
/** @type {(seconds: Maybe) => string} */
export const duration = (seconds) => {
  if (!isNumber(seconds)) return "–";
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
};
/** @type {(value: Maybe) => string} */
export const megabytes = (value) => {
  if (!isNumber(value) || value <= 0) return "";
  return value >= 1000 ? `${(value / 1024).toFixed(1)} GB` : `${Math.round(value)} MB`;
};
/** @type {(text: string, length: number) => string} */
export const shorten = (text, length) => (text.length <= length ? text : `${text.slice(0, length - 1).trimEnd()}…`);

/** @type {(values: Iterable<Maybe>) => number} */
export const mean = (values) => {
  let sum = 0,
    count = 0;
  for (const value of values)
    if (isNumber(value)) {
      sum += value;
      count += 1;
    }
  return count ? sum / count : NaN;
};
/** @type {(sorted: number[], share: number) => number} */
export const quantile = (sorted, share) => {
  if (!sorted.length) return NaN;
  const place = (sorted.length - 1) * share,
    low = Math.floor(place),
    rest = place - low;
  return sorted[low] + (rest ? rest * (sorted[low + 1] - sorted[low]) : 0);
};

// A question to the server (dashboard/door.py). It never throws: what goes wrong is an answer too, and `later` says
// that asking again may help.
/** @type {<Q extends Question>(name: Q, args?: object) => Promise<Told<Q>>} */
export const ask = async (name, args = {}) => {
  const headers = { "content-type": "application/json" };
  try {
    const answer = await fetch(`ask/${name}`, { method: "POST", headers, body: JSON.stringify(args) });
    const told = await answer.json();
    if (answer.ok) return told;
    if (told.error) return { error: told.error, later: answer.status === 429 };
  } catch {
    // told below
  }
  return { error: "The server did not answer. It may have been stopped.", later: true };
};
// The same question until the answer is not pending; `alive()` false ends it with null, `pending(progress)` is told.
/**
 * @type {<Q extends Question>(
 *   name: Q, args: object, options?: { alive?: () => boolean, pending?: (progress: Progress) => void }
 * ) => Promise<Told<Q> | null>}
 */
export const askUntilAnswered = async (name, args, { alive = () => true, pending = () => {} } = {}) => {
  let failures = 0;
  for (let tries = 0; alive(); tries += 1) {
    const answer = await ask(name, tries ? { ...args, again: false } : args);
    if (!alive()) return null;
    failures = answer.later ? failures + 1 : 0;
    if (failures > 4 || (!answer.later && !answer.pending)) return answer;
    if (answer.pending) pending(answer.pending);
    const seconds = failures ? 2 ** failures : Math.min(2, 0.3 + 0.1 * tries);
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
  return null;
};

// Calls `work()` at once when told to, and again after the seconds that it says; null waits to be told. While the page
// is hidden nothing is asked.
/** @type {(work: () => Promise<number | null>) => () => void} */
export const poller = (work) => {
  let timer = 0,
    busy = false,
    again = false;
  const run = async () => {
    busy = true;
    again = false;
    const seconds = await work();
    busy = false;
    if (again) now();
    else if (seconds !== null) timer = setTimeout(rest, 1000 * seconds);
  };
  const rest = () => (document.hidden ? document.addEventListener("visibilitychange", now, { once: true }) : run());
  const now = () => {
    again = busy;
    if (busy) return;
    clearTimeout(timer);
    timer = setTimeout(run, 0);
  };
  return now;
};

// What this browser remembers; private mode remembers nothing.
/** @type {(name: string, value: string, where?: "localStorage" | "sessionStorage") => void} */
export const remember = (name, value, where = "localStorage") => {
  try {
    window[where].setItem(`mergescope.${name}`, value);
  } catch {
    // private mode, or too large
  }
};
/** @type {(name: string, where?: "localStorage" | "sessionStorage") => string} */
export const remembered = (name, where = "localStorage") => {
  try {
    return window[where].getItem(`mergescope.${name}`) || "";
  } catch {
    return "";
  }
};

// A tiny event emitter; `on` returns the function that takes the listener away again.
export class Emitter {
  constructor() {
    /** @type {Map<string, Set<(detail: any) => void>>} */
    this.listeners = new Map();
  }
  /** @type {(name: string, listener: (detail: any) => void) => () => void} */
  on(name, listener) {
    const those = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, those.add(listener));
    return () => those.delete(listener);
  }
  /** @type {(name: string, detail?: unknown) => void} */
  emit(name, detail) {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        console.error(error); // the others are told all the same
      }
    }
  }
}

// The one poller of a page: asks the source for what is new and tells every chart.
import { Emitter, poller } from "./base.js";
import { Run } from "./run.js";

const LONGEST_WAIT = 15;
const KNOWN_RUNS = 4;

export class Hub extends Emitter {
  /** @param {Source} source @param {number} seconds */
  constructor(source, seconds = 0.7) {
    super();
    this.source = source;
    this.seconds = seconds;
    this.runs = /** @type {Map<string, Run>} */ (new Map());
    this.id = "";
    this.other = ""; // the run that the current one is compared with
    this.step = /** @type {number | null} */ (null); // null: follow the newest
    this.views = /** @type {Set<HTMLElement>} */ (new Set());
    this.poll = poller(() => this._tick());
    this.failures = 0;
    this.trouble = "";
    this.status = /** @type {Listed | null} */ (null); // what the list of runs says of it
    this.known = /** @type {boolean | undefined} */ (undefined); // whether that list is known
    this.toSetup = /** @type {(() => void) | null} */ (null); // leads to Set up, where there is one
    document.addEventListener("visibilitychange", () => this.wake());
  }

  get run() {
    return this.runs.get(this.id) ?? null;
  }
  get second() {
    return this.runs.get(this.other) ?? null;
  }

  /** @param {string | null} id */
  show(id) {
    if (id === this.id) return;
    this.id = id || "";
    this.other = "";
    this.step = null;
    this._open(this.id);
    this.emit("run", this.run);
    this.wake();
  }

  /** @param {string} id */
  compare(id) {
    this.other = id && id !== this.id ? id : "";
    this._open(this.other);
    this.emit("change", { run: this.run });
    this.wake();
  }

  // The newest step of a run that goes on means: follow it. A step may be asked for before it has arrived.
  /** @param {number | null} step */
  setStep(step) {
    const run = this.run,
      newest = run?.frames.length && !run.ended ? run.last : Infinity;
    const wanted = step === null || step >= newest ? null : Math.max(0, step);
    if (wanted === this.step) return;
    this.step = wanted;
    this.emit("step", this.step);
  }

  // A run that had ended goes on (resumed), or anything else that makes the present knowledge stale.
  poke(id = this.id) {
    const run = this.runs.get(id);
    if (run) run.complete = false;
    this.wake();
  }

  // `view` is an element; while none is laid out, nothing is asked.
  /** @param {HTMLElement} view */
  attach(view) {
    this.views.add(view);
    new ResizeObserver(() => this.wake()).observe(view);
    this.wake();
  }

  watched() {
    for (const view of this.views) if (!view.isConnected) this.views.delete(view);
    return !document.hidden && [...this.views].some((view) => view.offsetParent !== null);
  }

  // While the server does not answer, the next question is due later anyway.
  wake() {
    if (!this.failures) this.poll();
  }

  /** @param {string} id */
  _open(id) {
    if (!id) return;
    const run = this.runs.get(id) ?? new Run(id);
    this.runs.delete(id); // the newest last: the oldest is forgotten first
    this.runs.set(id, run);
    for (const known of this.runs.keys()) {
      if (this.runs.size > KNOWN_RUNS && known !== this.id && known !== this.other) this.runs.delete(known);
    }
  }

  // Seconds until the next question; null until something wakes it: a resize, a visible tab, a chosen run.
  async _tick() {
    const open = () => [this.run, this.second].flatMap((run) => (run && !run.complete ? [run] : []));
    if (!this.watched()) {
      this.failures = 0;
      return null;
    }
    let more = false;
    try {
      for (const run of open()) more = (await this._ask(run)) || more;
      this._recovered();
    } catch (error) {
      this.failures += 1;
      this.trouble = error instanceof Error ? error.message : String(error);
      this.emit("trouble", this.trouble);
    }
    if (more) return 0;
    return open().length ? Math.min(LONGEST_WAIT, this.seconds * 2 ** this.failures) : null;
  }

  _recovered() {
    const were = this.trouble;
    this.failures = 0;
    this.trouble = "";
    if (were) this.emit("trouble", "");
  }

  /** @param {Run} run */
  async _ask(run) {
    if (!run.about) run.describe(checked(await this.source.describe({ run: run.id })));
    const asked = performance.now();
    const answer = checked(
      await this.source.history({
        run: run.id,
        since: run.cursor,
        stride: run.stride,
        seen: run.seen,
        known: run.hasCoefficients,
      }),
    );
    timing.answered = performance.now();
    timing.asked = asked;
    if (run.ingest(answer)) this.emit("change", { run });
    return answer.more;
  }
}

/** @type {<T extends { error?: string }>(answer: T) => T} */
const checked = (answer) => {
  if (!answer || answer.error) throw new Error(answer?.error ?? "The server gave no answer.");
  return answer;
};

// When the last answer came, and when charts were painted: read by the benchmark and by the browser tests.
export const timing = {
  asked: 0,
  answered: 0,
  paints: /** @type {{ answered: number, start: number, end: number }[]} */ ([]),
};

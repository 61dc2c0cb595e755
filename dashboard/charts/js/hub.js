// The one poller of a page: asks the source for what is new and tells every chart.
//
// A source is {describe(args), history(args)}, both asynchronous: Gradio's `server`, or data inside an exported file.
(() => {
  "use strict";
  const charts = window.mergescope.charts;
  const LONGEST_WAIT = 15;
  const KNOWN_RUNS = 4;

  charts.Hub = class extends charts.Emitter {
    constructor(source, seconds = 0.7) {
      super();
      this.source = source;
      this.seconds = seconds;
      this.runs = new Map();
      this.id = "";
      this.other = ""; // the run that the current one is compared with
      this.step = null; // null: follow the newest
      this.views = new Set();
      this.timer = 0;
      this.busy = false;
      this.again = false; // woken while busy
      this.failures = 0;
      this.trouble = "";
      document.addEventListener("visibilitychange", () => this.wake());
    }

    get run() {
      return this.runs.get(this.id) ?? null;
    }
    get second() {
      return this.runs.get(this.other) ?? null;
    }

    show(id) {
      if (id === this.id) return;
      this.id = id || "";
      this.other = "";
      this.step = null;
      this._open(this.id);
      this.emit("run", this.run);
      this.wake();
    }

    compare(id) {
      this.other = id && id !== this.id ? id : "";
      this._open(this.other);
      this.emit("change", { run: this.run });
      this.wake();
    }

    // The newest step of a run that goes on means: follow it. A step may be asked for before it has arrived.
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
    attach(view) {
      this.views.add(view);
      new ResizeObserver(() => this.wake()).observe(view);
      this.wake();
    }

    watched() {
      for (const view of this.views) if (!view.isConnected) this.views.delete(view);
      return !document.hidden && [...this.views].some((view) => view.offsetParent !== null);
    }

    wake() {
      this.again = this.busy;
      if (this.busy) return;
      clearTimeout(this.timer);
      if (this.failures === 0) this.timer = setTimeout(() => this._tick(), 0);
      else this._later();
    }

    _later() {
      const wait = Math.min(LONGEST_WAIT, this.seconds * 2 ** this.failures);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this._tick(), 1000 * wait);
    }

    _open(id) {
      if (!id) return;
      const run = this.runs.get(id) ?? new charts.Run(id);
      this.runs.delete(id); // the newest last: the oldest is forgotten first
      this.runs.set(id, run);
      for (const known of this.runs.keys()) {
        if (this.runs.size > KNOWN_RUNS && known !== this.id && known !== this.other) this.runs.delete(known);
      }
    }

    async _tick() {
      if (this.busy || !this.watched()) return; // a resize, a visible tab or a chosen run wakes it again
      const wanted = [this.run, this.second].filter((run) => run && !run.complete);
      if (!wanted.length) return;
      this.busy = true;
      let more = false;
      try {
        for (const run of wanted) more = (await this._ask(run)) || more;
        this._recovered();
      } catch (error) {
        this.failures += 1;
        this.trouble = error instanceof Error ? error.message : String(error);
        this.emit("trouble", this.trouble);
      } finally {
        this.busy = false;
      }
      if (more || this.again) this.wake();
      else if (this.failures || [this.run, this.second].some((run) => run && !run.complete)) this._later();
    }

    _recovered() {
      const were = this.failures;
      this.failures = 0;
      this.trouble = "";
      if (were) this.emit("trouble", "");
    }

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
      charts.timing.answered = performance.now();
      charts.timing.asked = asked;
      if (run.ingest(answer)) this.emit("change", { run });
      return answer.more;
    }
  };

  const checked = (answer) => {
    if (!answer || answer.error) throw new Error(answer?.error ?? "The server gave no answer.");
    return answer;
  };

  // When the last answer came, and when charts were painted: read by the benchmark and by the browser tests.
  charts.timing = { asked: 0, answered: 0, paints: [] };
})();

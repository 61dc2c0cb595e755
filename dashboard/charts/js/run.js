// One run as the browser knows it: its description, and every step received so far. No drawing, no network.
import { mean } from "./base.js";
import { addHalves, decodeFloats, decodeHalves, fromHalf } from "./decode.js";
import { ACTIVE } from "./given.js";

const CAPACITY = 1000; // frames kept; past it every second one is dropped, so memory and scrubbing stay bounded

export class Run {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.about = /** @type {Told<"describe"> | null} */ (null); // the description: title, tasks, marks, …
    this.columns = /** @type {Tensor[]} */ ([]); // in the order of depth
    this.origin = /** @type {Float32Array | null} */ (null); // λ of the first step, task-major
    this.frames = /** @type {Frame[]} */ ([]);
    this.steps = /** @type {Step[]} */ ([]);
    this.evaluations = /** @type {Evaluation[]} */ ([]);
    this.between = /** @type {([number, number] | null)[]} */ ([]); // where an accuracy lies that nobody measured
    this.agreements = /** @type {Agreement[]} */ ([]);
    this.kept = /** @type {number | null} */ (null); // the step whose model a finished run kept
    this.marks = /** @type {Record<string, Mark[]>} */ ({});
    this.notices = /** @type {Told<"history">["notices"]} */ ([]);
    this.status = "";
    this.elapsed = 0;
    this.memory = /** @type {number | null} */ (null);
    this.failure = /** @type {string | null} */ (null);
    this.device = "";
    this.precision = "";
    this.stepsDone = 0;
    this.total = 0;
    this.cursor = -1;
    this.seen = 0; // evaluations known
    this.stride = 1;
    this.range = /** @type {[number, number]} */ ([Infinity, -Infinity]); // of λ over all steps
    this.reach = 0; // largest change of any λ since the first step
    this.hasLoss = false; // the objective is not the entropy itself
    this.complete = false;
    this.asked = false; // twice for everything
  }

  /** @returns {Task[]} */
  get tasks() {
    return this.about?.tasks ?? [];
  }
  get ended() {
    return Boolean(this.status) && !ACTIVE.includes(this.status);
  }
  get last() {
    return this.frames.length ? this.frames[this.frames.length - 1].number : -1;
  }
  // The step that is kept, where a later one was made; null otherwise.
  get earlier() {
    return this.kept !== null && this.kept < this.stepsDone ? this.kept : null;
  }
  get hasCoefficients() {
    return this.origin !== null && this.columns.length > 0;
  }

  /** @param {Told<"describe">} about */
  describe(about) {
    this.about = about;
    this.status = about.status;
  }

  // Take in the answer of one poll. Returns true where something changed.
  /** @param {Told<"history">} answer */
  ingest(answer) {
    const before = this._signature();
    Object.assign(this, {
      status: answer.status,
      stepsDone: answer.steps_done,
      kept: answer.kept,
      total: answer.steps,
      memory: answer.memory,
      elapsed: answer.elapsed,
      failure: answer.failure,
      device: answer.device,
      precision: answer.precision,
      marks: answer.marks,
      notices: answer.notices,
      stride: Math.max(this.stride, answer.stride),
    });
    if (answer.columns && answer.origin) {
      this.columns = answer.columns.map(([name, label, block, kind]) => ({ name, label, block, kind }));
      this.origin = decodeFloats(answer.origin);
      this.frames = [];
      this.stretch(this.origin);
    }
    this._settle(answer);
    this._scalars(answer);
    this._coefficients(answer);
    while (Math.max(this.frames.length, this.steps.length) > CAPACITY) this._thin();
    if (answer.seen !== this.seen) {
      this.evaluations = answer.evaluations;
      this.agreements = answer.agreements;
    }
    this.between = /** @type {Run["between"]} */ (answer.between ?? []);
    this.seen = answer.seen;
    this.cursor = answer.cursor;
    this.complete = this.ended && !answer.more;
    if (this.complete && this.frames.length && this.frames[this.place(null)].number !== (this.earlier ?? this.last))
      this._again();
    return before !== this._signature();
  }

  // A long run was thinned before it was known which step is kept: everything is asked for once more.
  _again() {
    if (this.asked) return;
    Object.assign(this, { asked: true, complete: false, cursor: -1 });
  }

  _signature() {
    return JSON.stringify([this.status, this.stepsDone, this.cursor, this.seen, this.marks, this.notices]);
  }

  /** @param {Told<"history">} answer */
  _scalars(answer) {
    const tasks = this.tasks.length,
      entropy = decodeFloats(answer.entropies);
    const loss = answer.losses ? decodeFloats(answer.losses) : entropy;
    this.hasLoss = this.hasLoss || Boolean(answer.losses);
    answer.numbers.forEach((number, place) => {
      /** @type {(values: Float32Array) => Float32Array} */
      const part = (values) => values.subarray(place * tasks, (place + 1) * tasks);
      this.steps.push({ number, seconds: answer.seconds[place], entropy: part(entropy), loss: part(loss) });
    });
  }

  /** @param {Told<"history">} answer */
  _coefficients(answer) {
    const { origin } = this;
    if (!answer.frames.length || !origin) return;
    const size = origin.length,
      halves = decodeHalves(answer.coefficients);
    answer.frames.forEach((number, place) => {
      const own = halves.slice(place * size, (place + 1) * size);
      this.frames.push({ number, halves: own });
      this.stretch(addHalves(origin, own));
    });
  }

  // The newest step is always shown, kept only where it is a multiple of the stride.
  /** @param {Told<"history">} answer */
  _settle(answer) {
    if (!answer.numbers.length) return;
    for (const list of [this.steps, this.frames]) {
      if (list.length && answer.numbers[0] <= list[0].number) list.length = 0;
      const newest = list[list.length - 1];
      if (newest && newest.number % this.stride && newest.number !== this.kept) list.pop();
    }
  }

  _thin() {
    this.stride *= 2;
    /** @type {(one: { number: number }, place: number, list: unknown[]) => boolean} */
    const keep = ({ number }, place, list) =>
      number % this.stride === 0 || number === this.kept || place === list.length - 1;
    this.frames = this.frames.filter(keep);
    this.steps = this.steps.filter(keep);
  }

  // The range of λ only grows, so the colours of a live chart do not flicker.
  /** @param {Float32Array} values */
  stretch(values) {
    let [low, high] = this.range,
      reach = this.reach;
    const origin = this.origin ?? values;
    values.forEach((value, place) => {
      if (value < low) low = value;
      if (value > high) high = value;
      reach = Math.max(reach, Math.abs(value - origin[place]));
    });
    this.range = /** @type {Run["range"]} */ ([low, high]);
    this.reach = reach;
  }

  // Index of the newest frame whose number is at most `step`; null means the model that the run has: the step that it
  // kept, or the newest.
  /** @param {number | null} step */
  place(step) {
    step ??= this.earlier ?? Infinity;
    let low = 0,
      high = this.frames.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.frames[middle].number <= step) low = middle;
      else high = middle - 1;
    }
    return high;
  }

  // λ at a step as Float32Array, task-major: values[task * columns + column]; null before the first frame.
  /** @param {number | null} step */
  values(step) {
    const frame = this.frames[this.place(step)];
    if (frame && this.origin) return addHalves(this.origin, frame.halves);
    return this.origin;
  }

  // λ of one cell over all steps.
  /** @type {(task: number, columns: number[]) => Track} */
  track(task, columns) {
    const x = [],
      y = [],
      width = this.columns.length,
      origin = this.origin ?? [];
    for (const frame of this.frames) {
      let sum = 0;
      for (const column of columns) {
        const place = task * width + column;
        sum += origin[place] + fromHalf(frame.halves[place]);
      }
      x.push(frame.number);
      y.push(sum / columns.length);
    }
    return { x, y };
  }

  // The evaluation that holds at a step: the newest one not after it; null as in `place`.
  /** @param {number | null} step */
  evaluation(step) {
    const upTo = step ?? this.earlier ?? Infinity;
    return this.evaluations.filter((one) => one.step <= upTo).pop() ?? null;
  }

  // Seconds per step, averaged over the last 20.
  get pace() {
    const recent = this.steps.slice(-20).filter((step) => step.number > 0 && step.seconds > 0);
    return recent.length ? mean(recent.map((step) => step.seconds)) : NaN;
  }
}

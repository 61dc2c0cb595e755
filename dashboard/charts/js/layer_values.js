// What the map of layers shows: λ, its change, or the difference to another run, and the scale it is drawn in.
import { PICK } from "./catalogue.js";
import { applyEdits } from "./edits.js";
import { limits } from "./look.js";
import { align, groupsOf, subtract } from "./matrix.js";

/** @type {(run: Run, state: LayersState) => Group[]} */
export const layerGroups = (run, state) => groupsOf(run.columns, state.detail);
/** @type {(run: Run | null, state: LayersState) => Group | null} */
export const chosenGroup = (run, { cell, detail }) =>
  run && cell ? (groupsOf(run.columns, detail).find((group) => group.key === cell.key) ?? null) : null;

// λ at the chosen step, with the changes of the what-if where there are some.
/** @type {(hub: Hub, state: LayersState) => Float32Array | null | undefined} */
export const shownValues = (hub, state) => {
  const { run } = hub,
    values = run?.values(hub.step);
  return run && values && state.edits.length ? applyEdits(values, run, state.edits) : values;
};

/** @type {(hub: Hub, state: LayersState) => Run | null} */
const compared = (hub, state) => (state.show === "other" && hub.second?.frames.length ? hub.second : null);
// λ of the run that is compared with, at the same step, in this run's tasks and columns; null without one.
/** @type {(hub: Hub, state: LayersState) => Float32Array | null} */
const others = (hub, state) => {
  const second = compared(hub, state),
    values = second?.values(hub.step);
  return second && values && hub.run ? align(second, values, hub.run) : null;
};

// {values, unit, range | span} of the map, and of the map of the other run below it (null where there is none).
/** @typedef {Scale & { values: Float32Array }} Values */
/** @type {(hub: Hub, state: LayersState) => Values | null} */
export const layerValues = (hub, state) => {
  const { run } = hub,
    values = shownValues(hub, state);
  if (!run?.origin || !values) return null;
  if (state.show === "start") return signed(subtract(values, run.origin), run.reach);
  const other = state.pair === "difference" ? others(hub, state) : null;
  if (other) return signed(subtract(values, other), 0);
  return { values, unit: "λ", range: range(hub, state, values) };
};
/** @type {(hub: Hub, state: LayersState) => Values | null} */
export const otherValues = (hub, state) => {
  if (state.pair !== "side" || !hub.run?.hasCoefficients) return null;
  const values = others(hub, state),
    shown = shownValues(hub, state);
  if (!values || !shown) return null;
  return { values, unit: "λ", range: range(hub, state, shown) };
};

// Around zero, at least as far as `reach`, so that the colours of a scrubbed run do not flicker.
/** @type {(values: Float32Array, reach: number) => Values} */
function signed(values, reach) {
  const most = values.reduce((far, value) => (Number.isFinite(value) ? Math.max(far, Math.abs(value)) : far), reach);
  return { values, unit: "Δλ", span: limits(0, most, 0.02, 0.02)[1] };
}

// That of all steps, of both runs, and of what was changed by hand.
/** @type {(hub: Hub, state: LayersState, values: Float32Array) => number[]} */
function range(hub, state, values) {
  const edited = state.edits.length ? values : new Float32Array();
  const known = [hub.run, compared(hub, state)].flatMap((run) => run?.range ?? []);
  const low = edited.reduce((least, value) => Math.min(least, value), Math.min(...known));
  const high = edited.reduce((most, value) => Math.max(most, value), Math.max(...known));
  return limits(low, high);
}

/** @type {(hub: Hub, state: LayersState) => string} */
export const layerWords = (hub, state) => {
  if (state.edits.length) return "with your changes";
  if (state.show === "start") return "what learning changed";
  const second = compared(hub, state);
  if (second && state.pair === "difference") return `this run minus ${second.about?.name}`;
  return PICK;
};

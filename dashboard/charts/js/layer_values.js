// What the map of layers shows: λ, its change, or the difference to another run, and the scale it is drawn in.
import { applyEdits } from "./edits.js";
import { limits } from "./look.js";
import { align, groupsOf, subtract } from "./matrix.js";

export const layerGroups = (run, state) => groupsOf(run.columns, state.detail);
export const chosenGroup = (run, state) =>
  run && state.cell ? (layerGroups(run, state).find((group) => group.key === state.cell.key) ?? null) : null;

// λ at the chosen step, with the changes of the what-if where there are some.
export const shownValues = (hub, state) => {
  const values = hub.run?.values(hub.step);
  return values && state.edits.length ? applyEdits(values, hub.run, state.edits) : values;
};

// λ of the run that is compared with, at the same step, in this run's tasks and columns.
const others = (hub) => align(hub.second, hub.second.values(hub.step), hub.run);
const compared = (hub, state) => state.show === "other" && Boolean(hub.second?.frames.length);

// {values, unit, range | span} of the map, and of the map of the other run below it (null where there is none).
export const layerValues = (hub, state) => {
  const values = shownValues(hub, state);
  if (state.show === "start") return signed(subtract(values, hub.run.origin), hub.run.reach);
  if (compared(hub, state) && state.pair === "difference") return signed(subtract(values, others(hub)), 0);
  return { values, unit: "λ", range: range(hub, state, values) };
};
export const otherValues = (hub, state) => {
  if (!compared(hub, state) || state.pair !== "side" || !hub.run?.hasCoefficients) return null;
  return { values: others(hub), unit: "λ", range: range(hub, state, shownValues(hub, state)) };
};

// Around zero, at least as far as `reach`, so that the colours of a scrubbed run do not flicker.
function signed(values, reach) {
  const most = values.reduce((far, value) => (Number.isFinite(value) ? Math.max(far, Math.abs(value)) : far), reach);
  return { values, unit: "Δλ", span: limits(0, most, 0.02, 0.02)[1] };
}

// That of all steps, of both runs, and of what was changed by hand.
function range(hub, state, values) {
  const edited = state.edits.length ? values : [];
  const known = [hub.run.range, compared(hub, state) ? hub.second.range : hub.run.range].flat();
  const low = edited.reduce((least, value) => Math.min(least, value), Math.min(...known));
  const high = edited.reduce((most, value) => Math.max(most, value), Math.max(...known));
  return limits(low, high);
}

export const layerWords = (hub, state) => {
  if (state.edits.length) return "with your changes";
  if (state.show === "start") return "what learning changed";
  if (compared(hub, state) && state.pair === "difference") return `this run minus ${hub.second.about.name}`;
  return "click a cell to follow it";
};

// What the tests of the charts call by name, in a page that has nothing else; see `blank` in conftest.py.
import { accuracyFigure, accuracyOverSteps, agreementByTask } from "../../dashboard/charts/js/accuracy.js";
import { cellFigure } from "../../dashboard/charts/js/cell.js";
import { decodeHalves, fromHalf } from "../../dashboard/charts/js/decode.js";
import { applyEdits } from "../../dashboard/charts/js/edits.js";
import { runState } from "../../dashboard/charts/js/facts.js";
import { palette } from "../../dashboard/charts/js/given.js";
import { runMap } from "../../dashboard/charts/js/heatmap.js";
import { Hub } from "../../dashboard/charts/js/hub.js";
import { layers } from "../../dashboard/charts/js/layers.js";
import { agreementFigure, entropyFigure, taskwiseFigure } from "../../dashboard/charts/js/lines.js";
import { live } from "../../dashboard/charts/js/live.js";
import { briefBlock, coloured, endLabels, limits } from "../../dashboard/charts/js/look.js";
import { align, groupsOf, subtract } from "../../dashboard/charts/js/matrix.js";
import { doing } from "../../dashboard/charts/js/progress.js";
import { Run } from "../../dashboard/charts/js/run.js";
import { embedded } from "../../dashboard/static_export/embedded.js";

const figures = {
  accuracyFigure,
  accuracyOverSteps,
  agreementByTask,
  agreementFigure,
  cellFigure,
  entropyFigure,
  runMap,
  taskwiseFigure,
};
const numbers = { align, applyEdits, fromHalf, groups: groupsOf, halves: decodeHalves, limits, subtract };
const views = { briefBlock, coloured, doing, embedded, endLabels, Hub, layers, live, palette, Run, runState };
window.mergescope = { charts: { ...figures, ...numbers, ...views } };

// Changes to λ for a what-if, applied in the browser for the preview; the server applies the same to the exact values.
import { number } from "./base.js";

// An edit is {task, where, op, value}: `task` a name or "", `where` "" | "block:…" | "kind:…" | "column:…".
/** @type {(values: Float32Array, run: Run, edits: Edit[]) => Float32Array} */
export const applyEdits = (values, run, edits) => {
  const edited = Float32Array.from(values),
    width = run.columns.length;
  for (const edit of edits) {
    run.tasks.forEach((task, row) => {
      if (edit.task && edit.task !== task.name) return;
      run.columns.forEach((column, place) => {
        if (!covers(edit.where, column)) return;
        const at = row * width + place;
        if (edit.op === "set") edited[at] = edit.value;
        else if (edit.op === "scale") edited[at] *= edit.value;
        else edited[at] += edit.value;
      });
    });
  }
  return edited;
};

/** @type {(where: string, column: Tensor) => boolean} */
function covers(where, column) {
  if (!where) return true;
  const cut = where.indexOf(":"),
    kind = where.slice(0, cut),
    name = where.slice(cut + 1);
  return name === { block: column.block, kind: column.kind, column: column.name }[kind];
}

/** @type {(edit: Edit, run: Run) => string} */
export const editWords = (edit, run) => {
  const task = edit.task ? (run.tasks.find((one) => one.name === edit.task)?.title ?? edit.task) : "all tasks";
  const name = edit.where.slice(edit.where.indexOf(":") + 1);
  const column = edit.where.startsWith("column:") ? run.columns.find((one) => one.name === name) : null;
  const place = column ? `${column.block} ${column.label}` : edit.where ? name : "all layers";
  const value = number(edit.value, 3).replace(/\.?0+$/, "");
  const change = { set: `λ = ${value}`, scale: `λ × ${value}`, add: `λ ${edit.value < 0 ? "" : "+"}${value}` }[edit.op];
  return `${task}, ${place}: ${change}`;
};

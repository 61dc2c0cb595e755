// λ as a matrix tasks × columns, at the detail a person wants: one column a tensor, a block, or a tensor kind.
import { mean } from "./base.js";
import { themeColours } from "./look.js";

/** @type {(columns: Tensor[], detail: Detail) => Group[]} */
export const groupsOf = (columns, detail) => {
  if (detail === "tensor") {
    const seen = new Set();
    return columns.map((column, index) => {
      const label = column.label === column.block ? column.block : `${column.block} · ${column.label}`;
      const key = seen.has(label) ? column.name : label;
      seen.add(key);
      return { ...column, key, label: column.label, members: [index] };
    });
  }
  const made = /** @type {Map<string, Group>} */ (new Map());
  columns.forEach((column, index) => {
    const key = column[detail];
    const block = detail === "block" ? key : "";
    /** @type {Group} */
    const group = made.get(key) ?? { key, name: key, label: key, block, kind: column.kind, members: [] };
    made.set(key, group);
    group.members.push(index);
    if (detail === "block" && group.kind !== column.kind) group.kind = "mixed";
  });
  const groups = [...made.values()];
  const order = Object.keys(themeColours().kinds);
  if (detail === "kind") groups.sort((left, right) => order.indexOf(left.key) - order.indexOf(right.key));
  return groups;
};

// Mean over each group's members; rows are tasks. `values` is task-major.
/** @type {(values: Float32Array, taskCount: number, groups: Group[]) => Float32Array[]} */
export const groupMatrix = (values, taskCount, groups) => {
  const width = values.length / taskCount,
    rows = [];
  const identity = groups.length === width;
  for (let task = 0; task < taskCount; task += 1) {
    const row = values.subarray(task * width, (task + 1) * width);
    if (identity && groups.every((group, place) => group.members[0] === place)) {
      rows.push(row);
      continue;
    }
    rows.push(Float32Array.from(groups, (group) => mean(group.members.map((member) => row[member]))));
  }
  return rows;
};

/** @type {(left: Float32Array, right: Float32Array) => Float32Array} */
export const subtract = (left, right) => left.map((value, place) => value - right[place]);

// λ of `run` brought to the tasks and columns of `like`, by name; NaN where `run` has no such cell.
/** @type {(run: Run, values: Float32Array, like: Run) => Float32Array} */
export const align = (run, values, like) => {
  const width = run.columns.length,
    place = new Map(run.columns.map((column, index) => [column.name, index]));
  const byBlock = new Map(run.columns.map((column, index) => [column.block, index]));
  const aligned = new Float32Array(like.tasks.length * like.columns.length).fill(NaN);
  like.tasks.forEach((task, row) => {
    const from = run.tasks.findIndex((one) => one.name === task.name);
    if (from < 0) return;
    like.columns.forEach((column, index) => {
      // A coarser run (one λ a block, or one a task) still has a value for every tensor.
      const at =
        place.get(column.name) ?? (coarse(run) ? (byBlock.get(column.block) ?? byBlock.get("all")) : undefined);
      if (at !== undefined) aligned[row * like.columns.length + index] = values[from * width + at];
    });
  });
  return aligned;
};

/** @type {(run: Run) => boolean} */
const coarse = (run) => run.columns.every((column) => column.name === column.block);

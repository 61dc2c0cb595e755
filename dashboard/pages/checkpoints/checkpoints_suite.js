// The page "Checkpoints": the suite that is being put together. The draft is what the suite file will say.
// A draft as the files' names suggest it.
import { button, element, select } from "../../charts/js/base.js";
import { finding, heading, line, note } from "../../js/pieces.js";
import { CLASSIFIER, ENCODERS } from "./checkpoints_files.js";
import { benchCard, benchTable, labelled, textInput } from "./checkpoints_parts.js";

/** @type {(scan: Scan) => Draft} */
export const suggestedDraft = (scan) => {
  /** @type {(path: string) => ScanFile | undefined} */
  const by = (path) => scan.checkpoints.find((one) => one.path === path);
  const base = by(scan.suggested.base),
    name = scan.root.split(/[\\/]/).filter(Boolean).pop() || "mine";
  return {
    name:
      name
        .toLowerCase()
        .replace(/[^a-z0-9_.-]+/g, "-")
        .replace(/^[^a-z0-9]+/, "")
        .slice(0, 40) || "mine",
    title: "",
    base: scan.suggested.base,
    arch: archOf(scan, base),
    tasks: scan.suggested.tasks.map((task) => newTask(scan, task)),
  };
};
/** @type {(scan: Scan, task?: Partial<ScanTask>) => DraftTask} */
const newTask = (scan, { name = "", expert = "", head = "", images = "" } = {}) => ({
  name,
  expert,
  head,
  images,
  ...classesOf(scan, images, expert),
  prompts: "",
  templates: "a photo of a {}.",
});
/** @type {(scan: Scan, base?: ScanFile) => string} */
const archOf = (scan, base) => base?.architectures[0] || scan.configurations[0]?.path || "";
// Class folders of the images, and the names that begin with: theirs, or those that the expert's head was trained for.
/** @type {(scan: Scan, images: string, expert: string) => { folders: string[], classes: string }} */
function classesOf(scan, images, expert) {
  const folders = scan.images.find((one) => one.path === images)?.classes || [],
    labels = scan.checkpoints.find((one) => one.path === expert)?.labels || [];
  return { folders, classes: (folders.length ? folders : labels).join("\n") };
}
// Whether experts are classifiers, whose heads were trained, and no text tower makes any.
/** @type {(draft: Draft, scan: Scan | null) => boolean} */
const trained = (draft, scan) => scan?.checkpoints.find((one) => one.path === draft.base)?.kind === CLASSIFIER;

// The file of weights that was chosen, as the suite file names it.
/** @type {(scan: Scan | null, path: string) => object} */
const chosen = (scan, path) => {
  const { weights, prefix } = scan?.checkpoints.find((one) => one.path === path) ?? { weights: path, prefix: "" };
  return { weights, prefix };
};
// What the server takes.
/** @type {(draft: Draft, scan: Scan | null) => object} */
export const plainDraft = (draft, scan) => ({
  name: draft.name.trim(),
  title: draft.title.trim(),
  base: { arch: draft.arch.trim(), ...chosen(scan, draft.base) },
  tasks: draft.tasks.map((task) => {
    /** @type {(text: string) => string[]} */
    const lines = (text) =>
      text
        .split("\n")
        .map((each) => each.trim())
        .filter(Boolean);
    const names = lines(task.classes),
      kind = scan?.images.find((one) => one.path === task.images)?.kind || "folder";
    const same = names.length === task.folders.length;
    const classes =
      same && names.length ? Object.fromEntries(task.folders.map((folder, index) => [folder, names[index]])) : names;
    return {
      name: task.name.trim(),
      expert: task.expert ? chosen(scan, task.expert) : null,
      head: task.head,
      data: { kind, path: task.images },
      classes,
      templates: trained(draft, scan) ? null : task.prompts ? { set: task.prompts } : lines(task.templates),
    };
  }),
});

/** @type {(state: BenchState, draft: Draft, act: BenchAct) => HTMLElement} */
export const editor = (state, draft, act) => {
  const { scan } = state,
    keep = act.keep;
  /** @type {Choice[]} */
  const encoders = scan.checkpoints.filter((one) => ENCODERS.includes(one.kind)).map((one) => [one.path, one.name]);
  /** @type {Choice[]} */
  const heads = scan.checkpoints.filter((one) => one.kind === "classification head").map((one) => [one.path, one.name]);
  /** @type {Choice[]} */
  const images = scan.images.map((one) => [one.path, one.name]);
  const base = select([["", "choose the base"], ...encoders], draft.base, (value) => {
    draft.base = value;
    draft.arch =
      archOf(
        scan,
        scan.checkpoints.find((one) => one.path === value),
      ) || draft.arch;
    act.redraw();
  });
  const own = trained(draft, scan),
    fitting = scan.checkpoints.find((one) => one.path === draft.base)?.architectures || [];
  const options = element(
    "datalist",
    { id: "ms-bench-archs" },
    ...[...fitting, ...scan.configurations.map((one) => one.path)].map((value) => element("option", { value })),
  );
  /** @type {(what: Record<string, unknown>, name: string) => (value: string) => void} */
  const set = (what, name) => (value) => {
    what[name] = value;
    keep();
  };
  const arch = textInput(draft.arch, "ViT-B-32-quickgelu", set(draft, "arch"), { list: options.id });
  /** @type {(...children: Child[]) => HTMLElement} */
  const grid = (...fields) => element("div", { class: "ms-fields" }, ...fields);

  /** @type {(task: DraftTask, index: number) => HTMLElement} */
  function taskCard(task, index) {
    const name = textInput(task.name, "name of the task", set(task, "name"), {
      "aria-label": `Name of task ${index + 1}`,
    });
    const remove = button(
      "Remove",
      "",
      () => {
        draft.tasks.splice(index, 1);
        act.redraw();
      },
      { "aria-label": `Remove task ${task.name || index + 1}` },
    );
    /** @type {Choice[]} */
    const choices = [
      ["", "my own"],
      ...state.prompts.map(
        (one) => /** @type {Choice} */ ([one.name, `${one.title} (${one.classes} classes, published)`]),
      ),
    ];
    const order = task.folders.length
      ? `in the order of the folders: ${task.folders.slice(0, 5).join(", ")}${task.folders.length > 5 ? ", …" : ""}`
      : "in the order of the labels";
    return element(
      "fieldset",
      { class: "ms-bench-task" },
      element("legend", { class: "ms-hidden-text", text: `Task ${index + 1}` }),
      line(name, remove),
      grid(
        labelled("Expert", select([["", "none (an unseen task)"], ...encoders], task.expert, set(task, "expert"))),
        labelled(
          "Images",
          select([["", "choose images"], ...images], task.images, (value) => {
            Object.assign(task, { images: value }, classesOf(scan, value, task.expert));
            act.redraw();
          }),
        ),
        own
          ? null
          : labelled(
              "Class names and templates",
              select(choices, task.prompts, (value) => {
                task.prompts = value;
                act.redraw();
              }),
            ),
        labelled(
          "Head",
          select(
            own
              ? [["", "the one in the expert's file"], ...heads]
              : [
                  ["", "made from the texts"],
                  ["own", "made from the texts by the expert's own text tower"],
                  ["trained", "trained with the expert, in its file"],
                  ...heads,
                ],
            task.head,
            set(task, "head"),
          ),
        ),
      ),
      task.prompts && !own
        ? null
        : grid(
            area("Class names, one per line", task, "classes", order),
            own ? null : area("Templates, one per line", task, "templates", "{} stands for the class name"),
          ),
    );
  }
  /** @type {(label: string, task: DraftTask, name: "classes" | "templates", help: string) => HTMLElement} */
  function area(label, task, name, help) {
    const text = element("textarea", {
      rows: 4,
      spellcheck: "false",
      text: task[name],
      oninput: () => set(task, name)(text.value),
    });
    return labelled(label, text, help);
  }
  const idle = { disabled: state.busy };
  return benchCard(
    "The suite",
    heading(
      "3  The suite",
      "One base, its experts and their tasks. The form is filled in from the file names; correct anything that is wrong.",
    ),
    grid(
      labelled("Name", textInput(draft.name, "mine", set(draft, "name")), "letters, digits, - and _"),
      labelled("Title", textInput(draft.title, "optional", set(draft, "title"))),
      labelled("Base", base, "the weights that all experts started from"),
      labelled(
        "Architecture",
        arch,
        "an open_clip name (OpenAI's weights and their fine-tunes end in -quickgelu), a .json configuration, timm:NAME, " +
          "torchvision:NAME, or transformers where a config.json says which model it is",
      ),
      options,
    ),
    element("h3", { class: "ms-title", text: `Tasks (${draft.tasks.length})` }),
    element("div", { class: "ms-bench-tasks" }, ...draft.tasks.map(taskCard)),
    button("Add a task", "", () => {
      draft.tasks.push(newTask(scan));
      act.redraw();
    }),
    line(button("Check everything", "", act.check, idle), button("Save and use", "primary", act.save, idle)),
    ...(state.complaints ? [...complaints(state.complaints), ...state.findings.map(doubt)] : []),
  );
  // A doubt, and a click that changes the task in the draft as its remedy says.
  /** @type {(one: DraftDoubt) => HTMLElement} */
  function doubt(one) {
    const task = draft.tasks.find((each) => each.name.trim() === one.action.task);
    const apply = () => {
      if (task) Object.assign(task, one.action.set);
      state.findings = state.findings.filter((other) => other !== one);
      act.redraw();
    };
    return finding(
      one,
      task
        ? button("Do this", "", apply, {
            title: Object.entries(one.action.set)
              .map((pair) => pair.join(": "))
              .join(", "),
          })
        : null,
    );
  }
};

/** @type {(found: Complaint[]) => HTMLElement[]} */
function complaints(found) {
  if (!found.length) return [note("good", "No problems: every file fits its base, and every task has images.")];
  const rows = found.flatMap((one) =>
    one.tensors.length
      ? one.tensors.slice(0, 12).map((row) => [one.role, one.file, row.tensor, row.problem, row.expected, row.found])
      : [[one.role, one.file, "", one.message, "", ""]],
  );
  return [
    note(
      "error",
      `${found.length} ${found.length === 1 ? "problem" : "problems"} to fix before this suite can be merged.`,
    ),
    benchTable(["What", "File", "Tensor", "Problem", "Expected", "Found"], rows, "Problems of the suite"),
  ];
}

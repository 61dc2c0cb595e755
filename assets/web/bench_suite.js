/* The page "Checkpoints": the suite that is being put together. The draft is what the suite file will say. */
(() => {
  "use strict";
  const ms = window.mergescope, bench = window.mergescopeBench, { make } = ms;
  /* A draft as the files' names suggest it. */
  bench.suggested = (scan) => {
    const by = (path) => scan.checkpoints.find((one) => one.path === path);
    const base = by(scan.suggested.base), name = scan.root.split(/[\\/]/).filter(Boolean).pop() || "mine";
    return {
      name: name.toLowerCase().replace(/[^a-z0-9_.-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 40) || "mine", title: "",
      base: scan.suggested.base, arch: archOf(scan, base),
      tasks: scan.suggested.tasks.map((task) => bench.task(scan, task)),
    };
  };
  bench.task = (scan, { name = "", expert = "", head = "", images = "" } = {}) => ({ name, expert, head, images, ...classesOf(scan, images), prompts: "",
    templates: "a photo of a {}." });
  const archOf = (scan, base) => base?.architectures[0] || scan.configurations[0]?.path || "";
  function classesOf(scan, images) {
    const found = scan.images.find((one) => one.path === images);
    return { folders: found?.classes || [], classes: (found?.classes || []).join("\n") };
  }

  /* What the server takes. */
  bench.plain = (draft, scan) => ({
    name: draft.name.trim(), title: draft.title.trim(), base: { arch: draft.arch.trim(), weights: draft.base },
    tasks: draft.tasks.map((task) => {
      const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
      const names = lines(task.classes), kind = scan?.images.find((one) => one.path === task.images)?.kind || "folder";
      const same = names.length === task.folders.length;
      const classes = same && names.length ? Object.fromEntries(task.folders.map((folder, index) => [folder, names[index]])) : names;
      return { name: task.name.trim(), expert: task.expert ? { weights: task.expert } : null, head: task.head, data: { kind, path: task.images },
        classes, templates: task.prompts ? { set: task.prompts } : lines(task.templates) };
    }),
  });

  bench.editor = (state, draft, act) => {
    const { scan } = state, keep = act.keep;
    const encoders = scan.checkpoints.filter((one) => bench.ENCODERS.includes(one.kind)).map((one) => [one.path, one.name]);
    const heads = scan.checkpoints.filter((one) => one.kind === "classification head").map((one) => [one.path, one.name]);
    const images = scan.images.map((one) => [one.path, one.name]);
    const card = bench.card("The suite", ms.heading("3  The suite", "One base, its experts and their tasks. What the file names suggest is filled in; correct what is wrong."));
    const top = make("div", "ms-bench-grid");
    const base = bench.select([["", "choose the base"], ...encoders], draft.base, (value) => {
      draft.base = value;
      draft.arch = archOf(scan, scan.checkpoints.find((one) => one.path === value)) || draft.arch;
      act.redraw();
    });
    const arch = bench.input(draft.arch, "ViT-B-32-quickgelu", (value) => { draft.arch = value; keep(); });
    const options = make("datalist");
    options.id = "ms-bench-archs";
    const fitting = scan.checkpoints.find((one) => one.path === draft.base)?.architectures || [];
    for (const name of [...fitting, ...scan.configurations.map((one) => one.path)]) options.append(Object.assign(make("option"), { value: name }));
    arch.setAttribute("list", options.id);
    top.append(bench.labelled("Name", bench.input(draft.name, "mine", (value) => { draft.name = value; keep(); }), "letters, digits, - and _"),
      bench.labelled("Title", bench.input(draft.title, "optional", (value) => { draft.title = value; keep(); })),
      bench.labelled("Base", base, "the weights all experts started from"),
      bench.labelled("Architecture", arch, "an open_clip name (OpenAI's weights and their fine-tunes end in -quickgelu) or a .json configuration"), options);
    const tasks = make("div", "ms-bench-tasks");
    draft.tasks.forEach((task, index) => tasks.append(taskCard(task, index)));
    const add = ms.button("Add a task", "", () => { draft.tasks.push(bench.task(scan)); act.redraw(); });
    card.append(top, make("h3", "ms-title", `Tasks (${draft.tasks.length})`), tasks, add);

    function taskCard(task, index) {
      const box = make("fieldset", "ms-bench-task"), line = make("div", "ms-bench-line");
      box.append(make("legend", "ms-hidden-text", `Task ${index + 1}`));
      const name = bench.input(task.name, "name of the task", (value) => { task.name = value; keep(); });
      name.setAttribute("aria-label", `Name of task ${index + 1}`);
      const remove = ms.button("Remove", "", () => { draft.tasks.splice(index, 1); act.redraw(); });
      remove.setAttribute("aria-label", `Remove task ${task.name || index + 1}`);
      line.append(name, remove);
      const grid = make("div", "ms-bench-grid");
      grid.append(
        bench.labelled("Expert", bench.select([["", "none: an unseen task"], ...encoders], task.expert, (value) => { task.expert = value; keep(); })),
        bench.labelled("Images", bench.select([["", "choose images"], ...images], task.images, (value) => {
          Object.assign(task, { images: value }, classesOf(scan, value));
          act.redraw();
        })),
        bench.labelled("Class names and templates", bench.select([["", "my own"], ...state.prompts.map((set) => [set.name, `${set.title} (${set.classes} classes, published)`])],
          task.prompts, (value) => { task.prompts = value; act.redraw(); })));
      if (heads.length) grid.append(bench.labelled("Head", bench.select([["", "made from the texts"], ...heads], task.head, (value) => { task.head = value; keep(); })));
      box.append(line, grid);
      if (!task.prompts) {
        const texts = make("div", "ms-bench-grid");
        texts.append(area("Class names, one a line", task.classes, task.folders.length ? `in the order of the folders: ${task.folders.slice(0, 5).join(", ")}${task.folders.length > 5 ? ", …" : ""}`
          : "in the order of the labels", (value) => { task.classes = value; keep(); }),
        area("Templates, one a line", task.templates, "{} stands for the class name", (value) => { task.templates = value; keep(); }));
        box.append(texts);
      }
      return box;
    }
    function area(label, value, help, onInput) {
      const el = make("textarea");
      el.value = value;
      el.rows = 4;
      el.spellcheck = false;
      el.addEventListener("input", () => onInput(el.value));
      return bench.labelled(label, el, help);
    }
    const row = make("div", "ms-bench-line"), check = ms.button("Check everything", "", act.check), save = ms.button("Save and use", "primary", act.save);
    check.disabled = save.disabled = state.busy;
    row.append(check, save);
    card.append(row);
    if (state.complaints) card.append(complaints(state.complaints));
    return card;
  };

  function complaints(found) {
    if (!found.length) return bench.note("good", "Nothing to complain of: every file fits its base, and every task has images.");
    const rows = found.flatMap((one) => (one.tensors.length ? one.tensors.slice(0, 12).map((row) => [one.role, one.file, row.tensor, row.problem, row.expected, row.found])
      : [[one.role, one.file, "", one.message, "", ""]]));
    const box = make("div");
    box.append(bench.note("error", `${found.length} ${found.length === 1 ? "problem" : "problems"}; each has to go before this suite can be merged.`),
      bench.table(["What", "File", "Tensor", "Problem", "Expected", "Found"], rows, "Problems of the suite"));
    return box;
  }
})();

/* The page "Checkpoints": folders, what was found in one, and published suites. */
(() => {
  "use strict";
  const ms = window.mergescope, bench = window.mergescopeBench, { make } = ms;
  const ENCODERS = ["image encoder and text tower", "image encoder", "adapter of an image encoder"];
  bench.ENCODERS = ENCODERS;

  bench.folders = (state, act) => {
    const list = make("ul", "ms-bench-list");
    for (const folder of state.folders) {
      const row = make("li"), path = make("code", "", folder);
      path.title = folder;
      const look = ms.button("Look inside", "primary", () => act.scan(folder)), forget = ms.button("Forget", "", () => act.forget(folder));
      look.setAttribute("aria-label", `Look inside ${folder}`);
      forget.setAttribute("aria-label", `Forget ${folder}`);
      forget.title = "Take it off this list; the files stay";
      look.disabled = state.busy;
      row.append(path, look, forget);
      list.append(row);
    }
    const field = bench.input(state.typed || "", "/path/to/checkpoints", () => { state.typed = field.value; }), form = make("form", "ms-bench-line");
    field.setAttribute("aria-label", "Folder on the machine that runs Mergescope");
    field.spellcheck = false;
    const add = make("button", "ms-button", "Add folder");
    add.type = "submit";
    form.append(field, add);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim()) act.add(field.value.trim());
    });
    return bench.card("Folders", ms.heading("1  Folders with your files", "Checkpoints and images may be opened below these folders and nowhere else. "
      + "Nothing in a checkpoint is executed, whatever its format."), list, form, upload(state, act));
  };
  /* Images that are not on the server's machine yet. */
  function upload(state, act) {
    const box = make("details", "ms-bench-upload"), file = make("input"), name = bench.input("", "name, such as eurosat", () => {}), skip = make("input");
    file.type = "file";
    file.accept = ".zip,application/zip";
    skip.type = "checkbox";
    const send = ms.button("Upload", "", () => { if (file.files[0]) act.upload(file.files[0], name.value.trim(), skip.checked); });
    send.disabled = state.busy;
    file.addEventListener("change", () => {
      if (!name.value && file.files[0]) name.value = file.files[0].name.replace(/\.zip$/i, "").replace(/[^A-Za-z0-9_.-]+/g, "-");
    });
    const leave = make("label", "ms-check");
    leave.append(skip, make("span", "", "leave out files that are no images"));
    const row = make("div", "ms-bench-line");
    file.setAttribute("aria-label", "A .zip file of images");
    name.setAttribute("aria-label", "Name of these images");
    row.append(file, name, send, leave);
    box.append(make("summary", "", "Upload images as a .zip file"), make("p", "ms-help", "One folder per class, or train and test folders with class folders in them; "
      + "without class folders the images are unlabelled. At most 4 GiB."), row);
    return box;
  }

  bench.found = (scan) => {
    const usable = scan.checkpoints.filter((one) => one.kind !== "unusable"), broken = scan.checkpoints.filter((one) => one.kind === "unusable");
    const card = bench.card("What was found", ms.heading("2  What is there", `${scan.root}: ${plural(usable.length, "checkpoint")} that can be used, `
      + `${broken.length} that can't, ${plural(scan.images.length, "set")} of images.`));
    if (scan.cut) card.append(bench.note("warning", `Not everything was looked at: ${scan.cut}. Add a folder further down.`));
    if (!scan.checkpoints.length && !scan.images.length) {
      const empty = make("div", "ms-empty");
      empty.append(make("strong", "", "Nothing that can be used"), make("span", "", "Expected files such as model.safetensors, finetuned.pt or folders "
        + "as on the Hugging Face hub, and folders with images (CLASS/image.png)."));
      card.append(empty);
      return card;
    }
    if (usable.length) {
      // What is true of all is said once.
      const shared = usable[0].warnings.filter((text) => usable.every((one) => one.warnings.includes(text)));
      card.append(bench.table(["File", "What it is", "Format", "Fits", "Size"], usable.map((one) => [named(one, shared), one.kind, one.format,
        one.architectures.join(", ") || (ENCODERS.includes(one.kind) ? "no known model; give a .json configuration" : "–"), bench.size(one.bytes)]),
      "Checkpoints that can be used"));
      for (const text of shared) card.append(make("p", "ms-help", usable.length > 1 ? `All of them: ${text}.` : `${text}.`));
    }
    if (broken.length) {
      const more = make("details"), list = make("ul", "ms-bench-broken");
      more.append(make("summary", "", `${plural(broken.length, "file")} that can't be used, and why`), list);
      for (const one of broken) list.append(make("li", "", one.problem));
      card.append(more);
    }
    if (scan.images.length) {
      card.append(bench.table(["Images", "Classes"], scan.images.map((one) => [one.name,
        one.kind === "arrays" ? "named in the suite file" : one.classes.length ? `${one.classes.length}: ${one.classes.slice(0, 6).join(", ")}${one.classes.length > 6 ? ", …" : ""}`
          : "none (unlabelled)"]), "Sets of images"));
    }
    return card;
  };
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  function named(one, shared) {
    const box = make("span");
    box.append(make("strong", "", one.name));
    for (const text of one.warnings.filter((each) => !shared.includes(each))) box.append(make("small", "", text));
    return box;
  }

  bench.published = (state, act) => {
    const card = bench.card("Published suites", ms.heading("Published suites", "Checkpoints and data sets of the papers, from the Hugging Face hub. They are fetched "
      + "once, only when you ask for it; a fetch that stops goes on where it stopped."));
    const list = make("ul", "ms-bench-list ms-bench-published");
    for (const suite of state.published) {
      const row = make("li"), text = make("span");
      text.append(make("strong", "", suite.title), make("small", "", suite.ready ? `${suite.tasks} tasks · all here`
        : `${suite.tasks} tasks · ${suite.parts - suite.missing} of ${suite.parts} checkpoints and data sets are here`));
      row.append(text);
      if (suite.ready) row.append(ms.button("Use", "primary", () => act.use(suite.name)));
      else {
        const fetch = ms.button("Fetch", "", () => act.fetch(suite.name));
        fetch.setAttribute("aria-label", `Fetch ${suite.title}`);
        fetch.disabled = state.busy;
        row.append(fetch);
      }
      list.append(row);
    }
    card.append(list);
    return card;
  };
})();

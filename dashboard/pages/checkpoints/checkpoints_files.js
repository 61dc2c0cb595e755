// The page "Checkpoints": folders, what was found in one, and published suites.
import { button, element } from "../../charts/js/base.js";
import { empty, heading, line, note, tickable, titled } from "../../js/pieces.js";
import { benchCard, benchTable, fileSize, textInput } from "./checkpoints_parts.js";

export const CLASSIFIER = "image classifier";
export const ENCODERS = ["image encoder and text tower", "image encoder", CLASSIFIER, "adapter of an image encoder"];

/** @type {(state: BenchState, act: BenchAct) => HTMLElement} */
export const foldersCard = (state, act) => {
  /** @type {(folder: string) => HTMLElement} */
  const row = (folder) =>
    element(
      "li",
      {},
      element("code", { text: folder, title: folder }),
      button("Look inside", "primary", () => act.scan(folder), {
        "aria-label": `Look inside ${folder}`,
        disabled: state.busy,
      }),
      button("Forget", "", () => act.forget(folder), {
        "aria-label": `Forget ${folder}`,
        title: "Remove it from this list; the files stay",
      }),
    );
  const field = textInput(
    state.typed || "",
    "/path/to/checkpoints",
    (text) => {
      state.typed = text;
    },
    { spellcheck: "false", "aria-label": "Folder on the machine that runs Mergescope" },
  );
  /** @type {(event: Event) => void} */
  const add = (event) => {
    event.preventDefault();
    if (field.value.trim()) act.add(field.value.trim());
  };
  return benchCard(
    "Folders",
    heading(
      "1  Folders with your files",
      "Checkpoints and images can be opened only in these folders and their subfolders. " +
        "Nothing in a checkpoint is executed, whatever its format.",
    ),
    element("ul", { class: "ms-list ms-bench-list" }, ...state.folders.map(row)),
    element(
      "form",
      { class: "ms-line", onsubmit: add },
      field,
      element("button", { type: "submit", class: "ms-button", text: "Add folder" }),
    ),
    state.folders.length ? picker(state, act) : null,
    upload(state, act),
  );
};
// What lies below the folders, to choose a subfolder or a file of.
/** @type {(state: BenchState, act: BenchAct) => HTMLElement} */
function picker(state, act) {
  const { path, kind } = state.chosen || { path: "", kind: "" };
  const found = Boolean(state.scan),
    idle = { disabled: state.busy || !path };
  const details = element(
    "details",
    { class: "ms-bench-picker", open: state.browsing, ontoggle: () => act.browse(details.open) },
    element("summary", { text: "Browse these folders" }),
    act.tree(),
    element("p", { class: "ms-help", "aria-live": "polite", text: path || "Nothing is chosen yet." }),
    line(
      button("Look inside", "primary", () => act.scan(path), {
        disabled: state.busy || kind !== "folder",
        "aria-label": "Look inside the chosen folder",
      }),
      button(found ? "Add to what was found" : "Use", "", () => act.scan(path, true), idle),
    ),
  );
  return details;
}
// Images that are not on the server's machine yet.
/** @type {(state: BenchState, act: BenchAct) => HTMLElement} */
function upload(state, act) {
  const name = textInput("", "name, such as eurosat", () => {}, { "aria-label": "Name of these images" }),
    skip = tickable("leave out files that are not images", "ms-check");
  const file = element("input", {
    type: "file",
    accept: ".zip,application/zip",
    "aria-label": "A .zip file of images",
    onchange: () => {
      const chosen = file.files?.[0];
      if (!name.value && chosen) name.value = chosen.name.replace(/\.zip$/i, "").replace(/[^A-Za-z0-9_.-]+/g, "-");
    },
  });
  const send = button(
    "Upload",
    "",
    () => {
      if (file.files?.[0]) act.upload(file.files[0], name.value.trim(), skip.box.checked);
    },
    { disabled: state.busy },
  );
  return element(
    "details",
    { class: "ms-bench-upload" },
    element("summary", { text: "Upload images as a .zip file" }),
    element("p", {
      class: "ms-help",
      text: "One folder per class, or train and test folders that hold class folders; without class folders, the images are unlabelled. At most 4 GiB.",
    }),
    line(file, name, send, skip.root),
  );
}

/** @type {(scan: Scan) => HTMLElement} */
export const foundCard = (scan) => {
  const usable = scan.checkpoints.filter((one) => one.kind !== "unusable"),
    broken = scan.checkpoints.filter((one) => one.kind === "unusable");
  const card = benchCard(
    "What was found",
    heading(
      "2  What was found",
      `${scan.root ? `${scan.root}: ` : ""}${plural(usable.length, "checkpoint")} you can use, ` +
        `${broken.length} you can't, ${plural(scan.images.length, "set")} of images.`,
    ),
  );
  if (scan.cut) card.append(note("warning", `Not everything was scanned: ${scan.cut}. Add a subfolder instead.`));
  if (!scan.checkpoints.length && !scan.images.length) {
    card.append(
      empty(
        "Nothing usable found",
        "Expected files such as model.safetensors or finetuned.pt, folders laid out " +
          "as on the Hugging Face hub, or folders with images (CLASS/image.png).",
      ),
    );
    return card;
  }
  if (usable.length) {
    // What is true of all is said once.
    const shared = usable[0].warnings.filter((text) => usable.every((one) => one.warnings.includes(text)));
    card.append(
      benchTable(
        ["File", "What it is", "Format", "Fits", "Size"],
        usable.map((one) => [
          named(one, shared),
          one.kind,
          one.format,
          one.architectures.join(", ") ||
            (one.kind === CLASSIFIER
              ? "name its model as timm:NAME or torchvision:NAME"
              : ENCODERS.includes(one.kind)
                ? "no known model; needs a .json configuration"
                : "–"),
          fileSize(one.bytes),
        ]),
        "Checkpoints that can be used",
      ),
    );
    for (const text of shared)
      card.append(element("p", { class: "ms-help", text: usable.length > 1 ? `All of them: ${text}.` : `${text}.` }));
  }
  if (broken.length) {
    card.append(
      element(
        "details",
        {},
        element("summary", { text: `${plural(broken.length, "file")} that can't be used, and why` }),
        element("ul", { class: "ms-bench-broken" }, ...broken.map((one) => element("li", { text: one.problem }))),
      ),
    );
  }
  if (scan.images.length) {
    card.append(
      benchTable(
        ["Images", "Classes"],
        scan.images.map((one) => [
          one.name,
          one.numbered
            ? "named in the suite file"
            : one.classes.length
              ? `${one.classes.length}: ${one.classes.slice(0, 6).join(", ")}${one.classes.length > 6 ? ", …" : ""}`
              : "none (unlabelled)",
        ]),
        "Sets of images",
      ),
    );
  }
  return card;
};
/** @type {(count: number, word: string) => string} */
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
/** @type {(one: ScanFile, shared: string[]) => HTMLElement} */
const named = (one, shared) => titled(one.name, ...one.warnings.filter((each) => !shared.includes(each)));

/** @type {(state: BenchState, act: BenchAct) => HTMLElement} */
export const publishedCard = (state, act) => {
  /** @type {(suite: Published) => HTMLElement} */
  const row = (suite) =>
    element(
      "li",
      {},
      titled(
        suite.title,
        suite.ready
          ? `${suite.tasks} tasks · all here`
          : `${suite.tasks} tasks · ${suite.parts - suite.missing} of ${suite.parts} checkpoints and data sets are here`,
      ),
      suite.ready
        ? button("Use", "primary", () => act.use(suite.name))
        : button("Fetch", "", () => act.fetch(suite.name), {
            "aria-label": `Fetch ${suite.title}`,
            disabled: state.busy,
          }),
    );
  return benchCard(
    "Published suites",
    heading(
      "Published suites",
      "The papers' checkpoints and data sets, from the Hugging Face hub. They are downloaded " +
        "once, and only when you ask; an interrupted download continues where it stopped.",
    ),
    element("ul", { class: "ms-list" }, ...state.published.map(row)),
  );
};

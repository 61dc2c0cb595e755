// The page "Checkpoints": asks the server, follows the background work, keeps the draft.
import { ask, poller, remember, remembered } from "../../charts/js/base.js";
import { note, skeleton, toast } from "../../js/pieces.js";
import { page } from "../../js/shell.js";
import { foldersCard, foundCard, publishedCard } from "./checkpoints_files.js";
import { progressLine } from "./checkpoints_parts.js";
import { editor, plainDraft, suggestedDraft } from "./checkpoints_suite.js";
import { fileTree } from "./checkpoints_tree.js";

/** @type {(root: HTMLElement) => void} */
export const checkpoints = (root) => {
  const state = {
    folders: /** @type {string[]} */ ([]),
    published: /** @type {Published[]} */ ([]),
    prompts: /** @type {import("../../answers").CheckpointsPrompts[]} */ ([]),
    typed: "",
    scan: /** @type {Answer} */ (null),
    complaints: /** @type {Complaint[] | null} */ (null),
    findings: /** @type {DraftDoubt[]} */ ([]),
    busy: false,
    browsing: false,
    chosen: /** @type {BenchState["chosen"]} */ (null),
    chore: /** @type {Answer} */ (null),
  };
  let draft = /** @type {Answer} */ (null),
    message = /** @type {{ kind: string, text: string } | null} */ (null),
    seen = 0,
    started = false;

  const tree = fileTree((path, kind) => {
    state.chosen = { path, kind };
    draw();
  });
  const open = () => page.tab === "checkpoints" && page.visible(root);
  const keep = () => remember("bench", JSON.stringify({ scan: state.scan, draft }), "sessionStorage");
  /** @type {<T extends { error?: string }>(answer: T) => T} */
  const heard = (answer) => {
    if (answer.error) tell("error", answer.error);
    return answer;
  };
  /** @type {(kind: string, text: string) => void} */
  function tell(kind, text) {
    message = { kind, text };
    draw();
  }

  /** @type {BenchAct} */
  const act = {
    keep,
    redraw() {
      keep();
      draw();
    },
    async add(folder) {
      if (!(await changeFolders({ add: folder }))) return;
      state.typed = "";
      message = null;
      draw();
    },
    forget: (folder) => changeFolders({ remove: folder }),
    async upload(file, name, skip) {
      if (!/\.zip$/i.test(file.name)) {
        tell("error", `Images should be in one .zip file. Found ${file.name}.`);
        return;
      }
      message = { kind: "", text: `Sending ${file.name} …` };
      draw();
      const answer = heard(await send(file));
      if (!answer.error) begin("bench_unpack", { upload: answer.upload, name, skip });
    },
    scan: (folder, add = false) => begin("bench_scan", { folder, add }),
    browse(opened) {
      state.browsing = opened;
    },
    tree() {
      tree.show(state.folders);
      return tree.root;
    },
    fetch: (suite) => begin("bench_fetch", { suite }),
    check: () => {
      state.complaints = null;
      begin("bench_check", { draft: plainDraft(draft, state.scan) });
    },
    async save(replace = false) {
      const answer = await ask("bench_save", { draft: plainDraft(draft, state.scan), replace: replace === true });
      if (
        answer.error &&
        /which is taken/.test(answer.error) &&
        confirm(`A suite called ${draft.name} already exists. Replace it?`)
      ) {
        act.save(true);
        return;
      }
      if (heard(answer).error) return;
      toast(`Saved as ${answer.path}.`);
      act.use(answer.suite);
    },
    use(suite) {
      page.setUp({ suite });
      scrollTo(0, 0);
    },
  };
  /** @type {(change: { add?: string, remove?: string }) => Promise<boolean>} */
  async function changeFolders(change) {
    const answer = heard(await ask("bench_folder", change));
    if (answer.error) return false;
    state.folders = answer.folders;
    draw();
    return true;
  }
  /** @type {(file: File) => Promise<{ error?: string, upload?: string }>} */
  async function send(file) {
    try {
      const answer = await fetch("/images-upload", { method: "POST", body: file, credentials: "same-origin" });
      return await answer.json();
    } catch {
      return { error: "The file could not be sent. Is the server still running?" };
    }
  }
  /** @type {(question: "bench_unpack" | "bench_scan" | "bench_fetch" | "bench_check", args: object) => Promise<void>} */
  async function begin(question, args) {
    message = null;
    const answer = heard(await ask(question, args));
    if (!answer.error) poll();
  }
  const poll = poller(async () => {
    const answer = heard(await ask("bench_poll"));
    if (answer.error) return null;
    take(answer.chore);
    return state.busy ? page.pollSeconds : null;
  });
  /** @type {(chore: Chore | null) => void} */
  function take(chore) {
    const was = state.busy;
    state.chore = chore;
    state.busy = Boolean(chore && !chore.ended);
    if (chore?.ended && chore.number !== seen) {
      seen = chore.number;
      finished(chore);
    }
    const line = root.querySelector(".ms-bench-progress");
    if (was && state.busy && line) line.replaceWith(progress());
    else draw();
  }
  /** @type {(chore: Chore) => void} */
  function finished(chore) {
    if (chore.error) {
      message = { kind: chore.status === "cancelled" ? "" : "error", text: chore.error };
      return;
    }
    if (chore.kind === "scan") {
      state.scan = chore.result;
      state.complaints = null;
      draft = suggestedDraft(state.scan);
      keep();
    }
    if (chore.kind === "add") added(chore.result);
    if (chore.kind === "unpack") unpacked(chore.result);
    if (chore.kind === "check") Object.assign(state, chore.result);
    if (chore.kind === "fetch") {
      toast("Fetched.");
      refresh();
    }
  }
  // What was found is kept, and so is the draft.
  /** @type {(found: { checkpoints?: ScanFile[], images?: ScanImages[], configurations?: ScanConfiguration[] }) => number} */
  function merge(found) {
    state.scan ||= {
      root: "",
      cut: "",
      checkpoints: [],
      images: [],
      configurations: [],
      suggested: { base: "", tasks: [] },
    };
    let count = 0;
    for (const kind of /** @type {const} */ (["checkpoints", "images", "configurations"])) {
      const known = new Set(state.scan[kind].map((/** @type {{ path: string }} */ one) => one.path)),
        fresh = (found[kind] || []).filter((one) => !known.has(one.path));
      state.scan[kind].push(...fresh);
      count += fresh.length;
    }
    draft ||= suggestedDraft(state.scan);
    keep();
    return count;
  }
  /** @type {(found: Scan) => void} */
  function added(found) {
    if (state.scan) {
      const count = merge(found);
      const what = count === 1 ? "1 thing was added; choose it" : `${count} things were added; choose them`;
      message = count
        ? { kind: "good", text: `${what} in the suite below.` }
        : { kind: "", text: "Nothing new was found there." };
      return;
    }
    state.scan = found;
    draft = suggestedDraft(found);
    keep();
  }
  /** @type {(result: Unpacked) => void} */
  function unpacked({ images, name, count, skipped }) {
    merge({ images });
    const left = skipped.length ? ` ${skipped.length} files were left out: ${skipped.slice(0, 5).join(", ")}.` : "";
    message = {
      kind: "good",
      text: `${count} images were unpacked as ${name}; choose them as a task's images.${left}`,
    };
    refresh();
  }
  async function refresh() {
    const answer = heard(await ask("bench_state"));
    if (answer.error) return;
    Object.assign(state, { folders: answer.folders, published: answer.published, prompts: answer.prompts });
    // What ended before this page was opened was told then; only a folder that was looked into is still worth showing.
    if (!started && answer.chore?.ended && (state.scan || answer.chore.kind !== "scan")) seen = answer.chore.number;
    started = true;
    take(answer.chore);
    if (state.busy) poll();
  }

  const progress = () => progressLine(state.chore, async () => heard(await ask("bench_cancel")));
  // Everything is drawn anew; the field that has the focus gets it back.
  function draw() {
    const fields = () => [
      .../** @type {NodeListOf<HTMLElement>} */ (
        root.querySelectorAll('input, select, textarea, button, summary, [role="treeitem"]')
      ),
    ];
    const at = fields().indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const parts = [foldersCard(state, act)];
    if (state.busy) parts.push(progress());
    if (message) parts.push(note(message.kind, message.text));
    if (state.scan) parts.push(foundCard(state.scan));
    if (state.scan && draft) parts.push(editor(state, draft, act));
    if (state.published.length) parts.push(publishedCard(state, act));
    const far = tree.root.scrollTop;
    root.replaceChildren(...parts);
    tree.root.scrollTop = far;
    if (at >= 0) fields()[at]?.focus();
  }

  const before = JSON.parse(remembered("bench", "sessionStorage") || "null");
  if (before?.scan) {
    state.scan = before.scan;
    draft = before.draft;
  }
  root.replaceChildren(skeleton(220));
  let asked = false;
  const show = () => {
    if (open() && !asked) {
      asked = true;
      refresh();
    }
  };
  page.on("tab", () => setTimeout(show, 0));
  show();
};

// The page "Checkpoints": a tree of what lies below the folders that may be opened, to choose from without typing.
import { ask, element } from "../../charts/js/base.js";

/** A row of the tree: a folder, a file, or what stands for those not yet shown. */
/** @typedef {{ path: string, kind: "folder" | "file" | "more", begin: number }} Entry */

// Folders are asked for when they are opened, some hundred entries at a time. `onChoose` hears of what is selected.
/** @type {(onChoose: (path: string, kind: "folder" | "file") => void) => { root: HTMLElement, show: (folders: string[]) => void }} */
export const fileTree = (onChoose) => {
  const root = element("ul", { class: "ms-bench-tree", role: "tree", "aria-label": "Folders and files" });
  /** @type {WeakMap<Element, Entry>} */
  const entries = new WeakMap();

  const rows = () =>
    /** @type {HTMLElement[]} */ ([...root.querySelectorAll('[role="treeitem"]')]).filter(
      (row) => !row.parentElement?.closest('[aria-expanded="false"]'),
    );
  /** @type {(row: Element | null | undefined) => void} */
  function focus(row) {
    if (!(row instanceof HTMLElement)) return;
    for (const each of root.querySelectorAll('[tabindex="0"]')) each.setAttribute("tabindex", "-1");
    row.setAttribute("tabindex", "0");
    row.focus();
  }
  /** @type {(entry: Entry, text: string) => HTMLElement} */
  function made(entry, text) {
    const folder = entry.kind === "folder",
      name = element("span", { class: `ms-bench-entry ${entry.kind}` }, element("span", { text }));
    const row = element(
      "li",
      {
        role: "treeitem",
        tabindex: "-1",
        "aria-selected": "false",
        "aria-expanded": folder ? "false" : null,
        title: entry.path,
      },
      name,
      folder ? element("ul", { role: "group" }) : null,
    );
    row.setAttribute("aria-label", text);
    entries.set(row, entry);
    name.addEventListener("click", () => {
      focus(row);
      chosen(row);
      if (folder) toggle(row);
    });
    return row;
  }
  /** @type {(row: HTMLElement) => void} */
  function chosen(row) {
    const entry = entries.get(row);
    if (!entry) return;
    if (entry.kind === "more") {
      more(row, entry);
      return;
    }
    for (const each of root.querySelectorAll('[aria-selected="true"]')) each.setAttribute("aria-selected", "false");
    row.setAttribute("aria-selected", "true");
    onChoose(entry.path, entry.kind);
  }
  /** @type {(row: HTMLElement, open?: boolean) => void} */
  function toggle(row, open = row.getAttribute("aria-expanded") === "false") {
    row.setAttribute("aria-expanded", String(open));
    const group = row.querySelector('[role="group"]'),
      entry = entries.get(row);
    if (open && entry && group && !group.childElementCount) load(group, entry.path, 0);
  }
  /** @type {(group: Element, folder: string, begin: number) => Promise<HTMLElement | undefined>} */
  async function load(group, folder, begin) {
    const answer = await ask("bench_level", { folder, begin }),
      separator = folder.includes("\\") ? "\\" : "/";
    /** @type {(kind: "folder" | "file") => (name: string) => HTMLElement} */
    const as = (kind) => (name) =>
      made({ path: folder.replace(/[\\/]$/, "") + separator + name, kind, begin: 0 }, name);
    /** @type {(text: string) => HTMLElement} */
    const remark = (text) => element("li", { role: "none", class: "ms-help", text });
    if (answer.error) {
      group.append(remark(answer.error));
      return undefined;
    }
    const found = [...answer.folders.map(as("folder")), ...answer.files.map(as("file"))];
    group.append(...found);
    if (answer.left)
      group.append(
        made({ path: folder, kind: "more", begin: begin + found.length }, `Show more (${answer.left} left)`),
      );
    if (!begin && answer.pictures)
      group.prepend(remark(`${answer.pictures} ${answer.pictures === 1 ? "image" : "images"} lie here`));
    if (!group.childElementCount) group.append(remark("Nothing that could be used"));
    return found[0];
  }
  /** @type {(row: HTMLElement, entry: Entry) => Promise<void>} */
  async function more(row, entry) {
    const group = row.parentElement;
    if (!group || row.getAttribute("aria-busy")) return;
    row.setAttribute("aria-busy", "true");
    const first = await load(group, entry.path, entry.begin),
      focused = row === document.activeElement;
    row.remove();
    if (focused) focus(first);
  }

  /** @type {Record<string, (row: HTMLElement, all: HTMLElement[], at: number) => void>} */
  const keys = {
    ArrowDown: (_, all, at) => focus(all[at + 1]),
    ArrowUp: (_, all, at) => focus(all[at - 1]),
    Home: (_, all) => focus(all[0]),
    End: (_, all) => focus(all.at(-1)),
    Enter: (row) => chosen(row),
    " ": (row) => chosen(row),
    ArrowRight: (row) => {
      if (row.getAttribute("aria-expanded") === "true") focus(row.querySelector('[role="treeitem"]'));
      else if (row.hasAttribute("aria-expanded")) toggle(row, true);
    },
    ArrowLeft: (row) => {
      if (row.getAttribute("aria-expanded") === "true") toggle(row, false);
      else focus(row.parentElement?.closest('[role="treeitem"]'));
    },
  };
  root.addEventListener("keydown", (event) => {
    const all = rows(),
      at = all.findIndex((row) => row === document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const letter = event.key.length === 1 && event.key !== " " ? event.key.toLowerCase() : "";
    if (letter) {
      const named = [...all.slice(at + 1), ...all.slice(0, at)];
      focus(named.find((row) => row.getAttribute("aria-label")?.toLowerCase().startsWith(letter)));
    } else if (keys[event.key]) keys[event.key](all[at], all, at);
    else return;
    event.preventDefault();
  });

  return {
    root,
    show(folders) {
      const shown = [...root.children].map((row) => entries.get(row)?.path);
      if (JSON.stringify(shown) === JSON.stringify(folders)) return;
      root.replaceChildren(...folders.map((path) => made({ path, kind: "folder", begin: 0 }, path)));
      root.firstElementChild?.setAttribute("tabindex", "0");
    },
  };
};

// The sidebar: the list of runs, and what stands around it.
import { ask, element, find, keyed, partsOf } from "../charts/js/base.js";
import { ACTIVE } from "../charts/js/given.js";
import { toastError } from "./pieces.js";
import { FIRST_STEP, act, actionsOf, listed, progressWords, refreshRuns, share, worse } from "./runs.js";
import { page } from "./shell.js";

/** @type {Record<string, string>} */
const PATHS = {
  pause: "M5 3h3v10H5zM9.5 3h3v10h-3z",
  resume: "M5 3l8 5-8 5z",
  cancel: "M4.2 3.1 8 6.9l3.8-3.8 1.1 1.1L9.1 8l3.8 3.8-1.1 1.1L8 9.1l-3.8 3.8-1.1-1.1L6.9 8 3.1 4.2z",
};

/** @type {(name: string) => SVGElement} */
function icon(name) {
  /** @type {(tag: string) => SVGElement} */
  const made = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const svg = made("svg"),
    path = made("path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

// One run in the list: {root, fill(run)}.
/** @type {(id: string) => { root: HTMLElement, fill: (run: Listed) => void }} */
function row(id) {
  const name = element("span", { class: "ms-run-name" }),
    meta = element("span", { class: "ms-run-meta" }),
    done = element("i"),
    bar = element("span", { class: "ms-bar" }, done),
    actions = element("span", { class: "ms-run-actions" });
  const choose = () => {
    page.select(id);
    if (page.tab === "setup" || page.tab === "share") page.open("live");
  };
  const button = element("button", { type: "button", class: "ms-run", onclick: choose }, name, meta, bar);
  const root = element("li", { class: "ms-run-row", "data-run": id }, button, actions);

  /** @type {(run: Listed) => void} */
  const fill = (run) => {
    const differs = run.differs || "";
    keyed(name, `${run.title}\n${differs}`, () => [run.title, differs && element("small", { text: differs })]);
    meta.textContent = [run.suite, `${run.tasks} tasks`, progressWords(run)].join(" · ");
    button.title = [run.title, differs, run.created_words].filter(Boolean).join(", ");
    bar.hidden = !(ACTIVE.includes(run.status) && (run.steps || run.doing?.total));
    done.style.width = `${100 * share(run)}%`;
    root.className = `ms-run-row ${run.status}${worse(run) ? " worse" : ""}`;
    if (run.id === page.run) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    const wanted = actionsOf(run);
    keyed(actions, wanted, () => wanted.map(([action, words]) => small(run, action, words)));
  };
  return { root, fill };
}

/** @type {(run: Listed, action: string, words: string) => HTMLElement} */
function small(run, action, words) {
  const looks = { type: "button", class: "ms-icon", title: words, "aria-label": `${words}: ${run.title}` };
  const made = element("button", looks, icon(action === "restart" ? "resume" : action));
  made.addEventListener("click", () => act(run, action, made));
  return made;
}

/** @type {(root: HTMLElement) => void} */
export const sidebar = (root) => {
  const part = partsOf(root);
  const list = part("ul"),
    more = part(".ms-more"),
    none = part(".ms-none"),
    machine = part(".ms-machine p"),
    writer = part(".ms-writer"),
    writing = find(writer, ":first-child", HTMLElement),
    taking = find(writer, "button", HTMLButtonElement);
  const nothing = page.readonly ? "No runs to see here yet." : `No runs yet. ${FIRST_STEP}`;
  /** @type {Map<string, ReturnType<typeof row>>} */
  let rows = new Map();

  const draw = () => {
    const before = rows;
    rows = new Map(listed.runs.map((run) => [run.id, before.get(run.id) ?? row(run.id)]));
    [...rows.values()].forEach(({ root: item, fill }, place) => {
      fill(listed.runs[place]);
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
    });
    for (const [id, { root: item }] of before) if (!rows.has(id)) item.remove();
    none.hidden = listed.runs.length > 0;
    if (page.known) none.textContent = nothing;
    more.hidden = !listed.more;
    if (listed.machine) machine.textContent = listed.machine;
    writer.hidden = !listed.writer;
    if (!listed.writer) return;
    writing.textContent = listed.writer.text;
    taking.hidden = !listed.writer.gone;
  };
  taking.addEventListener("click", async () => {
    taking.disabled = true;
    const answer = toastError(await ask("take_over"));
    taking.disabled = false;
    if (!answer.error) location.reload();
  });
  none.textContent = "Loading …";
  more.addEventListener("click", () => {
    listed.limit = Math.min(1000, listed.limit * 4);
    refreshRuns();
  });
  part(".ms-theme").addEventListener("click", () => page.setTheme(page.theme === "dark" ? "light" : "dark"));
  root.querySelector(".ms-new")?.addEventListener("click", () => {
    page.open("setup");
    closeOnPhone();
  });
  list.addEventListener("click", closeOnPhone);
  page.restoreTheme();
  closeOnPhone();
  document.documentElement.classList.add("ms-mounted");
  setTimeout(() => document.documentElement.classList.add("ms-settled"), 800);
  page.on("runs", draw);
  page.on("run", () => {
    draw();
    refreshRuns();
  });
  refreshRuns();
};

function closeOnPhone() {
  if (matchMedia("(max-width: 767px)").matches)
    /** @type {HTMLElement | null} */ (document.querySelector(".sidebar.open .toggle-button"))?.click();
}

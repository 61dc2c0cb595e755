// "What will happen" on the page "Set up": the button that starts the run, and settings as files.
import { ask, button, element } from "../../charts/js/base.js";
import { download, line, toast, toastError } from "../../js/pieces.js";
import { START, refreshRuns } from "../../js/runs.js";
import { page } from "../../js/shell.js";
import { fact } from "./setup_plan.js";

const LARGEST = 65536;

// `wish()` is what is asked for, `refused(name)` is told of a setting that does not fit, `load(wish)` takes a file's.
// {words, allow(yes)}: the place of what is known before the run, and whether it may start.
/** @type {(section: HTMLElement, wanted: Wanting) => { words: HTMLElement, allow: (yes: boolean) => void }} */
export const startCard = (section, { wish, refused, load }) => {
  let starting = false,
    allowed = false;
  const start = button(START, "primary ms-start", begin);
  const words = element(
    "div",
    { class: "ms-plan-words", "aria-live": "polite" },
    fact("Time", "measuring …"),
    fact("Trust check", "checking how confident each expert is …"),
  );
  const file = element("input", { type: "file", accept: ".yaml,.yml,text/yaml", hidden: true });
  file.setAttribute("aria-label", "Settings file");
  file.addEventListener("change", () => {
    if (file.files?.[0]) read(file.files[0]);
    file.value = "";
  });
  const saving = { title: "Download these settings as a YAML file" },
    loading = { title: "Read settings from a YAML file" };
  // Above the words, whose height changes: a button that moves under the pointer swallows the click.
  section.replaceChildren(
    element("h2", { class: "ms-title", text: "What will happen" }),
    start,
    words,
    line(
      button("Save settings", "", save, saving),
      button("Load settings", "", () => file.click(), loading),
      file,
    ),
  );

  const update = () => {
    start.disabled = starting || !allowed;
  };
  async function begin() {
    if (starting) return;
    starting = true;
    update();
    start.textContent = "Starting …";
    const answer = toastError(await ask("setup_start", wish()));
    starting = false;
    start.textContent = START;
    update();
    if (answer.error) {
      const named = /`(\w+)`/.exec(answer.error);
      if (named) refused(named[1]);
      return;
    }
    page.select(answer.run);
    page.open("live");
    refreshRuns();
  }
  async function save() {
    const answer = toastError(await ask("setup_save", wish()));
    if (!answer.error) download(answer.yaml, answer.file, "text/yaml");
  }
  /** @type {(chosen: File) => Promise<void>} */
  async function read(chosen) {
    if (chosen.size > LARGEST) {
      toast("A settings file is a short YAML text; this one is larger than 64 KiB.", "error");
      return;
    }
    const answer = toastError(await ask("setup_load", { yaml: await chosen.text() }));
    if (answer.error) return;
    await load(answer);
    toast("Settings loaded.");
  }
  /** @type {(yes: boolean) => void} */
  const allow = (yes) => {
    allowed = yes;
    update();
  };
  update();
  return { words, allow };
};

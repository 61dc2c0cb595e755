// The page "Set up": loads the catalogue, keeps the choices, asks the server what they mean, starts the run.
import { ask, askUntilAnswered, element, select } from "../../charts/js/base.js";
import { failed, heading, note, skeleton } from "../../js/pieces.js";
import { page } from "../../js/shell.js";
import { executionRows } from "./setup_execution.js";
import { buildForm } from "./setup_form.js";
import { keepForm, kept } from "./setup_kept.js";
import { buildMethods, methodFacts, presetChoice } from "./setup_methods.js";
import { planWords } from "./setup_plan.js";
import { startCard } from "./setup_start.js";
import { buildTasks } from "./setup_tasks.js";

/** @type {(root: HTMLElement) => void} */
export const setup = (root) => {
  /** @type {(name: string) => HTMLElement} */
  const part = (name) => /** @type {HTMLElement} */ (root.querySelector(`.ms-${name}`));
  /** @type {Record<string, any> & { tasks: Set<string> }} */
  const choice = {
    suite: "",
    tasks: new Set(),
    method: "adamerging",
    preset: "",
    settings: /** @type {Record<string, any>} */ ({}),
    device: "auto",
    precision: "auto",
    evaluate_every: 0,
    name: "",
    on: "",
  };
  let catalogue = /** @type {import("../../answers").SetupCatalogue} */ (/** @type {Answer} */ (null)),
    described = /** @type {Answer} */ (null),
    cards = /** @type {ReturnType<typeof buildTasks> | null} */ (null),
    form = /** @type {ReturnType<typeof buildForm> | null} */ (null),
    chooser = /** @type {ReturnType<typeof buildMethods> | null} */ (null),
    start = /** @type {ReturnType<typeof startCard> | null} */ (null),
    asked = 0,
    planning = 0,
    planTimer = 0,
    everyTouched = false;

  /** @type {() => Method} */
  const method = () => catalogue.methods.find((m) => m.name === choice.method) || catalogue.methods[0];
  /** @type {() => Preset[]} */
  const presets = () => described?.presets[choice.method] || [];
  const values = () => {
    const { suite, settings, device, precision, name } = choice,
      evaluate_every = Number(choice.evaluate_every) || 0,
      on = catalogue.alone ? "" : choice.on,
      tasks = [...choice.tasks];
    return { suite, tasks, method: choice.method, settings, device, precision, evaluate_every, name, on };
  };

  function blank() {
    const heights = { suite: 76, tasks: 420, method: 420, options: 480, plan: 270 };
    for (const [name, height] of Object.entries(heights)) part(name).replaceChildren(skeleton(height));
    part("suite").setAttribute("aria-busy", "true");
    chooser = start = null;
  }
  const keep = () => described && keepForm({ ...values(), preset: choice.preset, everyTouched });

  /** @type {(first: boolean) => Promise<void>} */
  async function open(first) {
    if (first) blank();
    const number = ++asked,
      answer = await ask("setup_catalogue");
    if (number !== asked) return;
    if (answer.error) {
      failed(part("suite"), answer.error, () => open(true));
      return;
    }
    catalogue = answer;
    part("suite").removeAttribute("aria-busy");
    if (!catalogue.suites.length) {
      part("suite").replaceChildren(
        heading(
          "No suite found",
          "A suite is a YAML file with a base, its experts and their tasks. Put one in the suites folder inside your Mergescope folder.",
        ),
      );
      return;
    }
    /** @type {(name: string) => boolean} */
    const has = (name) => catalogue.suites.some((s) => s.name === name),
      wanted = has(page.wanted?.suite) ? page.wanted : null,
      saved = kept();
    page.wanted = null;
    // What was asked for from elsewhere, with a method or without one; else what was on this page before.
    const before = wanted ? wanted.method && { settings: {}, ...wanted } : saved && has(saved.suite) ? saved : null;
    choice.suite = [wanted?.suite, before?.suite, catalogue.suite].find(has) || catalogue.suites[0].name;
    await useSuite(before);
  }

  /** @type {(before: Answer) => Promise<void>} */
  async function useSuite(before) {
    drawSuite();
    // What is on the page still speaks of the suite before.
    described = null;
    planning += 1;
    changed();
    const number = ++asked,
      answer = await ask("setup_tasks", { suite: choice.suite });
    if (number !== asked) return;
    if (answer.error) {
      failed(part("tasks"), answer.error, () => useSuite(before));
      return;
    }
    described = answer;
    const names = new Set(described.tasks.map((/** @type {TaskCard} */ task) => task.name));
    choice.tasks = new Set(before ? before.tasks.filter((/** @type {string} */ name) => names.has(name)) : names);
    cards = buildTasks(part("tasks"), {
      tasks: described.tasks,
      chosen: choice.tasks,
      onChange(name, on) {
        if (on) choice.tasks.add(name);
        else choice.tasks.delete(name);
        changed();
      },
    });
    if (before && catalogue.methods.some((m) => m.name === before.method)) choice.method = before.method;
    else if (!catalogue.methods.some((m) => m.name === choice.method)) choice.method = catalogue.methods[0].name;
    usePreset(presets()[0]);
    if (before) {
      for (const name of Object.keys(choice.settings))
        if (name in before.settings) choice.settings[name] = before.settings[name];
      for (const name of ["device", "precision", "evaluate_every", "name", "on", "preset"])
        if (name in before) choice[name] = before[name];
      everyTouched = Boolean(before.everyTouched);
    }
    draw();
    accuracies();
  }
  async function accuracies() {
    const suite = choice.suite,
      answer = await askUntilAnswered("setup_accuracies", { suite }, { alive: () => suite === choice.suite });
    if (answer && !answer.error) cards?.accuracies(answer.accuracies);
  }

  /** @type {(preset?: Preset) => void} */
  function usePreset(preset) {
    if (!preset) {
      choice.settings = {};
      return;
    }
    choice.preset = preset.name;
    choice.settings = { ...preset.settings };
    if (!everyTouched)
      choice.evaluate_every = choice.settings.steps ? Math.max(1, Math.round(choice.settings.steps / 10)) : 0;
  }
  function draw() {
    drawMethod();
    drawOptions();
    drawPlan();
    changed();
  }

  function drawSuite() {
    const section = part("suite"),
      suite = /** @type {import("../../answers").SetupSuite} */ (catalogue.suites.find((s) => s.name === choice.suite));
    /** @type {Choice[]} */
    const names = catalogue.suites.map((item) => [
      item.name,
      `${item.title} (${item.missing.length ? "not downloaded" : `${item.tasks} tasks`})`,
    ]);
    const menu = select(
      names,
      choice.suite,
      (name) => {
        choice.suite = name;
        useSuite(null);
      },
      { id: "ms-suite" },
    );
    section.replaceChildren(
      element(
        "div",
        { class: "ms-suite-line" },
        element("label", { class: "ms-title", text: "1  Suite", for: "ms-suite" }),
        menu,
      ),
      element("p", {
        class: "ms-help",
        text: suite.description || "A base model, its experts and the tasks they were made for.",
      }),
    );
    if (suite.missing.length) {
      const more =
        suite.missing.length > 3
          ? ` … and ${suite.missing.length - 3} more. The page Checkpoints fetches published suites`
          : "";
      section.append(
        note("warning", `Some files of this suite are missing: ${suite.missing.slice(0, 3).join("; ")}${more}.`),
      );
    }
    catalogue.broken.forEach((text) =>
      section.append(note("warning", `Skipped a suite because its file is not valid. ${text}`)),
    );
  }

  function drawMethod() {
    const chosen = method();
    chooser ||= buildMethods(part("method"), {
      methods: catalogue.methods,
      onChange(name) {
        choice.method = name;
        usePreset(presets()[0]);
        draw();
      },
    });
    chooser.choose(chosen.name);
    /** @type {(preset: Preset) => void} */
    const use = (preset) => {
      everyTouched = false;
      usePreset(preset);
      drawOptions();
      changed();
    };
    chooser.about.replaceChildren(
      methodFacts(chosen),
      ...(presets().length > 1 ? [presetChoice(presets(), choice.preset, use)] : []),
    );
  }

  function drawOptions() {
    const chosen = method();
    /** @type {OnField} */
    const set = (name, value) => {
      choice[name] = value;
      if (name === "evaluate_every") everyTouched = true;
      changed();
    };
    form = buildForm(part("options"), {
      fields: chosen.fields,
      values: choice.settings,
      extra: executionRows(chosen, catalogue, choice, set),
      suite: presets().find((preset) => preset.name === "suite")?.settings,
      onInput(name, value) {
        choice.settings[name] = value;
        changed();
      },
    });
  }

  function drawPlan() {
    /** @type {(wish: import("../../answers").SetupShapesAsked) => Promise<void>} */
    const load = (wish) => {
      choice.suite = wish.suite;
      everyTouched = true;
      return useSuite({ ...wish, preset: "", everyTouched: true });
    };
    start ??= startCard(part("plan"), { wish: values, refused: (name) => form?.focus(name), load });
  }

  function changed() {
    keep();
    clearTimeout(planTimer);
    planTimer = setTimeout(plan, 350);
    start?.allow(Boolean(described && form && !form?.bad() && choice.tasks.size > 0 && catalogue.startable));
  }

  async function plan() {
    if (!described) return;
    const number = ++planning,
      answer = await ask("setup_plan", values());
    if (number !== planning || !start) return;
    const about = `${method().title} on ${choice.tasks.size} of ${described.tasks.length} tasks`;
    const parts = /** @type {HTMLElement[]} */ ([element("p", { class: "ms-plan-lead", text: about })]);
    if (!catalogue.startable)
      parts.push(note("warning", "Another process is using this runs folder, so nothing can be started here."));
    if (answer.error || "wrong" in answer) {
      start.words.replaceChildren(...parts, note("error", "wrong" in answer ? answer.wrong : (answer.error ?? "")));
      cards?.caution([]);
      start.allow(false);
      return;
    }
    const { forecast, caution, doubts, doing } = answer;
    start.words.replaceChildren(...parts, ...planWords(answer, choice.tasks, act));
    cards?.caution(caution && "tasks" in caution ? caution.tasks : []);
    start.allow(!form?.bad() && catalogue.startable);
    const waits = [forecast, caution, doubts].some((one) => one && "pending" in one && one.pending);
    if (waits || doing) planTimer = setTimeout(plan, 1200);
  }
  /** @type {PlanAct} */
  const act = {
    leaveOut(tasks) {
      for (const task of tasks) choice.tasks.delete(task);
      cards?.choose(choice.tasks);
      changed();
    },
    distil() {
      choice.settings.objective = "expert_kl";
      drawOptions();
      changed();
    },
  };

  page.on("suite", () => open(false));
  open(true);
};

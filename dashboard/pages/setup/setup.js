/* The page "Set up": loads the catalogue, keeps the choices, asks the server what they mean, starts the run. */
window.mergescope.pages.setup = (root) => {
  "use strict";
  const ms = window.mergescope, { charts, failed, note } = ms, { element, button, ask } = charts;
  const part = (name) => root.querySelector(`.ms-${name}`);
  const choice = { suite: "", tasks: new Set(), method: "adamerging", preset: "", settings: {}, device: "auto", precision: "auto",
    evaluate_every: 0, name: "" };
  let catalogue = null, described = null, cards = null, form = null, chooser = null, starting = false, asked = 0, planning = 0, planTimer = null, everyTouched = false;

  const method = () => catalogue.methods.find((m) => m.name === choice.method) || catalogue.methods[0];
  const presets = () => described?.presets[choice.method] || [];
  const values = () => ({ suite: choice.suite, tasks: [...choice.tasks], method: choice.method, settings: choice.settings,
    device: choice.device, precision: choice.precision, evaluate_every: Number(choice.evaluate_every) || 0, name: choice.name });

  function skeleton() {
    const heights = { suite: 76, tasks: 420, method: 420, options: 480, plan: 270 };
    for (const [name, height] of Object.entries(heights)) part(name).replaceChildren(ms.skeleton(height));
    part("suite").setAttribute("aria-busy", "true");
  }
  const keep = () => {
    if (!described) return;
    charts.remember("setup", JSON.stringify({ ...values(), preset: choice.preset, everyTouched }), "sessionStorage");
  };
  const kept = () => JSON.parse(charts.remembered("setup", "sessionStorage") || "null");

  async function open(first) {
    if (first) skeleton();
    const number = ++asked, answer = await ask("setup_catalogue");
    if (number !== asked) return;
    if (answer.error) { failed(part("suite"), answer.error, () => open(true)); return; }
    catalogue = answer;
    part("suite").removeAttribute("aria-busy");
    if (!catalogue.suites.length) {
      part("suite").replaceChildren(ms.heading("No suite found",
        "A suite is a YAML file with a base, its experts and their tasks. Put one in the suites folder inside your Mergescope folder."));
      return;
    }
    const has = (name) => catalogue.suites.some((s) => s.name === name), wanted = has(ms.wanted?.suite) ? ms.wanted : null, saved = kept();
    ms.wanted = null;
    /* What was asked for from elsewhere, with a method or without one; else what was on this page before. */
    const before = wanted ? wanted.method && { settings: {}, ...wanted } : saved && has(saved.suite) ? saved : null;
    choice.suite = [wanted?.suite, before?.suite, catalogue.suite].find(has) || catalogue.suites[0].name;
    await useSuite(before);
  }

  async function useSuite(before) {
    drawSuite();
    // What is on the page still speaks of the suite before.
    described = null;
    planning += 1;
    changed();
    const number = ++asked, answer = await ask("setup_tasks", { suite: choice.suite });
    if (number !== asked) return;
    if (answer.error) { failed(part("tasks"), answer.error, () => useSuite(before)); return; }
    described = answer;
    const names = new Set(described.tasks.map((task) => task.name));
    choice.tasks = new Set(before ? before.tasks.filter((name) => names.has(name)) : names);
    cards = ms.setupTasks.build(part("tasks"), { tasks: described.tasks, chosen: choice.tasks, onChange(name, on) {
      if (on) choice.tasks.add(name); else choice.tasks.delete(name);
      changed();
    } });
    if (before && catalogue.methods.some((m) => m.name === before.method)) choice.method = before.method;
    else if (!catalogue.methods.some((m) => m.name === choice.method)) choice.method = catalogue.methods[0].name;
    usePreset(presets()[0]);
    if (before) {
      for (const name of Object.keys(choice.settings)) if (name in before.settings) choice.settings[name] = before.settings[name];
      for (const name of ["device", "precision", "evaluate_every", "name", "preset"]) if (name in before) choice[name] = before[name];
      everyTouched = Boolean(before.everyTouched);
    }
    draw();
    accuracies();
  }
  async function accuracies() {
    const suite = choice.suite, answer = await charts.answer("setup_accuracies", { suite }, { alive: () => suite === choice.suite });
    if (answer && !answer.error) cards.accuracies(answer.accuracies);
  }

  function usePreset(preset) {
    if (!preset) { choice.settings = {}; return; }
    choice.preset = preset.name;
    choice.settings = { ...preset.settings };
    if (!everyTouched) choice.evaluate_every = choice.settings.steps ? Math.max(1, Math.round(choice.settings.steps / 10)) : 0;
  }
  function draw() { drawMethod(); drawOptions(); drawPlan(); changed(); }

  function drawSuite() {
    const section = part("suite"), suite = catalogue.suites.find((s) => s.name === choice.suite);
    const names = catalogue.suites.map((item) => [item.name, `${item.title} (${item.missing.length ? "not downloaded" : `${item.tasks} tasks`})`]);
    const menu = charts.select(names, choice.suite, (name) => { choice.suite = name; useSuite(null); }, { id: "ms-suite" });
    section.replaceChildren(element("div", { class: "ms-suite-line" }, element("label", { class: "ms-title", text: "1  Suite", for: "ms-suite" }), menu),
      element("p", { class: "ms-help", text: suite.description || "A base model, its experts and the tasks they were made for." }));
    if (suite.missing.length) {
      const more = suite.missing.length > 3 ? ` … and ${suite.missing.length - 3} more. The page Checkpoints fetches published suites` : "";
      section.append(note("warning", `Some files of this suite are missing: ${suite.missing.slice(0, 3).join("; ")}${more}.`));
    }
    catalogue.broken.forEach((text) => section.append(note("warning", `Skipped a suite because its file is not valid. ${text}`)));
  }

  function drawMethod() {
    const chosen = method(), { build, facts, presets: starts } = ms.setupMethods;
    chooser ||= build(part("method"), { methods: catalogue.methods, onChange(name) { choice.method = name; usePreset(presets()[0]); draw(); } });
    chooser.choose(chosen.name);
    const use = (preset) => { everyTouched = false; usePreset(preset); drawOptions(); changed(); };
    chooser.about.replaceChildren(facts(chosen), ...(presets().length > 1 ? [starts(presets(), choice.preset, use)] : []));
  }

  function drawOptions() {
    const extra = [], chosen = method();
    const other = (name, title, help, kind, choices = []) => ms.setupForm.row(
      { name, title, help, kind, choices, default: kind === "choice" ? "auto" : kind === "int" ? 0 : "", source: "Mergescope", min: 0, max: null,
        above: null, below: null }, choice[name], undefined, (_name, value) => {
        choice[name] = value;
        if (name === "evaluate_every") everyTouched = true;
        changed();
      });
    if (chosen.fields.some((field) => field.name === "steps")) {
      extra.push(other("evaluate_every", "Measure accuracy every … steps", "On up to 128 test images per task; 0: only at the end.", "int"));
    }
    extra.push(other("device", "Device", "Where to run; auto uses a GPU if there is one.", "choice",
      catalogue.devices.map((value) => ({ value, title: value }))));
    extra.push(other("precision", "Precision", "For the forward and backward pass; auto measures which is faster on this machine.", "choice",
      ["auto", "float32", "bfloat16"].map((value) => ({ value, title: value }))));
    extra.push(other("name", "Name of the run", "Shown in the list of runs; optional.", "text"));
    form = ms.setupForm.build(part("options"), { fields: chosen.fields, values: choice.settings, extra,
      suite: presets().find((preset) => preset.name === "suite")?.settings, onInput(name, value) { choice.settings[name] = value; changed(); } });
  }

  function drawPlan() {
    const section = part("plan");
    if (section.querySelector(".ms-start")) return;
    const file = element("input", { type: "file", accept: ".yaml,.yml,text/yaml", hidden: true, "aria-label": "Settings file",
      onchange: () => { if (file.files[0]) loadYaml(file.files[0]); file.value = ""; } });
    // Above the words, whose height changes: a button that moves under the pointer swallows the click.
    section.replaceChildren(element("h2", { class: "ms-title", text: "What will happen" }), button("Start merge", "primary ms-start", begin),
      element("div", { class: "ms-plan-words", "aria-live": "polite" }, fact("Time", "measuring …"), fact("Trust check", "checking how confident each expert is …")),
      element("div", { class: "ms-line" },
        button("Save settings", "", saveYaml, { title: "Download these settings as a YAML file" }),
        button("Load settings", "", () => file.click(), { title: "Read settings from a YAML file" }), file));
  }

  function changed() {
    keep();
    clearTimeout(planTimer);
    planTimer = setTimeout(plan, 350);
    startable(described && form && !form.bad() && choice.tasks.size > 0);
  }
  function startable(yes) {
    const start = part("plan").querySelector(".ms-start");
    if (start) start.disabled = starting || !yes || !catalogue.startable;
  }

  async function plan() {
    if (!described) return;
    const number = ++planning, answer = await ask("setup_plan", values());
    if (number !== planning) return;
    const words = part("plan").querySelector(".ms-plan-words");
    if (!words) return;
    const parts = [element("p", { class: "ms-plan-lead", text: `${method().title} on ${choice.tasks.size} of ${described.tasks.length} tasks.` })];
    const problem = answer.error || answer.wrong;
    if (!catalogue.startable) parts.push(note("warning", "Another process is using this runs folder, so nothing can be started here."));
    if (problem) {
      parts.push(note("error", problem));
      cards.caution([]);
      words.replaceChildren(...parts);
      startable(false);
      return;
    }
    const f = answer.forecast || {}, c = answer.caution || {}, d = answer.doubts || {};
    parts.push(fact("Time", f.text || (f.error ? `unknown: ${f.error}` : "measuring …")));
    if (answer.ahead) parts.push(fact("Queue", answer.ahead === 1 ? "One run is ahead of this one." : `${answer.ahead} runs are ahead of this one.`));
    parts.push(...trust(c), ...doubts(d));
    cards.caution(c.tasks);
    if (answer.doing) parts.push(fact("Working on", ms.frame.told(answer.doing).filter(Boolean).join(", ")));
    words.replaceChildren(...parts);
    startable(!form.bad());
    if (f.pending || c.pending || d.pending || answer.doing) planTimer = setTimeout(plan, 1200);
  }
  const fact = (term, text) => element("p", { class: "ms-plan-fact" }, element("strong", { text: term }), element("span", { text }));
  function trust(c) {
    if (c.pending) return [fact("Trust check", "trying a shortened run, with a few long steps …")];
    if (c.error) return [fact("Trust check", `not possible: ${c.error}`)];
    if (!c.tasks || !c.tasks.length) return [];
    const bad = c.tasks.filter((task) => !task.trusted);
    if (!bad.length && !c.overall) return [note("good", "Trust check passed: a shortened run leads away from no expert. The check misses about two losses in five (study “trust”).")];
    const distil = c.distil
      ? button("Use the experts instead", "", () => { choice.settings.objective = "expert_kl"; drawOptions(); changed(); }, { title: "Set the objective to expert_kl" }) : null;
    const leave = !bad.length || bad.length >= choice.tasks.size ? null : button(bad.length === 1 ? "Leave it out" : "Leave them out", "", () => { bad.forEach((task) => choice.tasks.delete(task.task)); cards.choose(choice.tasks); changed(); });
    const lead = c.overall ? "This merge is likely to lose accuracy" : bad.length === 1 ? "One task is likely to lose accuracy" : `${bad.length} tasks are likely to lose accuracy`;
    return [note("warning", "", element("strong", { text: lead }), c.overall ? element("p", { text: c.overall }) : null,
      ...bad.map((task) => element("p", { text: task.advice })), element("div", { class: "ms-line" }, distil, leave))];
  }

  /* What is doubtful about the inputs; one click leaves out the tasks that it is about. */
  function doubts(d) {
    return (d.found || []).map((one) => {
      const chosen = (one.action.leave_out || []).filter((task) => choice.tasks.has(task));
      const leave = chosen.length && chosen.length < choice.tasks.size
        ? button("Leave it out", "", () => { chosen.forEach((task) => choice.tasks.delete(task)); cards.choose(choice.tasks); changed(); }) : null;
      return ms.finding(one, leave);
    });
  }

  async function begin() {
    if (starting) return;
    starting = true;
    const start = part("plan").querySelector(".ms-start");
    start.disabled = true;
    start.textContent = "Starting …";
    const answer = await ms.ask("setup_start", values());
    starting = false;
    start.textContent = "Start merge";
    startable(true);
    if (answer.error) {
      const named = /`(\w+)`/.exec(answer.error);
      if (named) form.focus(named[1]);
      return;
    }
    ms.select(answer.run);
    ms.open("live");
    ms.frame.refresh();
  }

  async function saveYaml() {
    const answer = await ms.ask("setup_save", values());
    if (!answer.error) ms.download(answer.yaml, answer.file, "text/yaml");
  }
  async function loadYaml(file) {
    if (file.size > 65536) { ms.toast("A settings file is a short YAML text; this one is larger than 64 KiB.", "error"); return; }
    const answer = await ms.ask("setup_load", { yaml: await file.text() });
    if (answer.error) return;
    choice.suite = answer.suite;
    everyTouched = true;
    await useSuite({ ...answer, preset: "", everyTouched: true });
    ms.toast("Settings loaded.");
  }

  ms.on("suite", () => open(false));
  open(true);
};

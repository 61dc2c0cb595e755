/* The page Playground: one picture under every model, and what a run gets wrong. */
window.mergescope.pages.playground = (root) => {
  "use strict";
  const ms = window.mergescope, { analysis, charts } = ms, { element } = charts;
  const box = charts.stateBox();
  const state = { run: null, status: "", task: "", head: "", tasks: [], turn: 0, asked: 0, looked: 0, answer: null, picked: null };
  const titleOf = (name) => state.tasks.find((task) => task.name === name)?.title ?? name;

  /* Which picture */
  const pad = ms.readonly ? null : ms.sketchpad((picture, drawn) => classify("classify_picture", { picture }, null, drawn));
  const preview = pad ? null : element("img", { class: "pg-preview", alt: "the chosen picture", hidden: true });
  const task = charts.menu("Test images of", (value) => choose(value));
  const thumbs = element("div", { class: "pg-thumbs" });
  const picture = element("section", { class: "mc-card" },
    element("header", { class: "mc-head" }, element("div", {}, element("h3", { text: "A picture" }),
      element("p", { class: "mc-help", text: pad ? "draw, drop or paste one, or click a test image" : "click a test image" }))),
    pad ? pad.root : preview, task.root, thumbs);

  /* What the models say */
  const head = charts.menu("Classes of", (value) => { state.head = value; tell(); });
  const truth = element("p", { class: "mc-help" });
  const models = element("div", { class: "pg-models", "aria-live": "polite" });
  const waiting = element("p", { class: "pg-wait mc-help", text: "Choose a picture to see how each model classifies it." });
  const said = element("section", { class: "mc-card" },
    element("header", { class: "mc-head" }, element("div", {}, element("h3", { text: "What each model sees" }), truth), element("div", { class: "mc-tools" }, head.root)),
    models, waiting);

  /* What the run gets wrong */
  const matrix = analysis.figureCard("Confusion matrix", "", { height: 420, note: "Computing …" });
  const gallery = element("div", { class: "pg-mistakes" });
  const count = element("p", { class: "mc-help" });
  const mistakes = element("section", { class: "mc-card" }, element("header", { class: "mc-head" },
    element("div", {}, element("h3", { text: "Wrong here, but right for the expert" }), count)), gallery);
  const content = element("div", {}, element("div", { class: "mc-grid pg-grid" }, picture, said),
    element("div", { class: "mc-grid pg-grid pg-wrong" }, matrix.root, mistakes));
  root.append(box.root, content);

  function thumb(image, name, extra, onclick) {
    const label = [image.label, extra].filter(Boolean).join(" · ");
    return element("button", { type: "button", class: "pg-thumb", title: label || `test image ${image.index}`,
      "aria-pressed": String(state.picked === `${name} ${image.index}`), "data-index": image.index, onclick },
    element("img", { src: safe(image.picture), alt: label || `test image ${image.index}`, width: 52, height: 52, loading: "lazy" }));
  }
  const safe = (uri) => (/^data:image\/png;base64,[A-Za-z0-9+/=]+$/.test(uri) ? uri : "");
  function mark() {
    for (const button of root.querySelectorAll(".pg-thumb, .pg-mistake")) {
      button.setAttribute("aria-pressed", String(state.picked === `${state.task} ${button.dataset.index}`));
    }
  }
  const pick = (index) => {
    state.picked = `${state.task} ${index}`;
    mark();
    classify("classify", { task: state.task, index }, state.task);
  };

  async function classify(question, args, about, drawn = false) {
    const run = ms.run, turn = (state.asked += 1);
    if (!about) { state.picked = null; mark(); }
    models.classList.add("pg-stale");
    const slow = setTimeout(() => { waiting.textContent = "Asking every model …"; waiting.hidden = Boolean(state.answer); }, 300);
    const answer = await charts.answer(question, { run, again: true, ...args }, { alive: () => turn === state.asked && run === ms.run });
    clearTimeout(slow);
    if (!answer) return;
    models.classList.remove("pg-stale");
    if (answer.error) {
      waiting.textContent = answer.error;
      waiting.hidden = Boolean(state.answer);
      if (state.answer || !about) ms.toast(answer.error, "error");
      return;
    }
    state.answer = answer;
    if (answer.task) state.head = answer.task;
    if (drawn) { /* it stands there already, and the next stroke belongs to it */ } else if (pad) pad.show(safe(answer.picture));
    else { preview.src = safe(answer.picture); preview.hidden = false; }
    tell();
  }

  function tell() {
    const { answer } = state;
    waiting.hidden = Boolean(answer);
    head.root.hidden = !answer;
    truth.textContent = "";
    if (!answer) { models.replaceChildren(); return; }
    if (!answer.said[state.head]) state.head = state.tasks[0].name;
    head.fill(state.tasks.map((one) => [one.name, one.title]), state.head);
    const known = answer.task === state.head && answer.truth;
    truth.textContent = known ? `true class: ${answer.truth}` : `classified into the classes of ${titleOf(state.head)}`;
    const rank = (name) => (name === "merged" ? 0 : name === "base" ? 2 : name === state.head ? 1 : 3);
    const names = [...answer.models].sort((left, right) => rank(left) - rank(right));
    models.replaceChildren(...names.map((name) => model(name, answer.said[state.head][name])));
  }
  function model(name, rows) {
    const words = { merged: "Merged", base: "Base" }[name] ?? titleOf(name);
    const note = name === "merged" ? "this run" : name === "base" ? "before fine-tuning" : name === state.head ? "expert of these classes" : "expert of another task";
    return element("div", { class: `pg-model ${name === "merged" ? "pg-first" : ""} ${name === state.head ? "pg-own" : ""}`, "data-model": name },
      element("h4", {}, words, element("small", { text: note })),
      element("ol", {}, ...rows.map((row, place) => element("li", { class: [row.true ? "pg-true" : "", place === 0 ? "pg-top" : ""].join(" ") },
        element("span", { class: "pg-label", text: row.label, title: row.true ? `${row.label}, the true class` : row.label }),
        element("span", { class: "pg-share", text: charts.percent(row.share, row.share < 0.0995 ? 1 : 0) }),
        element("i", { class: "pg-bar", style: `--share:${Math.max(0, Math.min(1, row.share))}`, "aria-hidden": "true" })))));
  }

  async function choose(name) {
    state.task = name;
    const run = ms.run, turn = (state.turn += 1);
    look(run);
    const alive = () => turn === state.turn && run === ms.run;
    const answer = await charts.answer("samples", { run, task: name, again: true }, { alive,
      pending: () => { if (!thumbs.childElementCount) box.show({ title: "Loading the models and images …" }); } });
    if (!answer) return;
    if (answer.error) {
      content.hidden = true;
      box.show(analysis.failed(answer.error, () => refresh(true)));
      return;
    }
    box.show(null);
    content.hidden = false;
    state.tasks = answer.tasks;
    state.task = answer.task;
    task.fill(answer.tasks.map((one) => [one.name, one.title]), answer.task);
    thumbs.replaceChildren(...answer.samples.map((image) => thumb(image, answer.task, "", () => pick(image.index))));
    if (state.looked !== `${state.run} ${state.status} ${answer.task}`) look(run);
    if (!state.answer && answer.samples.length) pick(answer.samples[0].index);
    mark();
    tell();
  }

  /* The confusion matrix takes seconds, so it follows when everything else is there. */
  async function look(run) {
    if (!state.task) return;
    const mine = state.looked = `${state.run} ${state.status} ${state.task}`, name = state.task;
    matrix.set(null);
    matrix.note.textContent = "Evaluating the run on the test images …";
    matrix.help.textContent = "";
    gallery.replaceChildren();
    count.textContent = "";
    const answer = await charts.answer("confusion", { run, task: name, again: true }, { alive: () => mine === state.looked && run === ms.run,
      pending: (now) => { if (now.total) matrix.note.textContent = ms.frame.told(now).filter(Boolean).join(", "); } });
    if (!answer) return;
    if (answer.error || answer.unlabelled) {
      matrix.note.textContent = answer.error || "These images have no labels, so nothing can be counted.";
      return;
    }
    const right = (value) => charts.percent(value / answer.images);
    matrix.help.textContent = `${titleOf(name)} · ${answer.images} test images · ${right(answer.correct)} right`
      + (answer.expert_correct === null ? "" : `, its expert ${right(answer.expert_correct)}`) + (ms.status?.status === "done" ? "" : ` · step ${answer.step}`);
    matrix.set(answer.figures);
    const more = answer.only_expert - answer.mistakes.length;
    count.textContent = answer.expert_correct === null ? "This task has no expert."
      : answer.only_expert ? `${answer.only_expert} of ${answer.images} images · surest mistakes first${more > 0 ? ` · ${answer.mistakes.length} shown` : ""}`
        : `None of ${answer.images} images: this run gets right everything the expert gets right.`;
    gallery.replaceChildren(...answer.mistakes.map((image) => element("button", { type: "button", class: "pg-mistake", "data-index": image.index,
      "aria-pressed": "false", onclick: () => { pick(image.index); picture.scrollIntoView({ block: "nearest", behavior: "smooth" }); } },
    element("img", { src: safe(image.picture), alt: "", width: 56, height: 56, loading: "lazy" }),
    element("span", {}, element("b", { text: image.label }), element("small", { text: `said ${image.said}, ${charts.percent(image.share, 0)}` })))));
    mark();
  }

  function refresh(again = false) {
    if (!ms.run) {
      state.run = "";
      content.hidden = true;
      box.show(ms.known ? { title: "No run chosen", text: "Start a merge under Set up, or choose a run in the list, to try its models here.", setup: true }
        : { title: "Loading …" });
      return;
    }
    const status = ms.status?.id === ms.run ? ms.status.status : "";
    if (!again && state.run === ms.run && (state.status === status || !status || !state.status)) {
      state.status = status || state.status;
      return;
    }
    const same = state.run === ms.run;
    Object.assign(state, { run: ms.run, status });
    if (!same) {
      Object.assign(state, { answer: null, picked: null });
      thumbs.replaceChildren();
      models.replaceChildren();
      content.hidden = true;
      box.show({ title: "Loading …" });
    }
    const kept = state.tasks.some((one) => one.name === state.task) ? state.task : "";
    choose(same ? kept : "");
  }

  content.hidden = true;
  ms.on("status", () => { if (ms.tab === "playground") refresh(); });
  analysis.follow("playground", () => refresh());
};

/* The task cards of the page "Set up": images, classes, counts, accuracies, chosen or not. Text through textContent only. */
window.mergescopeTasks = (() => {
  "use strict";
  const make = window.mergescope.make;
  const percent = (x) => `${(100 * x).toFixed(1)} %`;

  function counted(images) {
    const words = { test: "test", "held-out": "held-out", train: "training" };
    const parts = Object.entries(images).map(([split, n]) => `${n.toLocaleString("en")} ${words[split] || split}`);
    return parts.reverse();
  }

  function card(task, chosen, onChange) {
    const box = make("label", "ms-task"), input = make("input");
    input.type = "checkbox";
    input.checked = chosen;
    input.name = task.name;
    input.addEventListener("change", () => { box.classList.toggle("chosen", input.checked); onChange(task.name, input.checked); });
    box.classList.toggle("chosen", chosen);
    const head = make("span", "ms-task-head");
    head.append(input, make("span", "ms-task-title", task.title), make("span", "ms-badge"));
    const strip = make("span", "ms-strip");
    if (task.strip.startsWith("data:image/png;base64,")) {
      const picture = make("img");
      picture.src = task.strip;
      picture.alt = `Some images of ${task.title}`;
      strip.append(picture);
    } else strip.append(make("span", "ms-help", task.problem || "no images to show"));
    const more = task.class_count - Math.min(task.classes.length, 4);
    const classes = make("span", "ms-task-classes", task.classes.slice(0, 4).join(", ") + (more > 0 ? ` and ${more} more` : ""));
    classes.title = task.classes.join(", ") + (task.class_count > task.classes.length ? ", …" : "");
    const counts = counted(task.images);
    const meta = make("span", "ms-task-meta", `${task.class_count} classes · ${counts.length ? `${counts[0]} images` : "no images"}`);
    meta.title = counts.length ? `${counts.join(", ")} images` : "";
    box.append(head, strip, classes, meta);
    if (task.held_out) box.append(make("span", "ms-task-meta", task.held_out));
    box.append(make("span", "ms-span-row"));
    if (!task.expert) box.classList.add("unseen");
    return box;
  }

  function accuracy(box, task, known) {
    const slot = box.querySelector(".ms-span-row");
    slot.replaceChildren();
    if (task.labelled === false) { slot.append(make("span", "ms-task-meta", "unlabelled: λ and entropy, no accuracy")); return; }
    if (!known) { slot.append(make("span", "ms-help", task.expert ? "expert: being measured …" : "no expert: only scored")); return; }
    const line = make("span", "ms-span");
    const range = make("i"), base = make("b", "base"), low = known.base ?? 0, high = known.expert ?? low;
    range.style.left = `${100 * Math.min(low, high)}%`;
    range.style.width = `${100 * Math.abs(high - low)}%`;
    base.style.left = `${100 * low}%`;
    line.append(range, base);
    if (known.expert !== null) {
      const mark = make("b", "expert");
      mark.style.left = `${100 * high}%`;
      line.append(mark);
    }
    const words = [known.base === null ? "" : `base ${percent(known.base)}`,
      known.expert === null ? "no expert: only scored" : `expert ${percent(known.expert)}`].filter(Boolean).join(" → ");
    slot.append(line, make("span", "ms-task-meta", words));
  }

  function badge(box, check) {
    const slot = box.querySelector(".ms-badge");
    slot.textContent = check && !check.trusted ? "needs caution" : "";
    slot.title = check?.advice || "";
    box.classList.toggle("caution", Boolean(check && !check.trusted));
  }

  function build(section, { tasks, chosen, onChange }) {
    const head = make("div", "ms-section-head"), title = make("div");
    title.append(make("h2", "ms-title", "2  Tasks"),
      make("p", "ms-help", "Each chosen task brings its expert into the merge. Hover over the class names to see more."));
    const all = make("button", "ms-button", "All"), none = make("button", "ms-button", "None");
    all.type = none.type = "button";
    const buttons = make("div", "ms-actions");
    buttons.append(all, none);
    head.append(title, buttons);
    const grid = make("div", "ms-task-grid"), boxes = new Map();
    for (const task of tasks) {
      const box = card(task, chosen.has(task.name), onChange);
      accuracy(box, task, null);
      boxes.set(task.name, box);
      grid.append(box);
    }
    const set = (value) => boxes.forEach((box, name) => {
      const input = box.querySelector("input");
      if (input.checked !== value) { input.checked = value; box.classList.toggle("chosen", value); onChange(name, value); }
    });
    all.addEventListener("click", () => set(true));
    none.addEventListener("click", () => set(false));
    section.replaceChildren(head, grid);
    return {
      choose(names) {
        boxes.forEach((box, name) => {
          box.querySelector("input").checked = names.has(name);
          box.classList.toggle("chosen", names.has(name));
        });
      },
      accuracies(known) { tasks.forEach((task) => accuracy(boxes.get(task.name), task, known[task.name])); },
      caution(checks) {
        const by = new Map((checks || []).map((check) => [check.task, check]));
        boxes.forEach((box, name) => badge(box, by.get(name)));
      },
    };
  }
  return { build };
})();

/* Sidebar (list of runs) and header (the current run). One poll feeds both; see dashboard/pages/sidebar.py. */
window.mergescope.frame = (() => {
  "use strict";
  const ms = window.mergescope, { element, button, ask, percent, duration, keyed, ACTIVE } = ms.charts;
  /* What a run does before, between and after its steps: [what, how long]. Between two steps only what takes a while. */
  function doing(run) {
    const now = run?.doing, between = run?.status === "running" && run.steps && run.steps_done < run.steps;
    return !now || (between && !(now.left > 3)) ? null : told(now);
  }
  function told(now) {
    const far = now.total ? ` ${Math.min(now.done, now.total).toLocaleString("en")} of ${now.total.toLocaleString("en")}` : " …";
    return [`${now.label}${far}`, now.left >= 1 ? `about ${duration(now.left)} left` : ""];
  }
  const loading = (run) => run.status === "queued" && run.position === 0;
  const share = (run) => (run.steps ? Math.min(1, run.steps_done / run.steps) : run.doing?.total ? Math.min(1, run.doing.done / run.doing.total) : 0);
  /* A result that is worse than another is never told without saying so. */
  const worse = (run) => ["warning", "error"].includes(run.verdict?.kind);
  function progressWords(run) {
    if (loading(run)) return "loading";
    if (run.status === "queued") return run.position ? `waiting, place ${run.position}` : "waiting";
    if (run.status === "done") return ["done", run.average !== null && percent(run.average), worse(run) && run.verdict.code].filter(Boolean).join(" · ");
    if (run.status === "running" && doing(run)) return "evaluating";
    if (!run.steps) return run.status_words;
    return run.status === "running" ? `step ${run.steps_done}/${run.steps}` : `${run.status_words} · ${run.steps_done}/${run.steps}`;
  }

  function icon(name) {
    const paths = { pause: "M5 3h3v10H5zM9.5 3h3v10h-3z", resume: "M5 3l8 5-8 5z",
      cancel: "M4.2 3.1 8 6.9l3.8-3.8 1.1 1.1L9.1 8l3.8 3.8-1.1 1.1L8 9.1l-3.8 3.8-1.1-1.1L6.9 8 3.1 4.2z" };
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", paths[name]);
    svg.append(path);
    return svg;
  }

  const frame = { runs: [], more: false };

  function actionsOf(run) {
    if (ms.readonly || !run || !run.owner) return [];
    if (run.status === "running") return [["pause", "Pause"], ["cancel", "Cancel"]];
    if (run.status === "paused") return [["resume", "Resume"], ["cancel", "Cancel"]];
    if (run.status === "queued") return [["cancel", "Cancel"]];
    if (run.resumable) return [["restart", "Resume"]];
    return [];
  }
  async function act(run, action, button) {
    if (button.disabled) return;
    button.disabled = true;
    await ms.ask("run_action", { run: run.id, action });
    // The run notices the wish at its next micro-batch.
    [0, 250, 600, 1200].forEach((pause) => setTimeout(refresh, pause));
    button.disabled = false;
  }

  let failures = 0, first = true, limit = 50;
  const refresh = ms.charts.poller(async () => {
    const answer = await ask("runs_list", { limit, run: ms.run || ms.asked.run || "" });
    if (answer.error) {
      failures += 1;
      if (failures === 3) ms.toast("The server does not answer. You are seeing the last known state; this page keeps trying.", "warning");
    } else {
      if (failures > 2) ms.toast("Connected again.");
      failures = 0;
      Object.assign(frame, { runs: answer.runs, more: answer.more, machine: answer.machine, writer: answer.writer });
      if (first) { first = false; ms.reconnect(answer.known); }
      ms.setStatus([...answer.runs, ...(answer.current ? [answer.current] : [])].find((run) => run.id === ms.run) || null);
      ms.emit("runs", answer.runs);
    }
    document.documentElement.classList.toggle("ms-offline", failures > 2);
    const active = frame.runs.some((run) => ACTIVE.includes(run.status));
    return ms.pollSeconds * (active ? 2 : 4) * Math.min(8, 2 ** failures);
  });

  function item(run) {
    const choose = () => {
      ms.select(run.id);
      if (ms.tab === "setup" || ms.tab === "share") ms.open("live");
    };
    return element("li", { class: "ms-run-row", "data-run": run.id },
      element("button", { type: "button", class: "ms-run", onclick: choose }, element("span", { class: "ms-run-name" }),
        element("span", { class: "ms-run-meta" }), element("span", { class: "ms-bar" }, element("i"))),
      element("span", { class: "ms-run-actions" }));
  }
  function fill(row, run) {
    const [name, meta, bar] = row.firstChild.children;
    const differs = run.differs || "";
    keyed(name, `${run.title}\n${differs}`, () => [run.title, differs && element("small", { text: differs })]);
    meta.textContent = [run.suite, `${run.tasks} tasks`, progressWords(run)].join(" · ");
    row.firstChild.title = [run.title, differs, run.created_words].filter(Boolean).join(", ");
    bar.hidden = !(ACTIVE.includes(run.status) && (run.steps || run.doing?.total));
    bar.firstChild.style.width = `${100 * share(run)}%`;
    row.className = `ms-run-row ${run.status}${worse(run) ? " worse" : ""}`;
    if (run.id === ms.run) row.firstChild.setAttribute("aria-current", "true");
    else row.firstChild.removeAttribute("aria-current");
    const wanted = actionsOf(run);
    keyed(row.lastChild, wanted, () => wanted.map(([action, words]) => {
      const small = element("button", { type: "button", class: "ms-icon", title: words, "aria-label": `${words}: ${run.title}`,
        onclick: () => act(run, action, small) }, icon(action === "restart" ? "resume" : action));
      return small;
    }));
  }
  function sidebar(element) {
    const list = element.querySelector("ul"), more = element.querySelector(".ms-more"), none = element.querySelector(".ms-none");
    const draw = () => {
      const rows = new Map([...list.children].map((row) => [row.dataset.run, row]));
      frame.runs.forEach((run, place) => {
        const row = rows.get(run.id) || item(run);
        rows.delete(run.id);
        fill(row, run);
        if (list.children[place] !== row) list.insertBefore(row, list.children[place] || null);
      });
      rows.forEach((row) => row.remove());
      none.hidden = frame.runs.length > 0;
      if (ms.known) none.textContent = nothing;
      more.hidden = !frame.more;
      const machine = element.querySelector(".ms-machine p");
      if (frame.machine) machine.textContent = frame.machine;
      writer.hidden = !frame.writer;
      if (frame.writer) { writer.firstChild.textContent = frame.writer.text; writer.lastChild.hidden = !frame.writer.gone; }
    };
    const writer = element.querySelector(".ms-writer");
    writer.lastChild.addEventListener("click", async () => {
      writer.lastChild.disabled = true;
      const answer = await ms.ask("take_over");
      writer.lastChild.disabled = false;
      if (!answer.error) location.reload();
    });
    none.textContent = "Loading …";
    const nothing = ms.readonly ? "No runs to see here yet." : "No runs yet. Choose tasks and a method, then press Start merge.";
    more.addEventListener("click", () => { limit = Math.min(1000, limit * 4); refresh(); });
    element.querySelector(".ms-theme").addEventListener("click", () => ms.setTheme(ms.theme === "dark" ? "light" : "dark"));
    element.querySelector(".ms-new")?.addEventListener("click", () => { ms.open("setup"); closeOnPhone(); });
    list.addEventListener("click", closeOnPhone);
    ms.restoreTheme();
    closeOnPhone();
    document.documentElement.classList.add("ms-mounted");
    setTimeout(() => document.documentElement.classList.add("ms-settled"), 800);
    ms.on("runs", draw);
    ms.on("run", () => { draw(); refresh(); });
    refresh();
  }
  function closeOnPhone() {
    if (matchMedia("(max-width: 767px)").matches) document.querySelector(".sidebar.open .toggle-button")?.click();
  }

  /* Leads to the form with the method that does better, on the same tasks. */
  const remedy = (verdict) => verdict?.remedy && ms.tabs.includes("setup") && button(`Set up ${verdict.title}`, "", () => {
    ms.wanted = verdict.remedy;
    ms.emit("suite");
    ms.open("setup");
  });

  function header(element) {
    const title = element.querySelector("h1"), pill = element.querySelector(".ms-pill"), words = element.querySelector(".ms-words");
    const bar = element.querySelector(".ms-bar"), buttons = element.querySelector(".ms-actions");
    const notice = element.querySelector(".ms-notice");
    const draw = () => {
      const run = ms.status;
      title.textContent = run ? run.title : first || ms.run ? "…" : ms.readonly ? "No run chosen" : "New merge";
      pill.hidden = !run;
      bar.hidden = !(run && (run.steps || run.doing?.total) && run.status !== "done");
      const verdict = run?.verdict, told = run?.notice || verdict?.text || "";
      notice.hidden = !told;
      notice.className = `ms-notice ms-note ${run?.notice ? (run.status === "failed" ? "error" : "warning") : verdict?.kind}`;
      keyed(notice, `${run?.id} ${told}`, () => [...ms.coded(told), run && !run.notice && remedy(verdict)]);
      document.title = run && ACTIVE.includes(run.status) && run.steps
        ? `${Math.floor((100 * run.steps_done) / run.steps)} % · ${run.title} · Mergescope` : "Mergescope";
      // The line is there before the first answer, so that nothing below moves.
      if (!run) { words.textContent = first || ms.run ? "\u00a0" : ms.readonly ? "Choose a run in the list." : "Choose tasks and a method, then press Start merge."; keyed(buttons, "", () => []); return; }
      const now = doing(run);
      pill.textContent = loading(run) ? "loading" : run.status === "running" && now ? "evaluating" : run.status_words;
      pill.className = `ms-pill ${run.status}`;
      bar.firstChild.style.width = `${100 * share(run)}%`;
      bar.setAttribute("aria-valuenow", String(Math.round(100 * share(run))));
      bar.setAttribute("aria-valuemax", "100");
      const parts = [];
      if (now) parts.push(...now);
      else if (run.status === "queued") parts.push(run.position === 0 ? "loading the checkpoints and images" : run.position ? `place ${run.position} in the queue` : "waits for its turn");
      else if (run.status === "done") {
        parts.push(run.average === null ? "" : `${percent(run.average)} on average`, `${duration(run.seconds)}`);
      } else if (run.steps) {
        parts.push(`step ${run.steps_done} of ${run.steps}`);
        if (run.status === "running" && run.left !== null) parts.push(`${duration(run.left)} left`);
      }
      words.textContent = parts.filter(Boolean).join(" · ");
      const wanted = actionsOf(run);
      keyed(buttons, run.id + wanted, () => [...wanted.map(([action, text]) => {
        const made = button(text, "", () => act(run, action, made));
        return made;
      }), !ms.readonly && button("Share", "ms-to-share", () => ms.open("share"))]);
    };
    ms.on("status", draw);
    ms.on("run", draw);
    ms.on("runs", draw);
    draw();
  }

  return { sidebar, header, refresh, doing, told, get runs() { return frame.runs; } };
})();

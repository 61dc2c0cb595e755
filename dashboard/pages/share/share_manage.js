// Renaming and deleting the current run.
import { ask, button, element } from "../../charts/js/base.js";
import { ACTIVE } from "../../charts/js/given.js";
import { heading, line, toast, toastError } from "../../js/pieces.js";
import { listed, refreshRuns } from "../../js/runs.js";
import { page } from "../../js/shell.js";

/** @type {(answer: Told<"share_offer">) => Child[]} */
export function managing(answer) {
  const run = page.run,
    name = element("input", {
      type: "text",
      maxlength: 100,
      value: answer.name,
      placeholder: "no name",
      "aria-label": "Name of the run",
    });
  const rename = button("Rename", "", async () => {
    const done = toastError(await ask("share_rename", { run, name: name.value }));
    if (!done.error) {
      toast("Renamed.");
      refreshRuns();
    }
  });
  const active = ACTIVE.includes(answer.status);
  const remove = button(
    "Delete run",
    "danger",
    async () => {
      if (!confirm("Delete this run with its steps, accuracies and merged model? This can't be undone.")) return;
      const done = toastError(await ask("share_delete", { run }));
      if (done.error) return;
      toast("Deleted.");
      page.select(listed.runs.find((one) => one.id !== run)?.id || "");
      refreshRuns();
    },
    { disabled: active, title: active ? "Cancel the run first" : null },
  );
  return [heading("This run", "Rename it or delete it."), line(name, rename, remove)];
}

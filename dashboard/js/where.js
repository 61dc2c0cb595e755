// Where runs are carried out: the address of a Ray cluster, or nothing for the queue of this machine.
import { element } from "../charts/js/base.js";
import { labelledMenu } from "../charts/js/card.js";

// `several`: whether there are several runs, which this machine could carry out at a time; `on`: what is chosen at first.
/** @type {(wanted: { several: boolean, on?: string, onChange?: (on: string) => void }) => WhereField} */
export function whereField({ several, on = "", onChange }) {
  const elsewhere = on.startsWith("ray://");
  const address = element("input", {
    type: "text",
    "aria-label": "Address of the Ray cluster",
    placeholder: "ray://HOST:10001",
    value: elsewhere ? on : "",
    hidden: !elsewhere,
    oninput: () => onChange?.(chosen()),
  });
  const menu = labelledMenu("Where", (value) => {
    address.hidden = value !== "ray://";
    onChange?.(chosen());
  });
  menu.fill(
    [
      ["", "This machine"],
      ...(several ? [/** @type {Choice} */ (["ray", "This machine, several runs at a time"])] : []),
      ["ray://", "A Ray cluster"],
    ],
    elsewhere ? "ray://" : on,
  );
  const chosen = () => (menu.select.value === "ray://" && address.value.trim()) || menu.select.value;
  return {
    root: element("div", { class: "ms-where" }, menu.root, address),
    on: chosen,
    refuse: (reason) => {
      menu.select.disabled = Boolean(reason);
      menu.root.title = reason;
    },
  };
}

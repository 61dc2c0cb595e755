/* The settings of one method as a form, made from the description that dashboard/planning/catalogue.py gives. */
window.mergescopeForm = (() => {
  "use strict";
  const { make, prose } = window.mergescope;
  let serial = 0;

  function words(value, field) {
    if (field.kind === "bool") return value ? "on" : "off";
    const found = field.choices.find((choice) => choice.value === value);
    return found ? found.title : String(value);
  }

  function control(field, value, onInput) {
    if (field.kind === "choice") {
      const select = make("select");
      for (const choice of field.choices) {
        const option = make("option", "", choice.title);
        option.value = String(choice.value);
        select.append(option);
      }
      select.value = String(value);
      select.addEventListener("change", () => onInput(field.choices.find((c) => String(c.value) === select.value)?.value));
      return select;
    }
    const input = make("input");
    if (field.kind === "bool") {
      input.type = "checkbox";
      input.checked = Boolean(value);
      input.addEventListener("change", () => onInput(input.checked));
      return input;
    }
    input.type = "text";
    input.autocomplete = "off";
    input.spellcheck = false;
    if (field.kind === "int") input.inputMode = "numeric";
    if (field.kind === "float") input.inputMode = "decimal";
    input.value = value === null || value === undefined ? "" : String(value);
    input.addEventListener("input", () => {
      const text = input.value.trim(), number = Number(text);
      onInput(field.kind !== "text" && text !== "" && isFinite(number) ? number : text);
    });
    return input;
  }

  /* What the browser can tell at once; the server checks everything again. */
  function wrong(field, value) {
    if (field.kind !== "int" && field.kind !== "float") return "";
    if (typeof value !== "number") return "should be a number";
    if (field.kind === "int" && !Number.isInteger(value)) return "should be a whole number";
    if (field.min !== null && value < field.min) return `should be ${field.min} or more`;
    if (field.above !== null && value <= field.above) return `should be above ${field.above}`;
    if (field.max !== null && value > field.max) return `should be ${field.max} or less`;
    if (field.below !== null && value >= field.below) return `should be below ${field.below}`;
    return "";
  }

  function row(field, value, suiteValue, onInput) {
    const id = `ms-field-${++serial}`, box = make("div", `ms-field ${field.kind}`), label = make("label", "", field.title);
    const message = make("p", "ms-wrong");
    message.setAttribute("role", "alert");
    message.id = `${id}-wrong`;
    const show = (next) => {
      const text = wrong(field, next);
      message.textContent = text && `${field.title} ${text}.`;
      box.classList.toggle("bad", Boolean(text));
      input.setAttribute("aria-invalid", String(Boolean(text)));
    };
    const input = control(field, value, (next) => { show(next); onInput(field.name, next); });
    input.id = id;
    input.name = field.name;
    label.htmlFor = id;
    const known = (text) => text.toLowerCase().replace(/[^a-z]/g, "");
    const help = prose("p", "ms-help", known(field.help) === known(field.title) ? "" : field.help);
    help.id = `${id}-help`;
    input.setAttribute("aria-describedby", `${help.id} ${message.id}`);
    let origin = `Default ${words(field.default, field)}${field.source ? ` (${field.source})` : ""}.`;
    if (suiteValue !== undefined && suiteValue !== field.default) origin += ` This suite suggests ${words(suiteValue, field)}.`;
    const source = make("p", "ms-source", origin);
    if (field.kind === "bool") {
      const line = make("div", "ms-check");
      line.append(input, label);
      box.append(line, help, source, message);
    } else box.append(label, input, help, source, message);
    box.dataset.name = field.name;
    return box;
  }

  function build(section, { fields, values, suite, onInput, extra }) {
    const scroll = section.querySelector("details")?.open;
    const essential = fields.filter((field) => field.essential), others = fields.filter((field) => !field.essential);
    const grid = make("div", "ms-fields"), rest = make("div", "ms-fields");
    essential.forEach((field) => grid.append(row(field, values[field.name], suite?.[field.name], onInput)));
    others.forEach((field) => rest.append(row(field, values[field.name], suite?.[field.name], onInput)));
    extra.forEach((node) => rest.append(node));
    const details = make("details"), summary = make("summary", "", "More options");
    details.open = Boolean(scroll);
    details.append(summary, rest);
    const head = make("div");
    head.append(make("h2", "ms-title", "4  Options"),
      make("p", "ms-help", "Every default names its source. Changing one is recorded with the run."));
    section.replaceChildren(head, ...(essential.length ? [grid] : []), details);
    return {
      bad: () => fields.some((field) => wrong(field, values[field.name])),
      focus(name) {
        const found = section.querySelector(`[data-name="${CSS.escape(name)}"]`);
        if (!found) return;
        found.closest("details")?.setAttribute("open", "");
        found.querySelector("input,select")?.focus();
      },
    };
  }
  return { build, row };
})();

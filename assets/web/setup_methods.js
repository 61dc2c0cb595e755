/* The methods on the page "Set up": under headings by what they need, with a search, and what the chosen one does. */
window.mergescopeMethods = (() => {
  "use strict";
  const { make } = window.mergescope;
  const SEARCHED = 6;

  function chip(item, onChange) {
    const box = make("label", "ms-chip"), input = make("input");
    input.type = "radio";
    input.name = "method";
    input.value = item.name;
    input.addEventListener("change", () => onChange(item.name));
    box.title = item.summary;
    box.append(input, make("span", "", item.title));
    return box;
  }

  function build(section, { methods, onChange }) {
    const head = make("div", "ms-section-head"), title = make("div"), groups = make("div", "ms-method-groups");
    title.append(make("h2", "ms-title", "3  Method"), make("p", "ms-help", "Grouped by what a method has to be given beside the checkpoints."));
    head.append(title);
    const search = make("input", "ms-method-search"), none = make("p", "ms-help", "No method matches.");
    search.type = "search";
    search.placeholder = `Search ${methods.length} methods`;
    search.setAttribute("aria-label", "Search methods");
    none.hidden = true;
    if (methods.length > SEARCHED) head.append(search);
    const chips = new Map(), rows = new Map();
    for (const item of methods) {
      if (!rows.has(item.family)) {
        const row = make("fieldset", "ms-method-group"), list = make("div", "ms-chips");
        row.append(make("legend", "", item.family), list);
        rows.set(item.family, { row, list });
        groups.append(row);
      }
      const box = chip(item, onChange);
      chips.set(item.name, box);
      rows.get(item.family).list.append(box);
    }
    search.addEventListener("input", () => {
      const words = search.value.trim().toLowerCase();
      for (const item of methods) {
        const text = [item.title, item.name, item.summary, item.family, item.paper].join(" ").toLowerCase();
        chips.get(item.name).hidden = !text.includes(words);
      }
      for (const { row, list } of rows.values()) row.hidden = [...list.children].every((box) => box.hidden);
      none.hidden = [...rows.values()].some(({ row }) => !row.hidden);
    });
    const about = make("div", "ms-method-about");
    section.replaceChildren(head, groups, none, about);
    return { about, choose(name) { chips.get(name).firstChild.checked = true; } };
  }

  function facts(item) {
    const list = make("dl", "ms-facts");
    for (const [term, text] of [["What it does", item.summary], ["Needs", item.needs], ["Costs", item.cost],
      ["Learns", item.trains === "nothing" ? "" : item.trains], ["Paper", item.paper]]) {
      if (text) list.append(make("dt", "", term), make("dd", "", text));
    }
    return list;
  }

  function presets(found, chosen, onChange) {
    const group = make("fieldset", "ms-presets");
    group.append(make("legend", "", "Start from"));
    for (const preset of found) {
      const box = make("label"), input = make("input"), text = make("span");
      input.type = "radio";
      input.name = "preset";
      input.checked = preset.name === chosen;
      input.addEventListener("change", () => onChange(preset));
      text.append(make("strong", "", preset.title), make("small", "", preset.help));
      box.append(input, text);
      group.append(box);
    }
    return group;
  }
  return { build, facts, presets };
})();

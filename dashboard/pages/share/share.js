// The page "Share": files of the current run; for the owner links, devices, renaming and deleting.
import { ask, button, element, keyed, select } from "../../charts/js/base.js";
import { copy, empty, heading, line, note, titled, toast, toastError } from "../../js/pieces.js";
import { page } from "../../js/shell.js";
import { managing } from "./share_manage.js";

/** @type {(root: HTMLElement) => void} */
export const share = (root) => {
  const sections = [
    ["ms-files", "Files"],
    ["ms-links", "View links"],
    ["ms-public", "Public link"],
    ["ms-devices", "Other devices"],
    ["ms-manage", "This run"],
  ];
  root.append(
    ...sections
      .slice(0, page.readonly ? 1 : 5)
      .map(([name, label]) => element("section", { class: `ms-card ${name}`, "aria-label": label })),
  );
  /** @type {(name: string) => any} */
  const part = (name) => root.querySelector(`.ms-${name}`);
  /** @type {(text: string, more?: string) => HTMLElement} */
  const help = (text, more = "") => element("p", { class: `ms-help ${more}`, text });
  /** @type {(url: string) => HTMLElement} */
  const address = (url) => element("code", { class: "ms-url", text: url, title: url });
  const open = () => page.visible(root) && page.tab === "share";

  let shownRun = "",
    shownStatus = "";
  async function files() {
    const section = part("files"),
      run = page.run;
    if (!run) {
      section.replaceChildren(
        heading("Files", "Choose a run in the list on the left."),
        empty(
          page.known ? "No run chosen" : "Loading …",
          "A run's files appear here: its report, coefficients, merged model and a web page in one file.",
        ),
      );
      return;
    }
    const answer = toastError(await ask("share_offer", { run }));
    if (run !== page.run || answer.error) return;
    shownRun = run;
    shownStatus = answer.status;
    section.replaceChildren(
      heading("Files", `What you can download from ${answer.title}.`),
      element(
        "ul",
        { class: "ms-list ms-file-list" },
        ...answer.files.map((file) =>
          element(
            "li",
            {},
            titled(file.title, file.help),
            element("code", { text: file.suffix }),
            ...(file.url
              ? [
                  element("a", {
                    class: "ms-button",
                    text: "Download",
                    href: file.url,
                    download: true,
                    "aria-label": `Download ${file.title}`,
                  }),
                ]
              : []),
          ),
        ),
      ),
    );
    if (answer.status !== "done")
      section.append(help("The report, model card and merged model appear here when the run is done."));
    // What stands there already may have been typed into.
    if (!page.readonly) keyed(part("manage"), [run, answer.status], () => managing(answer));
  }

  /** @type {(seconds: number) => string} */
  const when = (seconds) =>
    new Date(seconds * 1000).toLocaleString("en-GB", {
      day: "numeric",
      month: "short",
      year: "numeric",
      hour: "2-digit",
      minute: "2-digit",
    });
  /** @type {Partial<Told<"share_links">>} */
  let reach = {};
  /** @type {(path: string) => string[]} */
  const addresses = (path) => [...(reach.tunnel?.url ? [reach.tunnel.url + path] : []), location.origin + path];

  // What this page showed last, so that the link opens there: `?tab=layers&step=34`.
  /** @type {(run: string) => string} */
  function view(run) {
    const seen = new URLSearchParams();
    if (page.viewed.includes(page.before)) seen.set("tab", page.before);
    if (run && page.step !== null) seen.set("step", String(page.step));
    return seen.size ? `?${seen}` : "";
  }

  async function links() {
    const section = part("links");
    const answer = toastError(await ask("share_links"));
    if (answer.error) return;
    reach = answer;
    if (!section.dataset.built) buildLinks(section);
    const list = section.querySelector(".ms-link-list");
    list.replaceChildren(
      ...answer.links.map((link) => {
        const url = addresses(link.path)[0];
        const revoke = async () => {
          const done = toastError(await ask("share_revoke", { link: link.id }));
          if (!done.error) {
            toast("Revoked. Everyone who opened this link is locked out.");
            links();
          }
        };
        return element(
          "li",
          {},
          titled(
            [link.scope, link.label].filter(Boolean).join(" · "),
            `created ${when(link.created)} · ${link.expires ? `expires ${when(link.expires)}` : "until revoked"}`,
          ),
          button("Copy", "", () => copy(url), { "aria-label": `Copy the link to ${link.scope}` }),
          button("Revoke", "danger", revoke, { "aria-label": `Revoke the link to ${link.scope}` }),
          address(url),
        );
      }),
    );
    section.querySelector(".ms-none").hidden = answer.links.length > 0;
    section.querySelector(".ms-reach").hidden = !(
      answer.local &&
      !answer.tunnel.url &&
      location.hostname.match(/^(localhost|127\.|\[?::1)/)
    );
    drawPublic(answer.tunnel);
  }
  /** @type {(section: HTMLElement) => void} */
  function buildLinks(section) {
    section.dataset.built = "1";
    /** @type {Choice[]} */
    const scopes = [
      ["run", "The current run"],
      ["all", "All runs, including future ones"],
    ];
    /** @type {Choice[]} */
    const terms = [
      ["7", "for 7 days"],
      ["1", "for 1 day"],
      ["30", "for 30 days"],
      ["365", "for a year"],
      ["", "until revoked"],
    ];
    const scope = select(scopes, "run", () => {}, { "aria-label": "What the link shows" });
    const days = select(terms, "7", () => {}, { "aria-label": "How long it works" });
    const label = element("input", {
      type: "text",
      maxlength: 80,
      placeholder: "for whom",
      "aria-label": "For whom",
      title: "Who the link is for; optional, shown in the list below.",
    });
    const create = button("Create link", "primary", async () => {
      if (scope.value === "run" && !page.run) {
        toast("Choose a run first, or share all runs.", "warning");
        return;
      }
      create.disabled = true;
      const answer = toastError(
        await ask("share_create", {
          run: scope.value === "run" ? page.run : "",
          days: days.value ? Number(days.value) : null,
          label: label.value,
        }),
      );
      create.disabled = false;
      if (answer.error) return;
      label.value = "";
      await links();
      copy(addresses(answer.link.path)[0] + view(answer.link.run));
    });
    const reachNote = note(
      "ms-reach",
      "This server can only be reached from this machine. For others, a link works only with a public link " +
        "(start with --share) or if the server listens on the network (--host 0.0.0.0). To send a run by email, download it as one HTML file.",
    );
    section.replaceChildren(
      heading(
        "View links",
        "Anyone with such a link can see the run but not change anything. You can revoke a link at any time.",
      ),
      line(scope, days, label, create),
      reachNote,
      help("No links yet.", "ms-none"),
      element("ul", { class: "ms-list ms-link-list" }),
    );
  }
  /** @type {(tunnel: import("../../answers").ShareTunnel) => void} */
  function drawPublic(tunnel) {
    const section = part("public"),
      parts = [heading("Public link", "A tunnel that lets people outside your network open the read-only view.")];
    if (tunnel.url)
      parts.push(
        address(tunnel.url),
        help("Links created above start with this address. It works until the server stops, for at most 72 hours."),
      );
    else if (tunnel.problem) parts.push(note("warning", tunnel.problem));
    else
      parts.push(
        help(
          tunnel.wanted ? "The public link is being set up …" : "None yet. Start the program with --share to get one.",
        ),
      );
    section.replaceChildren(...parts);
    if (tunnel.wanted && !tunnel.url && !tunnel.problem)
      setTimeout(() => {
        if (open()) links();
      }, 2000);
  }

  function devices() {
    const section = part("devices");
    if (section.dataset.built) return;
    section.dataset.built = "1";
    const out = element("div", { class: "ms-device" });
    const another = button("Sign in another browser", "", async () => {
      const answer = toastError(await ask("share_device"));
      if (answer.error) return;
      const url = location.origin + answer.path;
      out.replaceChildren(
        address(url),
        button("Copy", "", () => copy(url)),
        help("Works once, within a day. Anyone who opens it can do everything you can."),
      );
    });
    const all = button("Sign out all browsers", "danger", async () => {
      if (!confirm("Sign out every browser, including this one? This one will be signed in again right away.")) return;
      const answer = toastError(await ask("share_sign_out"));
      if (!answer.error) location.assign(answer.path);
    });
    section.replaceChildren(
      heading("Your other devices", "Use Mergescope as the owner from another browser or a phone."),
      line(another, all),
      out,
    );
  }

  function show() {
    if (page.tab !== "share") return;
    files();
    if (page.readonly) return;
    links();
    devices();
    if (!page.run) keyed(part("manage"), "", () => [heading("This run", "Choose a run in the list on the left.")]);
  }
  page.on("tab", () => setTimeout(show, 0));
  page.on("run", show);
  let told = page.known;
  page.on("runs", () => {
    if (told) return;
    told = true;
    show();
  });
  page.on("status", (status) => {
    if (page.tab === "share" && status && (status.id !== shownRun || status.status !== shownStatus)) files();
  });
  show();
};

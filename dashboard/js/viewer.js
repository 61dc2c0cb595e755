// The page of somebody who may only look; the owner's (owner.js) has more. What is needed from outside, by Gradio's
// components and by the checks, hangs on `window.mergescope`: the page itself, and what is listed here.
import { timing } from "../charts/js/hub.js";
import { palette } from "../charts/js/given.js";
import { align, groupsOf } from "../charts/js/matrix.js";
import { redraw } from "../charts/js/plot.js";
import { compare } from "../pages/compare/compare.js";
import { playground } from "../pages/playground/playground.js";
import { share } from "../pages/share/share.js";
import { similarity } from "../pages/similarity/similarity.js";
import { studies } from "../pages/studies/studies.js";
import { hub, layersTab, liveTab } from "./connect.js";
import { header } from "./header.js";
import { toast } from "./pieces.js";
import { listed, refreshRuns } from "./runs.js";
import { page } from "./shell.js";
import { sidebar } from "./sidebar.js";

page.on("theme", redraw);

// What each tab does with its place: name → function of an element.
export const pages = { live: liveTab, layers: layersTab, similarity, compare, studies, playground, share };

window.mergescope = Object.assign(page, {
  pages,
  toast,
  frame: Object.assign(listed, { sidebar, header, refresh: refreshRuns }),
  charts: {
    get hub() {
      return hub();
    },
    align,
    groups: groupsOf,
    palette,
    timing,
  },
});

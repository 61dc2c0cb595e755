// A square to draw in, to drop a picture on, or to paste one into. `onPicture(dataUri, drawn)` is called with what to look at.
import { element, quiet } from "../../charts/js/base.js";
import { tickable, toast } from "../../js/pieces.js";
import { page } from "../../js/shell.js";

export const sketchpad = (/** @type {(uri: string, drawn: boolean) => void} */ onPicture) => {
  const SIDE = 280,
    PEN = 20,
    RAW = 600 * 1024,
    MOST = 20 * 1024 * 1024,
    SMALLER = 512;
  const canvas = element("canvas", {
    width: SIDE,
    height: SIDE,
    tabindex: "0",
    class: "pg-canvas",
    "aria-label": "Draw here, or drop or paste a picture",
  });
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const hint = element("p", { class: "pg-hint", text: "Draw here, drop a picture, or paste one" });
  const file = element("input", {
    type: "file",
    accept: "image/png,image/jpeg,image/webp,image/gif,image/bmp",
    class: "ms-hidden-text",
    "aria-label": "Picture file",
    tabindex: "-1",
    onchange: () => {
      take(file.files?.[0]);
      file.value = "";
    },
  });
  const { root: ticking, box: light } = tickable("light pen on dark", "an-check", { onchange: clear });
  const square = element("div", { class: "pg-square" }, canvas, hint);
  const root = element(
    "div",
    { class: "pg-pad" },
    square,
    element(
      "div",
      { class: "mc-form" },
      quiet("Choose a file", () => file.click()),
      quiet("Clear", clear),
      ticking,
    ),
    file,
  );
  let drawing = false,
    own = false,
    timer = 0,
    last = /** @type {[number, number] | null} */ (null); // own: what stands there was drawn here

  function clear() {
    clearTimeout(timer);
    pen.fillStyle = light.checked ? "#000" : "#fff";
    pen.fillRect(0, 0, SIDE, SIDE);
    hint.hidden = false;
    own = false;
    square.classList.toggle("pg-dark", light.checked);
  }
  /** @type {(event: PointerEvent) => [number, number]} */
  function point(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }
  /** @type {(to: [number, number]) => void} */
  function line(to) {
    pen.strokeStyle = light.checked ? "#fff" : "#000";
    pen.lineWidth = PEN;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...(last || to));
    pen.lineTo(...to);
    pen.stroke();
    last = to;
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    if (!own) clear();
    own = hint.hidden = true;
    drawing = true;
    last = null;
    clearTimeout(timer);
    line(point(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drawing) line(point(event));
  });
  const up = () => {
    if (!drawing) return;
    drawing = false;
    timer = setTimeout(() => onPicture(canvas.toDataURL("image/png"), true), 500);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);

  // Small files travel as they are, so that the server sees what they really hold; large ones are made smaller here.
  /** @type {(blob?: File) => Promise<void>} */
  async function take(blob) {
    if (!blob) return;
    if (!blob.type.startsWith("image/")) {
      toast("That file is not a picture.", "warning");
      return;
    }
    if (blob.size > MOST) {
      toast("The picture is larger than 20 MB. Make it smaller.", "warning");
      return;
    }
    clearTimeout(timer);
    try {
      if (blob.size <= RAW) {
        onPicture(await asUri(blob), false);
        return;
      }
      const image = await createImageBitmap(blob, { resizeWidth: SMALLER, resizeQuality: "medium" });
      const copy = element("canvas", { width: image.width, height: image.height });
      copy.getContext("2d")?.drawImage(image, 0, 0);
      image.close();
      onPicture(copy.toDataURL("image/jpeg", 0.92), false);
    } catch {
      toast("The picture can't be read.", "error");
    }
  }
  /** @type {(blob: Blob) => Promise<string>} */
  const asUri = (blob) =>
    new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(String(reader.result));
      reader.onerror = () => failed(reader.error);
      reader.readAsDataURL(blob);
    });
  square.addEventListener("dragover", (event) => {
    event.preventDefault();
    square.classList.add("pg-over");
  });
  square.addEventListener("dragleave", () => square.classList.remove("pg-over"));
  square.addEventListener("drop", (event) => {
    event.preventDefault();
    square.classList.remove("pg-over");
    take([...(event.dataTransfer?.files ?? [])][0]);
  });
  document.addEventListener("paste", (event) => {
    if (!page.visible(root) || (event.target instanceof Element && event.target.closest("input, textarea"))) return;
    take([...(event.clipboardData?.files ?? [])][0]);
  });
  // What the models look at, as the server understood it.
  /** @type {(uri: string) => void} */
  function show(uri) {
    const image = new Image();
    clearTimeout(timer);
    own = false;
    image.onload = () => {
      pen.drawImage(image, 0, 0, SIDE, SIDE);
      hint.hidden = true;
    };
    image.src = uri;
  }
  clear();
  return { root, show, clear };
};

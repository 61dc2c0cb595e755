"""Takes the pictures of the README: a server of its own, the demo suite, headless Chromium.

    python -m tests.bench.screenshots [--suite demo] [--steps N] [--out assets/web/screenshots] [--runs DIR]

Runs every method that needs nothing but the checkpoints and one AdaMerging run, then photographs the tabs in light and
dark, and two of them on a phone. Nothing depends on which tasks the suite holds.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from core.suite import find as suites
from dashboard import wording
from tests.browser.chromium import browsing
from tests.browser.conftest import DESKTOP, PHONE, Server, start_server, wait_for

OUT = Path(__file__).resolve().parents[2] / "assets" / "web" / "screenshots"
READY = {
    "setup": ".ms-plan .ms-note.good, .ms-plan .ms-note.warning",
    "live": "#ms-live .mc-plot .main-svg",
    "layers": "#ms-layers .mc-plot .main-svg",
    "similarity": "#ms-similarity .an-advice li",
    "compare": "#ms-compare .js-plotly-plot .barlayer .point",
    "playground": "#ms-playground .js-plotly-plot .main-svg",
}
"""Tab -> what is there once it can be photographed."""
ON_PHONE = ("live", "setup")
MINUTES = 60
COLOURS = 255
FRAME, SHOWN = {"width": 1280, "height": 800}, (1024, 640)
FRAMES = 41


def main() -> None:
    """Read the command line and take every picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--steps", type=int, help="steps of the AdaMerging run; by default what the suite suggests")
    parser.add_argument("--runs", type=Path, help="keep and use the runs of this folder")
    parser.add_argument("--suite", default="demo")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        server = start_server(options.runs or Path(temporary) / "runs", suites.available()[options.suite])
        try:
            run = prepare(server, options.suite, options.steps)
            photograph(server, run, options.out)
        finally:
            server.stop()


def prepare(server: Server, suite: str, steps: int | None) -> str:
    """Make the runs that are not there yet; returns the AdaMerging run."""
    with server.owner() as dashboard:
        missing = dashboard.call("compare")["missing"]
        formulas = [item["name"] for item in missing if item["family"] == wording.FAMILIES["nothing"]]
        problem = dashboard.call("compare_start", methods=formulas)["problem"]
        assert not problem, problem
        if any(item["name"] == "adamerging" for item in missing):
            settings = next(iter(dashboard.call("setup_tasks", suite=suite)["presets"]["adamerging"]))["settings"]
            settings |= {"steps": steps} if steps else {}
            every = max(1, settings["steps"] // 10)
            started = dashboard.call(
                "setup_start", suite=suite, method="adamerging", settings=settings, evaluate_every=every
            )
            assert "run" in started, started

        def listed() -> list[dict[str, Any]]:
            return list(dashboard.call("runs_list")["runs"])

        wait_for(lambda: all(run["status"] == "done" for run in listed()), 60 * MINUTES, "the runs to end")
        return str(next(run["id"] for run in listed() if run["method"] == "adamerging"))


def photograph(server: Server, run: str, out: Path) -> None:
    """Every tab in both themes; the folder is replaced."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with browsing() as browser:
        for theme in ("light", "dark"):
            for place, tabs, options in (
                ("", tuple(READY), {"viewport": DESKTOP}),
                (
                    "phone-",
                    ON_PHONE,
                    {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2},
                ),
            ):
                context = browser.new_context(color_scheme=theme, **options)
                context.set_default_timeout(120_000)
                cookies = [{"name": n, "value": v, "url": server.url} for n, v in server.cookies.items()]
                context.add_cookies(cookies)
                page = context.new_page()
                for tab in tabs:
                    page.goto(f"{server.url}/?tab={tab}&run={run}")
                    page.wait_for_selector(READY[tab])
                    if tab == "layers":
                        choose_cell(page)
                    page.wait_for_timeout(1500)
                    file = out / f"{place}{tab}-{theme}.png"
                    file.write_bytes(smaller(page.screenshot()))
                    print(f"{file.relative_to(out.parent)}  {file.stat().st_size / 1024:.0f} KiB", flush=True)
                context.close()
        moving(browser, server, run, out / "learning.gif")
    total = sum(file.stat().st_size for file in out.iterdir())
    print(f"{len(list(out.iterdir()))} pictures, {total / 2**20:.2f} MiB")


def moving(browser: Any, server: Server, run: str, file: Path) -> None:
    """λ while it was learned, step by step, as the page replays it."""
    context = browser.new_context(color_scheme="light", viewport=FRAME)
    context.add_cookies([{"name": n, "value": v, "url": server.url} for n, v in server.cookies.items()])
    page = context.new_page()
    page.goto(f"{server.url}/?tab=live&run={run}")
    page.wait_for_selector(READY["live"])
    page.evaluate("scrollTo(0, document.querySelector('#ms-live').getBoundingClientRect().top + scrollY - 12)")
    slider = page.locator("#ms-live .mc-scrub input")
    frames, last = [], int(slider.get_attribute("max"))
    for at in range(FRAMES):
        place = round(last * at / (FRAMES - 1))
        slider.evaluate("(it, at) => { it.value = at; it.dispatchEvent(new Event('input')); }", place)
        page.wait_for_timeout(400)
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS))
    palette = frames[-1].quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.NONE)
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    pause = [120] * (FRAMES - 1) + [3000]
    first.save(file, save_all=True, append_images=others, duration=pause, loop=0, optimize=True)
    context.close()


def choose_cell(page: Any) -> None:
    """Follow one coefficient, so that its card shows something."""
    page.locator("#ms-layers .mc-plot").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.locator("#ms-layers .mc-list").get_by_text("sign conflict").wait_for()


def smaller(png: bytes) -> bytes:
    """The picture with at most 255 colours; screens of a page have few."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.NONE).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()


if __name__ == "__main__":
    main()

"""The page Playground as its user meets it."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from tests.browser.conftest import Server
from tests.dashboard.test_playground import bomb

MODELS = "#ms-playground .pg-model"


def open_playground(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(MODELS)


def test_clicking_test_images_asks_every_model(page: Any, server: Server, finished_run: str) -> None:
    open_playground(page, f"{server.url}/?tab=playground&run={finished_run}")
    names = page.eval_on_selector_all(MODELS, "found => found.map(one => one.dataset.model)")
    assert names[0] == "merged"
    assert set(names) == {"merged", "base", "task0", "task1", "task2"}
    page.get_by_label("Test images of").select_option("task2")
    page.wait_for_selector(f"{MODELS}.pg-own[data-model='task0']")
    thumb = page.locator("#ms-playground .pg-thumb").nth(3)
    thumb.click()
    page.wait_for_selector(f"{MODELS}.pg-own[data-model='task2']")
    assert thumb.get_attribute("aria-pressed") == "true"
    assert "true class" in page.locator("#ms-playground").inner_text()
    page.wait_for_selector("#ms-playground .js-plotly-plot .heatmaplayer image")


def test_a_drawing_and_a_file_are_looked_at_and_a_bomb_is_refused(page: Any, server: Server, finished_run: str) -> None:
    open_playground(page, f"{server.url}/?tab=playground&run={finished_run}")
    box = page.locator("#ms-playground .pg-canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 180, box["y"] + 180, steps=6)
    page.mouse.up()
    page.get_by_text("classified into the classes of").wait_for()
    page.locator("#ms-playground .pg-thumb").first.click()
    page.get_by_text("true class:").wait_for()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (10, 200, 30)).save(buffer, "PNG")
    picture = {"name": "green.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.locator("#ms-playground input[type=file]").set_input_files(picture)
    page.get_by_text("classified into the classes of").wait_for()
    page.locator("#ms-playground input[type=file]").set_input_files(picture | {"name": "b.png", "buffer": bomb(30_000)})
    page.locator(".ms-toast", has_text="million pixels").wait_for()


def test_guests_click_test_images_and_have_no_place_for_their_own(
    guest: Any, server: Server, finished_run: str
) -> None:
    with (dashboard := server.owner()).http:
        link = dashboard.call("share_create", run=finished_run, days=1, label="guest")["link"]
    page = guest.new_page()
    page.goto(server.url + link["path"])
    page.wait_for_selector("#ms-tabs")
    page.evaluate("window.mergescope.open('playground')")
    page.wait_for_selector(MODELS)
    assert page.locator("#ms-playground canvas, #ms-playground input[type=file]").count() == 0
    page.locator("#ms-playground .pg-thumb").nth(2).click()
    page.get_by_text("true class:").wait_for()


CUT = """() => { const list = document.querySelector(".pg-mistakes").getBoundingClientRect();
    const rows = [...document.querySelectorAll(".pg-mistake")].map((row) => row.getBoundingClientRect());
    const edge = (row, at) => row.top < at - 1 && row.bottom > at + 1;
    return rows.filter((row) => edge(row, list.top) || edge(row, list.bottom)).map((row) => row.top - list.top); }"""
"""Rows of which only a part can be seen."""


def test_the_page_fits_a_phone(phone: Any, server: Server, finished_run: str) -> None:
    open_playground(phone, f"{server.url}/?tab=playground&run={finished_run}")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_pictures_of_mistakes_stay_inside_their_rows_on_a_phone(phone: Any, server: Server, finished_run: str) -> None:
    open_playground(phone, f"{server.url}/?tab=playground&run={finished_run}")
    phone.wait_for_selector("#ms-playground .js-plotly-plot .heatmaplayer image")
    phone.evaluate(
        """() => { const list = document.querySelector(".pg-mistakes"), row = document.createElement("button");
            row.className = "pg-mistake"; row.innerHTML = '<img width="56" height="56" alt=""><span><b>x</b></span>';
            list.replaceChildren(...Array.from({ length: 24 }, () => row.cloneNode(true))); }"""
    )
    inside = "[...document.querySelectorAll('.pg-mistake')].every((row) => row.offsetHeight >= 56)"
    assert phone.evaluate(inside)
    for offset in (0, 130, 10_000):
        phone.evaluate("offset => document.querySelector('.pg-mistakes').scrollTo(0, offset)", offset)
        phone.wait_for_timeout(300)
        assert phone.evaluate(CUT) == [], offset

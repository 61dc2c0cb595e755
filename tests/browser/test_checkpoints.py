"""The page "Checkpoints": from a folder of pickles and pictures to a merge, by clicking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.authors import make_folder
from tests.browser.conftest import at_home


def test_a_folder_of_checkpoints_becomes_a_suite_that_merges(page: Any, tmp_path: Path) -> None:
    at_home(page)
    root = make_folder(tmp_path / "root")
    (root / "ViT-tiny/broken.pt").write_bytes(b"PK\x03\x04<img src=x onerror=window.__x=1>")
    page.get_by_role("tab", name="Checkpoints").click()
    page.get_by_label("Folder on the machine that runs Mergescope").fill(str(root))
    page.get_by_role("button", name="Add folder").click()
    page.get_by_role("button", name=f"Look inside {root}").click()
    page.wait_for_selector(".ms-bench-task")
    assert page.locator(".ms-bench-task").count() == 2
    page.get_by_text("1 file that can't be used, and why").click()
    assert "broken.pt" in page.locator(".ms-bench-broken").inner_text()
    page.get_by_label("Name", exact=True).fill("clicked")
    page.get_by_role("button", name="Check everything").click()
    page.get_by_text("Nothing to complain of").wait_for()
    page.get_by_role("button", name="Save and use").click()
    page.wait_for_function("mergescope.tab === 'setup' && document.querySelector('#ms-suite')?.value === 'clicked'")
    page.locator('.ms-chip input[value="average"]').check()
    page.wait_for_selector(".ms-start:enabled")
    page.locator(".ms-start").click()
    page.wait_for_function("mergescope.status?.suite === 'clicked' && mergescope.status.status === 'done'")
    page.locator("#ms-header .ms-words", has_text="% on average").wait_for()
    assert page.evaluate("window.__x") is None


def test_a_mistake_is_told_and_nothing_is_lost(page: Any, tmp_path: Path) -> None:
    at_home(page)
    root = make_folder(tmp_path / "root")
    page.get_by_role("tab", name="Checkpoints").click()
    page.get_by_label("Folder on the machine that runs Mergescope").fill("/no/such/folder")
    page.get_by_role("button", name="Add folder").click()
    page.get_by_text("Found no folder `/no/such/folder`").wait_for()
    assert page.get_by_label("Folder on the machine that runs Mergescope").input_value() == "/no/such/folder"
    page.get_by_label("Folder on the machine that runs Mergescope").fill(str(root))
    page.get_by_role("button", name="Add folder").click()
    page.get_by_role("button", name=f"Look inside {root}").click()
    page.wait_for_selector(".ms-bench-task")
    page.get_by_label("Architecture").fill("ViT-B-32")
    page.get_by_role("button", name="Check everything").click()
    page.get_by_text("each has to go before this suite can be merged").wait_for()
    page.reload()
    page.get_by_role("tab", name="Checkpoints").click()
    page.wait_for_selector(".ms-bench-task")
    assert page.get_by_label("Architecture").input_value() == "ViT-B-32"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

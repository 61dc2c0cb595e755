"""The page "Checkpoints": from a folder of pickles and pictures to a merge, by clicking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.authors import make_folder
from tests.browser.conftest import at_home
from tests.browser.test_setup import set_field
from tests.classifiers import hugging_face_folder


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
    page.get_by_text("No problems: every file fits its base").wait_for()
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
    page.get_by_text("to fix before this suite can be merged").wait_for()
    page.reload()
    page.get_by_role("tab", name="Checkpoints").click()
    page.wait_for_selector(".ms-bench-task")
    assert page.get_by_label("Architecture").input_value() == "ViT-B-32"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_one_click_gives_a_task_the_head_of_its_own_text_tower(page: Any, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root")
    base = torch.load(root / "ViT-tiny/zeroshot.pt")
    file = root / "ViT-tiny/EuroSAT/finetuned.pt"
    text = {name: x + 0.1 * torch.randn(x.shape) for name, x in base.items() if not name.startswith("model.visual.")}
    torch.save(text | torch.load(file), file)
    at_home(page).get_by_role("tab", name="Checkpoints").click()
    page.get_by_label("Folder on the machine that runs Mergescope").fill(str(root))
    page.get_by_role("button", name="Add folder").click()
    page.get_by_role("button", name=f"Look inside {root}").click()
    page.wait_for_selector(".ms-bench-task")
    page.get_by_label("Base", exact=True).select_option(label="ViT-tiny/zeroshot.pt")
    page.get_by_role("button", name="Check everything").click()
    finding = page.locator(".ms-note.warning", has_text="text tower")
    finding.get_by_role("button", name="Do this").click()
    finding.wait_for(state="detached")
    heads = page.get_by_label("Head", exact=True)
    assert [one.input_value() for one in heads.all()].count("own") == 1


@pytest.mark.slow
def test_a_folder_of_hugging_face_classifiers_becomes_a_suite_that_merges(page: Any, tmp_path: Path) -> None:
    at_home(page)
    root = hugging_face_folder(tmp_path / "root")
    page.get_by_role("tab", name="Checkpoints").click()
    page.get_by_label("Folder on the machine that runs Mergescope").fill(str(root))
    page.get_by_role("button", name="Add folder").click()
    page.get_by_role("button", name=f"Look inside {root}").click()
    page.wait_for_selector(".ms-bench-task")
    assert page.locator(".ms-bench-task").count() == 2
    assert page.get_by_label("Architecture").input_value() == "transformers"
    assert page.get_by_label("Templates, one per line").count() == 0
    page.get_by_label("Name", exact=True).fill("faces")
    page.get_by_role("button", name="Check everything").click()
    page.get_by_text("No problems: every file fits its base").wait_for()
    page.get_by_role("button", name="Save and use").click()
    page.wait_for_function("mergescope.tab === 'setup' && document.querySelector('#ms-suite')?.value === 'faces'")
    page.locator('.ms-chip input[value="adamerging"]').check()
    set_field(page, "steps", "3")
    page.wait_for_selector(".ms-start:enabled")
    page.locator(".ms-start").click()
    page.wait_for_function("mergescope.status?.suite === 'faces' && mergescope.status.status === 'done'")
    page.locator("#ms-header .ms-words", has_text="% on average").wait_for()


def test_one_of_several_models_in_a_file_is_chosen_by_a_click(page: Any, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root")
    file = root / "ViT-tiny/EuroSAT/finetuned.pt"
    student = torch.load(file)
    torch.save({"student": student, "ema": {name: x + 0.1 for name, x in student.items()}}, file)
    at_home(page).get_by_role("tab", name="Checkpoints").click()
    page.get_by_label("Folder on the machine that runs Mergescope").fill(str(root))
    page.get_by_role("button", name="Add folder").click()
    page.get_by_role("button", name=f"Look inside {root}").click()
    page.wait_for_selector(".ms-bench-task")
    expert = page.get_by_label("Expert", exact=True).first
    assert "ema.model." in expert.locator("option:checked").inner_text()
    expert.select_option(label=f"ViT-tiny/EuroSAT/finetuned.pt › student.model. ({len(student)} tensors)")
    page.get_by_label("Name", exact=True).fill("chosen")
    page.get_by_role("button", name="Check everything").click()
    page.get_by_text("No problems: every file fits its base").wait_for()
    page.get_by_role("button", name="Save and use").click()
    told = page.get_by_text("Saved as").inner_text()
    saved = yaml.safe_load(Path(told.removeprefix("Saved as ").removesuffix(".")).read_text())
    assert [task["expert"].get("prefix") for task in saved["tasks"]] == ["student.model.", None]


def test_a_subfolder_and_a_file_are_chosen_from_a_tree_without_typing(page: Any, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "root")
    (root / "more").mkdir()
    for at in range(450):
        (root / "more" / f"<img src=x onerror=window.__x=1>{at:03}.csv").touch()
    (root / "more" / "list.tsv").write_text("a.png\tcat\nb.png\tdog\n")
    at_home(page).get_by_role("tab", name="Checkpoints").click()
    page.get_by_label("Folder on the machine that runs Mergescope").fill(str(root))
    page.get_by_role("button", name="Add folder").click()
    page.get_by_text("Browse these folders").click()
    tree = page.get_by_role("tree")
    tree.get_by_role("treeitem", name=str(root)).focus()
    page.keyboard.press("ArrowRight")
    tree.get_by_role("treeitem", name="ViT-tiny").wait_for()
    page.keyboard.press("v")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Look inside the chosen folder").click()
    page.wait_for_selector(".ms-bench-task")
    before = page.locator(".ms-bench-task").count()
    assert before == 2
    page.get_by_text("more", exact=True).click()
    tree.get_by_text("Show more (251 left)").click()
    tree.get_by_text("Show more (51 left)").click()
    tree.get_by_text("list.tsv").click()
    page.get_by_role("button", name="Add to what was found").click()
    page.get_by_text("1 thing was added; choose it in the suite below.").wait_for()
    assert page.locator(".ms-bench-task").count() == before
    page.get_by_label("Images", exact=True).first.select_option(label="more/list.tsv")
    assert page.get_by_label("Class names, one per line").first.input_value() == "cat\ndog"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("window.__x") is None

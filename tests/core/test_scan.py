"""Looking for checkpoints and images in a folder, and putting together what belongs together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from core.errors import BadInput, Cancelled
from core.progress import Remembered
from core.suite.scan import key, scan, suggest
from core.tasks.decode import SUFFIXES
from tests.authors import make_folder
from tests.core.checkpoint_files import save
from tests.tiny import CLASSES


def picture(path: Path) -> None:
    """A small image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(path)


@pytest.fixture
def authors(tmp_path: Path) -> Path:
    """The layout of the AdaMerging authors."""
    return make_folder(tmp_path / "root", heads=True)


def test_everything_a_suite_could_be_made_of_is_found(authors: Path) -> None:
    picture(authors / "loose/a.jpg")
    (authors / "ViT-tiny/notes.txt").write_text("x")
    (authors / "ViT-tiny/empty.pt").write_bytes(b"")
    found = scan(authors)
    kinds = {str(one.path.relative_to(authors / "ViT-tiny")): one.kind for one in found.checkpoints}
    assert kinds == {
        "EuroSAT/finetuned.pt": "image encoder",
        "SUN397/finetuned.pt": "image encoder",
        "empty.pt": "unusable",
        "head_EuroSAT.pt": "classification head",
        "head_SUN397.pt": "classification head",
        "zeroshot.pt": "image encoder and text tower",
    }
    [broken] = [one for one in found.checkpoints if one.kind == "unusable"]
    assert "empty.pt" in broken.problem
    classes = tuple(sorted(CLASSES))
    assert {(one.path.name, one.classes) for one in found.images} == {
        ("SUN397", classes),
        ("EuroSAT", classes),
        ("loose", ()),
    }
    assert [path.name for path in found.configurations] == ["tiny_model.json"]
    assert found.cut == ""


def test_base_experts_heads_and_images_are_put_together_by_name(authors: Path) -> None:
    suggestion = suggest(scan(authors))
    assert suggestion.base is not None
    assert suggestion.base.path.name == "zeroshot.pt"
    assert [task.name for task in suggestion.tasks] == ["eurosat", "sun397"]
    for task in suggestion.tasks:
        assert task.expert is not None
        assert task.head is not None
        assert task.images is not None
        assert task.head.path.name.lower() == f"head_{task.name}.pt"
        assert task.images.path.name.lower() == task.name


def test_a_suite_s_own_folder_is_understood(suite: Path) -> None:
    suggestion = suggest(scan(suite.parent))
    assert suggestion.base is not None
    assert suggestion.base.path.name == "base.safetensors"
    for task in suggestion.tasks:
        assert task.images is not None
        assert task.images.path.stem == task.name
    assert [task.name for task in suggestion.tasks] == ["task0", "task1", "task2"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("clip-vit-base-patch32_stanford-cars", "stanford-cars"),
        ("ViT-B-32/SUN397/finetuned.pt", "sun397"),
        ("ViT-B-32/head_SUN397.pt", "sun397"),
        ("resisc45.safetensors", "resisc45"),
        ("experts/DTD/model.safetensors", "dtd"),
        ("data/mnist.npz", "mnist"),
        ("model.pt", "model"),
    ],
)
def test_the_task_is_told_by_the_words_that_are_not_about_the_file(path: str, name: str) -> None:
    assert key(Path("/r") / path, Path("/r")) == name


@pytest.mark.parametrize("name", ["dtd.ckpt", "dtd.pth.tar", "dtd.model", "DTD.CKPT", "dtd.bin"])
def test_weights_are_seen_whatever_they_are_called(name: str, authors: Path) -> None:
    folder = authors / "ViT-tiny/EuroSAT"
    (folder / "finetuned.pt").rename(folder / name)
    (authors / "ViT-tiny/zeroshot.pt").rename(authors / "ViT-tiny/zeroshot.pth.tar")
    found = scan(authors)
    assert [one.kind for one in found.checkpoints if one.path.name == name] == ["image encoder"]
    suggestion = suggest(found)
    assert suggestion.base is not None
    assert suggestion.base.path.name == "zeroshot.pth.tar"
    assert [task.name for task in suggestion.tasks] == ["dtd", "sun397"]


@pytest.mark.parametrize("layout", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("name", ["checkpoint", "epoch=3-step=70", "best.weights", "model.pt.bak"])
def test_weights_are_found_by_content_under_any_name(name: str, layout: str, tmp_path: Path) -> None:
    state = {f"visual.{key}": torch.ones(2) for key in ("conv1.weight", "class_embedding")}
    save(state, tmp_path / name, layout)
    (tmp_path / "notes").write_text("PK is not enough")
    (tmp_path / "short").write_bytes(b"")
    assert [(one.path.name, one.kind) for one in scan(tmp_path).checkpoints] == [(name, "image encoder")]


def test_a_folder_of_many_files_is_looked_into_only_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.suite.scan.MOST_UNUSUAL", 3)
    for number in range(5):
        (tmp_path / f"part{number}.dat").write_bytes(b"x" * 50)
        (tmp_path / f"table{number}.csv").write_text("a,b")
    assert "first 3 files" in scan(tmp_path).cut
    (tmp_path / "part4.dat").unlink()
    (tmp_path / "part3.dat").unlink()
    assert scan(tmp_path).cut == ""


@pytest.mark.parametrize("end", SUFFIXES)
def test_every_picture_that_a_task_can_use_is_found(end: str, tmp_path: Path) -> None:
    for split in ("train", "dev"):
        (tmp_path / "images" / split / "cat").mkdir(parents=True)
        (tmp_path / "images" / split / "cat" / f"a{end}").write_bytes(b"x")
    assert [(one.path.name, one.classes) for one in scan(tmp_path).images] == [("images", ("cat",))]


def test_links_out_of_the_folder_are_not_followed(authors: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    torch.save({"visual.proj": torch.ones(2)}, outside / "secret.pt")
    (authors / "folder").symlink_to(outside)
    (authors / "file.pt").symlink_to(outside / "secret.pt")
    (authors / "file.other").symlink_to(outside / "secret.pt")
    assert all(
        "secret" not in str(one.path) and one.path.name not in ("file.pt", "file.other")
        for one in scan(authors).checkpoints
    )


def test_a_scan_can_be_stopped_and_a_pipe_does_not_hold_it_up(authors: Path) -> None:
    os.mkfifo(authors / "pipe.pt")
    assert any(one.path.name == "pipe.pt" and one.problem for one in scan(authors).checkpoints)

    def stop() -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        scan(authors, Remembered(stop))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="should be a folder"):
        scan(tmp_path / "absent")


def test_lists_and_shards_are_sets_of_images(tmp_path: Path) -> None:
    from tests.core.test_shards_source import samples, tar

    for at in range(4):
        picture(tmp_path / f"pets/img/{at}.png")
        picture(tmp_path / f"flat/{at}.png")
    lines = "".join(f"img/{at}.png,{('cat', 'dog')[at % 2]}\n" for at in range(4))
    (tmp_path / "pets/list.csv").write_text(f"path,label\n{lines}")
    (tmp_path / "pets/numbers.txt").write_text("".join(f"img/{at}.png {at % 2}\n" for at in range(4)))
    (tmp_path / "pets/results.csv").write_text("file,accuracy\nmodel.pt,0.5\n")
    (tmp_path / "flat/paths.tsv").write_text("".join(f"{at}.png\n" for at in range(4)))
    for at in range(2):
        tar(tmp_path / f"one/{at:03}.tar", samples([at]))
        tar(tmp_path / f"split/{('train', 'test')[at]}/0.tar", samples(["cat", "dog"], "txt"))
        tar(tmp_path / f"several/eurosat-{at}.tar", samples([at]))
    tar(tmp_path / "several/mnist.tar", samples([0, 1]))
    tar(tmp_path / "several/backup.tar", [("notes.txt", b"x")])
    found = {str(one.path.relative_to(tmp_path)): one for one in scan(tmp_path).images}
    assert {name: (one.kind, one.classes, one.numbered) for name, one in found.items()} == {
        "flat/paths.tsv": ("list", (), False),
        "pets/list.csv": ("list", ("cat", "dog"), False),
        "pets/numbers.txt": ("list", (), True),
        "one": ("webdataset", (), True),
        "split": ("webdataset", ("cat", "dog"), False),
        "several/{eurosat-0.tar,eurosat-1.tar}": ("webdataset", (), True),
        "several/mnist.tar": ("webdataset", (), True),
    }
    named = {name: key(one.path, tmp_path) for name, one in found.items()}
    assert [named["pets/list.csv"], named["one"], named["several/mnist.tar"]] == ["pets", "one", "mnist"]

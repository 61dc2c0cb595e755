"""Zero-shot heads against open_clip's own text tower, and their cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core import remembered
from core.encoders.family import architecture
from core.errors import BadCheckpoint
from core.files import sha256
from core.problem import heads
from core.problem.heads import HeadBuilder
from tests.core.naive import Naive
from tests.tiny import CLASSES, make_suite

TEMPLATES = ["a patch of {}", "{}!", "my {} thing"]


@pytest.fixture
def builder(tiny_suite: Path, tmp_path: Path) -> Callable[[], HeadBuilder]:
    """Makes builders that share a cache, as one program after another does."""
    arch = architecture("config.json", tiny_suite.parent / "config.json")
    base = tiny_suite.parent / "base.safetensors"
    return lambda: HeadBuilder(arch, base, sha256(base), tmp_path / "cache")


def cached(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "heads").iterdir())


@pytest.mark.parametrize("templates", [TEMPLATES[:1], TEMPLATES])
def test_a_head_is_the_usual_zero_shot_head(
    templates: list[str], builder: Callable[[], HeadBuilder], naive: Naive
) -> None:
    found = builder().head(CLASSES, templates)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), naive.head(list(CLASSES), templates), rtol=0, atol=1e-5)


def test_rows_follow_the_classes(builder: Callable[[], HeadBuilder]) -> None:
    head, reversed_head = builder().head(CLASSES, TEMPLATES), builder().head(CLASSES[::-1], TEMPLATES)
    torch.testing.assert_close(reversed_head.flip(0), head, rtol=0, atol=1e-6)
    assert (head[0] - head[1]).abs().max() > 1e-3


@pytest.mark.slow
def test_braces_in_a_class_name_mean_nothing(builder: Callable[[], HeadBuilder], naive: Naive) -> None:
    names = ["{}", "{0.__class__}", "%s"]
    torch.testing.assert_close(
        builder().head(names, TEMPLATES).double(), naive.head(names, TEMPLATES), rtol=0, atol=1e-5
    )


@pytest.mark.slow
def test_more_classes_than_one_pass_takes(builder: Callable[[], HeadBuilder], naive: Naive) -> None:
    names = [f"thing {index}" for index in range(300)]
    found = builder().head(names, TEMPLATES[:1])
    expected = naive.head([names[0], names[255], names[256], names[299]], TEMPLATES[:1])
    torch.testing.assert_close(found[[0, 255, 256, 299]].double(), expected, rtol=0, atol=1e-5)


def test_the_scale_is_the_bases_own(tmp_path: Path) -> None:
    """× exp(logit_scale), whatever it is: here exp(5) > 100."""
    folder = make_suite(tmp_path).parent
    tensors = load_file(folder / "base.safetensors")
    save_file(tensors | {"logit_scale": torch.tensor(5.0)}, folder / "base.safetensors")
    arch = architecture("config.json", folder / "config.json")
    head = HeadBuilder(arch, folder / "base.safetensors", "x", tmp_path / "cache").head(CLASSES, TEMPLATES)
    torch.testing.assert_close(head.norm(dim=1), torch.full((4,), 5.0).exp(), rtol=1e-5, atol=0)


def test_a_cached_head_needs_no_text_tower(
    builder: Callable[[], HeadBuilder], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = builder().head(CLASSES, TEMPLATES)
    assert len(cached(tmp_path)) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("the text tower was loaded")

    monkeypatch.setattr(heads, "_text_tower", refuse)
    again = builder().head(CLASSES, TEMPLATES)
    assert torch.equal(again, first)
    # On some processors products of numbers that begin elsewhere in memory have other last bits.
    assert (again.data_ptr() % 64, first.data_ptr() % 64) == (0, 0)
    with pytest.raises(AssertionError, match="text tower"):
        builder().head(CLASSES, TEMPLATES[:1])


def written(file: Path, name: str, tensor: torch.Tensor) -> None:
    file.unlink()
    remembered.tensor(file, name, tuple(tensor.shape), lambda: tensor)


@pytest.mark.parametrize("damage", ["empty", "truncated", "noise", "another tensor", "another shape", "nan"])
def test_a_damaged_cache_file_is_made_again(damage: str, builder: Callable[[], HeadBuilder], tmp_path: Path) -> None:
    head = builder().head(CLASSES, TEMPLATES)
    (file,) = cached(tmp_path)
    whole = file.read_bytes()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "truncated":
            file.write_bytes(whole[:-5])
        case "noise":
            file.write_bytes(b"\xff" * 200)
        case "another tensor":
            written(file, "tail", head)
        case "another shape":
            written(file, "head", head[:2].contiguous())
        case "nan":
            written(file, "head", head * float("nan"))
    assert torch.equal(builder().head(CLASSES, TEMPLATES), head)
    assert file.read_bytes() == whole


@pytest.mark.slow
def test_the_cache_is_keyed_by_content(builder: Callable[[], HeadBuilder], tiny_suite: Path, tmp_path: Path) -> None:
    builder().head(CLASSES, TEMPLATES)
    builder().head(CLASSES[:2], TEMPLATES)
    builder().head(CLASSES, TEMPLATES[::-1])
    arch = architecture("config.json", tiny_suite.parent / "config.json")
    HeadBuilder(arch, tiny_suite.parent / "base.safetensors", "other weights", tmp_path / "cache").head(
        CLASSES, TEMPLATES
    )
    assert len(cached(tmp_path)) == 4


@pytest.mark.parametrize("change", ["missing", "shape", "gone"])
def test_a_base_without_a_whole_text_tower_is_named(change: str, tmp_path: Path) -> None:
    folder = make_suite(tmp_path).parent
    tensors = load_file(folder / "base.safetensors")
    if change == "missing":
        del tensors["ln_final.weight"]
    elif change == "shape":
        tensors["ln_final.weight"] = torch.ones(3)
    else:
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("visual.")}
    save_file(tensors, folder / "base.safetensors")
    arch = architecture("config.json", folder / "config.json")
    builder = HeadBuilder(arch, folder / "base.safetensors", "x", tmp_path / "cache")
    with pytest.raises(
        BadCheckpoint, match=r"`base\.safetensors` has no complete text tower.*needed to build the heads"
    ):
        builder.head(CLASSES, TEMPLATES)
    assert not (tmp_path / "cache").exists()

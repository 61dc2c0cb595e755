"""Pictures from people, what models say of them, and what a run gets wrong."""

from __future__ import annotations

import base64
import io
import json
import struct
import time
import zlib
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image

from core.errors import BadInput
from dashboard.pages.playground import answers, figures, pictures
from tests.dashboard.drawn import complete


def uri(raw: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(raw).decode()}"


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes whose header claims `side` × `side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_becomes_a_square_tensor(kind: str) -> None:
    image = Image.new("RGB", (40, 20), (200, 30, 30))
    found = pictures.read(uri(encoded(image, kind), kind.lower()), 32)
    assert found.shape == (1, 32, 32, 3)
    assert found.dtype == torch.uint8
    assert abs(found.float().mean((0, 1, 2)) - torch.tensor([200.0, 30, 30])).max() < 6


def test_the_middle_of_a_wide_picture_is_kept() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    assert pictures.read(uri(encoded(Image.fromarray(pixels))), 20).min() == 255


def test_transparent_pixels_are_white() -> None:
    assert pictures.read(uri(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))), 8).min() == 255


def test_a_photograph_taken_sideways_stands_upright() -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: top is right
    found = pictures.read(uri(encoded(Image.fromarray(pixels), "JPEG", quality=95, exif=exif), "jpeg"), 20)[0]
    assert found[:, 12:].float().mean() > 240
    assert found[:, :8].float().mean() < 15


@pytest.mark.parametrize("side", [6000, 12_000, 30_000, 65_000])
def test_image_bombs_are_refused_before_they_are_decoded(side: int) -> None:
    started = time.perf_counter()
    with pytest.raises(BadInput, match="million pixels"):
        pictures.read(uri(bomb(side)), 32)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "given",
    [None, 3, {}, "", "hello", "data:text/html;base64,PHNjcmlwdD4=", "data:image/png;base64,%%%", uri(b""),
     uri(b"\x89PNG\r\n\x1a\n"), uri(b"not an image"), uri(bomb(400)), uri(b"<svg onload='x()'/>", "svg+xml"),
     "file:///etc/passwd", "http://127.0.0.1/x.png"],
    ids=lambda given: str(given)[:24],
)  # fmt: skip
def test_what_is_no_picture_is_refused(given: object) -> None:
    with pytest.raises(BadInput):
        pictures.read(given, 32)


def test_large_files_are_refused() -> None:
    with pytest.raises(BadInput, match="kB"):
        pictures.read("data:image/png;base64," + "A" * (pictures.MOST_BYTES * 2), 32)


def test_pictures_for_the_page_are_png_data_uris() -> None:
    text = pictures.uri(torch.zeros(16, 16, 3, dtype=torch.uint8), 64)
    image = Image.open(io.BytesIO(base64.b64decode(text.removeprefix("data:image/png;base64,"))))
    assert image.size == (64, 64)


def test_the_most_probable_classes_come_first_and_the_true_one_is_always_there() -> None:
    classes = tuple("abcdefgh")
    found = answers.top(torch.tensor([8.0, 7, 6, 5, 4, 3, 2, 1]), classes, truth=7)
    assert [row["label"] for row in found] == ["a", "b", "c", "d", "h"]
    assert [row["true"] for row in found] == [False] * 4 + [True]
    assert found[0]["share"] == pytest.approx(0.6323, abs=1e-3)
    assert len(answers.top(torch.tensor([1.0, 2.0]), ("a", "b"))) == 2


def test_confusion_counts_true_classes_in_rows() -> None:
    found = answers.confusion(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 0]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_mistakes_are_those_that_only_the_expert_gets_right_surest_first() -> None:
    truth = torch.tensor([0, 0, 0, 1])
    merged = torch.tensor([[0.0, 1.0], [0.0, 3.0], [2.0, 0.0], [3.0, 0.0]])
    expert = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert answers.mistakes(truth, merged, expert) == [1, 0]


def test_samples_show_as_many_classes_as_possible() -> None:
    labels = torch.tensor([0] * 20 + [1] * 20 + [2] * 20)
    chosen = answers.spread(labels, 60, 6)
    assert sorted(labels[place].item() for place in chosen) == [0, 0, 1, 1, 2, 2]
    assert len(set(chosen)) == 6
    many = torch.arange(100)
    assert len({many[place].item() for place in answers.spread(many, 100, 10)}) == 10
    assert answers.spread(labels, 4, 6) == [0, 1, 2, 3]
    assert len(set(answers.spread(None, 100, 5))) == 5


@pytest.mark.parametrize("classes", [2, 10, 60])
@pytest.mark.parametrize("narrow", [False, True])
def test_plotly_accepts_the_confusion_matrix(classes: int, narrow: bool) -> None:
    names = [f"class <{place}>" for place in range(classes)]
    counts = torch.eye(classes, dtype=torch.int64) * 3
    counts[0, 0] = 0  # a class without an image
    figure = complete(figures.confusion(counts, names, narrow=narrow), "light")
    text = json.dumps(figure, allow_nan=False)
    assert "class <" not in text
    assert len(go.Figure(figure).data) == 1
    assert figure["data"][0]["z"][1][1] == 1
    assert len(figure["layout"]["xaxis"]["ticktext"]) <= max(classes, 36)


def answered(dashboard: Any, name: str, **args: Any) -> Any:
    """Ask until the answer is there, as the page does."""
    deadline = time.monotonic() + 120
    while "pending" in (answer := dashboard.call(name, **args)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


@pytest.mark.slow
def test_every_model_says_what_it_sees_in_a_test_image(dashboard_site: Any, short_run: str) -> None:
    owner = dashboard_site.owner()
    samples = answered(owner, "samples", run=short_run, task="task1")
    assert [task["name"] for task in samples["tasks"]] == ["task0", "task1", "task2"]
    image = samples["samples"][0]
    found = answered(owner, "classify", run=short_run, task="task1", index=image["index"])
    assert found["truth"] == image["label"]
    assert found["models"] == ["merged", "base", "task0", "task1", "task2"]
    for head in ("task0", "task1", "task2"):
        for model in found["models"]:
            rows = found["said"][head][model]
            assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-3)  # four classes, all shown
            assert sum(row["true"] for row in rows) == (head == "task1")


@pytest.mark.slow
def test_confusion_agrees_with_the_runs_report(dashboard_site: Any, short_run: str) -> None:
    found = answered(dashboard_site.owner(), "confusion", run=short_run, task="task0")
    report = dashboard_site.ctx.store.run(short_run).report
    task = next(task for task in report["tasks"] if task["name"] == "task0")
    assert found["correct"] / found["images"] == pytest.approx(task["accuracy"])
    assert found["expert_correct"] / found["images"] == pytest.approx(task["expert_accuracy"])
    assert len(found["mistakes"]) == min(found["only_expert"], answers.SHOWN)


def test_the_owners_own_picture_is_classified(dashboard_site: Any, short_run: str) -> None:
    picture = uri(encoded(Image.new("RGB", (50, 50), (220, 20, 20))))
    found = answered(dashboard_site.owner(), "classify_picture", run=short_run, picture=picture)
    assert found["truth"] is None
    assert set(found["said"]) == {"task0", "task1", "task2"}
    assert (
        "million pixels"
        in dashboard_site.owner().call("classify_picture", run=short_run, picture=uri(bomb(30_000)))["error"]
    )


@pytest.mark.slow
def test_viewers_click_offered_test_images_only_and_send_no_picture(dashboard_site: Any, short_run: str) -> None:
    viewer = dashboard_site.viewer(short_run)
    assert viewer.post("classify_picture", {"run": short_run}).status_code == 404
    offered = [image["index"] for image in answered(viewer, "samples", run=short_run, task="task0")["samples"]]
    other = next(place for place in range(32) if place not in offered)
    assert "Only the test images" in viewer.call("classify", run=short_run, task="task0", index=other)["error"]
    assert "said" in answered(viewer, "classify", run=short_run, task="task0", index=offered[0])


@pytest.mark.parametrize("index", [-1, True, "0", None, 1e9, 10**9, [0]])
def test_odd_image_numbers_are_refused(dashboard_site: Any, short_run: str, index: object) -> None:
    answer = answered(dashboard_site.owner(), "classify", run=short_run, task="task0", index=index)
    assert "`index` should be" in answer["error"]


@pytest.mark.parametrize("name", ["samples", "classify", "confusion", "classify_picture"])
@pytest.mark.parametrize("args", [{}, {"run": "0" * 12}, {"run": None, "task": "task0"}, {"run": ["x"]}])
def test_unknown_runs_are_refused(dashboard_site: Any, name: str, args: dict[str, Any]) -> None:
    assert "not here" in dashboard_site.owner().call(name, **args)["error"]


def test_unknown_tasks_are_refused(dashboard_site: Any, short_run: str) -> None:
    assert "Unknown task" in dashboard_site.owner().call("samples", run=short_run, task="<script>")["error"]

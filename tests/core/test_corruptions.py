"""Corruptions: pixel for pixel those of an independent package, and what their constants promise at both scales."""

from __future__ import annotations

import importlib
import itertools
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from core.errors import BadInput, UnknownName
from core.problem.stress.corruptions import CIFAR, IMAGENET, KINDS, SEVERITIES, corrupt, corrupt_one, scale_of


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture that uses the whole range."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random((height, width, 3)), (3, 3, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def package() -> Any:
    """The package `imagecorruptions`, which still asks for a module that setuptools has dropped."""
    stand_in = types.ModuleType("pkg_resources")
    stand_in.resource_filename = None  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setitem(sys.modules, "pkg_resources", stand_in)
        try:
            return importlib.import_module("imagecorruptions.corruptions")
        except ImportError as error:  # OpenCV needs libGL, which a bare server may lack.
            pytest.skip(f"imagecorruptions can't be imported: {error}")


@pytest.mark.slow
@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_equal_those_of_an_independent_package(kind: str, severity: int, package: Any) -> None:
    from PIL import Image

    image, constant = photo(224, 192), IMAGENET[kind][severity - 1]
    if kind == "impulse_noise":
        # The package draws from a generator without a seed here, and from the global one elsewhere.
        noisy = package.sk.util.random_noise(image / 255, mode="s&p", amount=constant, rng=np.random.default_rng(7))
        expected, draws = np.uint8(noisy * 255), np.random.default_rng(7)
    else:
        np.random.seed(7)
        expected, draws = np.uint8(getattr(package, kind)(Image.fromarray(image), severity)), np.random.RandomState(7)
    found = corrupt_one(image, kind, constant, draws)  # type: ignore[arg-type]
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1  # Rounding in float32 there, in float64 here.
    assert (difference > 0).mean() < 1e-3
    assert np.abs(expected.astype(int) - image).mean() > 0.3


@pytest.mark.parametrize(("side", "table"), [(32, CIFAR), (224, IMAGENET)])
def test_noise_has_the_published_strength(side: int, table: dict[str, Any]) -> None:
    grey = np.full((4, side, side, 3), 128, np.uint8)
    for severity in SEVERITIES:
        noise = corrupt(grey, "gaussian_noise", severity).astype(float) / 255
        expected = table["gaussian_noise"][severity - 1]
        inside = noise[(noise > 0) & (noise < 1)]
        assert len(inside) > 0.7 * noise.size
        if expected <= 0.12:  # Above, the ends of the range cut off too much to measure it so simply.
            assert noise.std() == pytest.approx(expected, rel=0.05)
        share = (corrupt(grey, "impulse_noise", severity) != 128).mean()
        assert share == pytest.approx(table["impulse_noise"][severity - 1], rel=0.15)


@pytest.mark.parametrize(("side", "table"), [(32, CIFAR), (224, IMAGENET)])
def test_contrast_and_resolution_fall_as_published(side: int, table: dict[str, Any]) -> None:
    image = photo(side, side)
    for severity in SEVERITIES:
        flat = corrupt(image[None], "contrast", severity)[0].astype(float)
        assert flat.std(axis=(0, 1)) == pytest.approx(
            image.std(axis=(0, 1)) * table["contrast"][severity - 1], rel=0.1, abs=0.4
        )
        blocks = corrupt(image[None], "pixelate", severity)[0]
        rows = 1 + (np.abs(np.diff(blocks.astype(int), axis=0)).sum(axis=(1, 2)) > 0).sum()
        assert rows == int(side * table["pixelate"][severity - 1])


def test_motion_blur_keeps_the_light_and_smears_sideways() -> None:
    dot = np.zeros((1, 64, 64, 3), np.uint8)
    dot[0, 32, 32] = 255
    before = np.zeros((1, 128, 128, 3), np.uint8)
    before[0, 60:68, 60:68] = 255
    for severity in SEVERITIES:
        wide = corrupt(dot, "motion_blur", severity)[0, ..., 0]
        columns = np.flatnonzero(wide.sum(axis=0))
        assert columns[-1] == 32  # Half a Gaussian: all of it on one side.
        assert columns[0] < 32
        blurred = corrupt(before, "motion_blur", severity).astype(float)
        assert blurred.sum() == pytest.approx(before.astype(float).sum(), rel=0.05)


def test_jpeg_is_that_of_pillow_at_the_published_quality() -> None:
    import io

    from PIL import Image

    for side, table in ((32, CIFAR), (96, IMAGENET)):
        image = photo(side, side)
        for severity, quality in zip(SEVERITIES, table["jpeg_compression"], strict=True):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "JPEG", quality=quality)
            expected = np.asarray(Image.open(buffer))
            assert np.array_equal(corrupt(image[None], "jpeg_compression", severity)[0], expected)


@pytest.mark.parametrize("side", [32, 96])
@pytest.mark.parametrize("kind", KINDS)
def test_each_severity_is_stronger_and_the_input_stays(kind: str, side: int) -> None:
    images = np.stack([photo(side, side, seed) for seed in range(4)])
    before = images.copy()
    distances = [np.abs(corrupt(images, kind, s, seed=3).astype(float) - images).mean() for s in SEVERITIES]
    assert np.array_equal(images, before)
    assert distances[0] > 0
    if kind != "spatter":  # From water to mud its distance need not grow.
        # Blurs of radius 6 and 8 at one σ hardly differ: a pixel between two levels goes either way.
        assert all(later >= earlier - 0.001 for earlier, later in itertools.pairwise(distances))


@pytest.mark.parametrize("kind", KINDS)
def test_seed_and_place_decide_and_nothing_else(kind: str) -> None:
    images = np.repeat(photo(40, 32)[None], 3, axis=0)
    found = corrupt(images, kind, 3, seed=5)
    assert np.array_equal(found, corrupt(images, kind, 3, seed=5))
    assert np.array_equal(found[:2], corrupt(images[:2], kind, 3, seed=5))
    assert (found.dtype, found.shape) == (np.uint8, images.shape)
    drawn = kind in ("motion_blur", "impulse_noise", "gaussian_noise", "spatter")
    assert np.array_equal(found, corrupt(images, kind, 3, seed=6)) is not drawn
    assert np.array_equal(found[0], found[1]) is not drawn


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (16, 16)])
def test_tiny_images_are_no_special_case(kind: str, size: tuple[int, int]) -> None:
    images = np.full((2, *size, 3), 77, np.uint8)
    for severity in SEVERITIES:
        assert corrupt(images, kind, severity).shape == images.shape


def test_the_scale_follows_the_shorter_side() -> None:
    assert [scale_of(32, 32), scale_of(64, 500), scale_of(65, 70), scale_of(224, 224)] == [
        "CIFAR-10-C", "CIFAR-10-C", "ImageNet-C", "ImageNet-C",
    ]  # fmt: skip


WRONG: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: corrupt(photo(32, 32)[None], "fog", 1), UnknownName, "corruption `fog`.*motion_blur"),
    (lambda: corrupt(photo(32, 32)[None], "contrast", 6), BadInput, "`severity`.*Found 6"),
    (lambda: corrupt(photo(32, 32), "contrast", 1), BadInput, r"uint8 \[N, H, W, 3\].*\[32, 32, 3\]"),
    (lambda: corrupt(photo(32, 32)[None] / 255, "contrast", 1), BadInput, "Found float64"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_another_kind_severity_or_form_is_refused(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()

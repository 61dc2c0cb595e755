"""The colour scales, measured: equal steps in OKLab, lightness in order, also for colour-blind eyes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dashboard.charts import bundle, palette

_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Viénot, Brettel and Mollon (1999): linear RGB as seen without red or without green cones.
_SEEN = {
    "protanopia": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deuteranopia": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


def linear(colour: str) -> np.ndarray:
    raw = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(raw <= 0.04045, raw / 12.92, ((raw + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    return _LAB @ np.cbrt(_LMS @ np.clip(rgb, 0, None))


def steps(colours: tuple[str, ...], seen: np.ndarray | None = None) -> np.ndarray:
    look = np.eye(3) if seen is None else seen
    return np.stack([oklab(look @ linear(colour)) for colour in colours])


@pytest.mark.parametrize("theme", palette.THEMES)
@pytest.mark.parametrize("scale", ["sequential", "diverging"])
def test_neighbouring_colours_are_equally_far_apart(theme, scale) -> None:
    lab = steps(getattr(palette.THEMES[theme], scale))
    distance = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert distance.max() / distance.min() < 1.15


@pytest.mark.parametrize("theme", palette.THEMES)
@pytest.mark.parametrize("eyes", ["all", *_SEEN])
def test_lightness_alone_orders_the_sequential_scale(theme, eyes) -> None:
    lightness = steps(palette.THEMES[theme].sequential, _SEEN.get(eyes))[:, 0]
    change = np.diff(lightness) if theme == "dark" else -np.diff(lightness)
    assert (change > 0.03).all()


@pytest.mark.parametrize("theme", palette.THEMES)
@pytest.mark.parametrize("eyes", _SEEN)
def test_ends_of_the_diverging_scale_differ_for_colour_blind_eyes(theme, eyes) -> None:
    lab = steps(palette.THEMES[theme].diverging, _SEEN[eyes])
    assert np.linalg.norm(lab[0] - lab[-1]) > 0.1


def test_browser_gets_the_same_numbers() -> None:
    script = bundle.files()["viewer.js"].plain.decode()
    sent = json.JSONDecoder().raw_decode(script.split("const palette = ")[1])[0]
    assert [colour for _, colour in sent["themes"]["dark"]["sequential"]] == list(palette.DARK.sequential)
    assert sent["config"]["showSendToCloud"] is False
    assert sent["config"]["plotlyServerURL"] == ""
    assert sent["config"]["displaylogo"] is False

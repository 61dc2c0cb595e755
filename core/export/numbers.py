"""Numbers as people read them; a dash where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence


def percent(fraction: float | None) -> str:
    """`0.8125` -> `81.2 %`."""
    return "–" if fraction is None else f"{100 * fraction:.1f} %"


def hundredths(fraction: float | None) -> str:
    """`0.8125` -> `81.2`, where the unit stands elsewhere."""
    return number(None if fraction is None else 100 * fraction, 1)


def interval(bounds: Sequence[float] | None) -> str:
    """Both ends of an interval of fractions: `79.1–83.2`."""
    return "–" if not bounds else "–".join(map(hundredths, bounds))


def number(value: float | None, digits: int = 2) -> str:
    """A plain number."""
    return "–" if value is None else f"{value:.{digits}f}"

"""Numbers inside sentences."""

from __future__ import annotations

from core.statistics import Estimate


def signed(value: Estimate) -> str:
    """A difference of fractions in points, with its interval where it has one."""
    text = f"{100 * value.mean:+.1f}"
    if value.low is None or value.high is None:
        return text
    return f"{text} ({100 * value.low:+.1f} to {100 * value.high:+.1f}, {value.n} seeds)"


def percent(value: Estimate) -> str:
    """A fraction in per cent."""
    return f"{100 * value.mean:.1f} %"

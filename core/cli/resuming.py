"""Going on with a stored run: the same suite, tasks, settings and precision as when it began."""

from __future__ import annotations

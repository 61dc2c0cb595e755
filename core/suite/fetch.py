"""Everything that a suite takes from the hub: checkpoints and data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import constants

from core.hub.download import CHUNK, fetch, fetch_dataset, missing_bytes, plan, require_space
from core.hub.listing import HubReference, is_hub
from core.progress import SILENT, Progress
from core.suite.find import SuiteFile
from core.tasks.sources import HubData


def fetch_suite(
    suite: SuiteFile,
    tasks: Sequence[str] | None = None,
    *,
    progress: Progress = SILENT,
    endpoint: str | None = None,
) -> int:
    """Fetch what is missing of a suite, or of those of its tasks that are named; returns how many bytes that was.

    Sizes and disk space come first. Raises as `plan` and `fetch` of `core.hub.download`.
    """
    models = plan(_models(suite, tasks), endpoint)
    sets = [data for data in _sets(suite, tasks) if data.snapshot() is None]
    sizes = [missing_bytes(*data.address, endpoint) for data in sets]
    require_space(sum(sizes), Path(constants.HF_HUB_CACHE))
    fetch(models, progress, endpoint)
    for data, size in zip(sets, sizes, strict=True):
        progress.start(f"Fetching {data.dataset} (MiB)", -(-size // CHUNK))
        fetch_dataset(*data.address, progress, endpoint)
        progress.finish()
    return sum(each.remaining for each in models) + sum(sizes)


def _models(suite: SuiteFile, tasks: Sequence[str] | None) -> list[HubReference]:
    chosen = [task for task in suite.entry.tasks if tasks is None or task.name in tasks]
    named = [suite.entry.base.weights, *(task.expert.weights for task in chosen if task.expert)]
    return [HubReference.parse(name) for name in dict.fromkeys(named) if is_hub(name)]


def _sets(suite: SuiteFile, tasks: Sequence[str] | None) -> list[HubData]:
    found = [task.data for task in suite.entry.tasks if tasks is None or task.name in tasks]
    return [data for data in found if isinstance(data, HubData) and data.dataset is not None]

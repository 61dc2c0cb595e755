"""`fetch`: what a published suite needs from the hub, once and before it is used."""

from __future__ import annotations

from core.cli import options
from core.cli.output import print_json, shown, tell


def fetch(suite: options.SuiteName, tasks: options.Tasks = None, as_json: options.Json = False) -> None:
    """Fetch the checkpoints of SUITE from the Hugging Face hub; an interrupted one continues where it stopped."""
    from core.cli.loading import suite_and_tasks
    from core.suite.fetch import fetch_suite

    file, chosen = suite_and_tasks(suite, tasks)
    with shown() as progress:
        fetched = fetch_suite(file, chosen, progress=progress)
    if as_json:
        print_json({"suite": file.name, "fetched_bytes": fetched, "missing": file.missing()})
        return
    tell(f"Suite {file.name}: {f'{fetched / 2**20:,.0f} MiB fetched' if fetched else 'all checkpoints are here'}.")
    for line in file.missing():
        tell(f"Still missing: {line}.")

"""Where a repository's files lie: in Mergescope's own folder, or in the hub library's cache."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from core.hub.listing import HubListing, weights_complete
from core.hub.reference import HubReference
from core.paths import home

LISTING = "listing.json"


def repository(reference: HubReference) -> Path:
    """The folder of all revisions of a repository."""
    return home() / "hub" / reference.repo.replace("/", "--")


def commit_of(reference: HubReference) -> str | None:
    """The commit that a fetched revision stands for; None where it was never fetched."""
    try:
        return (repository(reference) / "revisions" / reference.revision).read_text("utf-8").strip()
    except OSError:
        return None


def local_folder(reference: HubReference) -> Path | None:
    """The folder with the complete checkpoint; None where it has to be fetched first. Opens no connection."""
    if commit := commit_of(reference):
        folder = repository(reference) / commit
        listing = HubListing.read(folder / LISTING)
        if listing is not None and listing.complete_in(folder):
            return folder
    # FusionBench and transformers keep what they fetched there: the same files need not be fetched twice.
    cached = try_to_load_from_cache(reference.repo, "config.json", revision=reference.revision)
    if isinstance(cached, str) and weights_complete(Path(cached).parent):
        return Path(cached).parent
    return None


def location(reference: HubReference) -> Path:
    """The folder with the checkpoint, or the one where it will be once it is fetched."""
    return local_folder(reference) or repository(reference) / (commit_of(reference) or "not-fetched")

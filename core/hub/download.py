"""Fetching: sizes and disk space first, then file by file, going on where an earlier attempt stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, get_session, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    DryRunError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.errors import HTTPError as TransportError
from huggingface_hub.utils import OfflineModeIsEnabled, build_hf_headers, hf_raise_for_status
from tqdm import tqdm

from core.errors import BadInput, MergescopeError
from core.files import sha256, write_text
from core.hub.listing import LISTING, HubFile, HubListing, HubReference, choose, local_folder, repository
from core.paths import home
from core.progress import SILENT, Progress

CHUNK = 2**20
ATTEMPTS = 5
"""Times a file that breaks off is asked for again within one fetch."""
SPARE = 256 * 2**20
"""Bytes of disk space that are left alone."""


@dataclass(frozen=True)
class Wanted:
    """One checkpoint to fetch."""

    reference: HubReference
    listing: HubListing
    remaining: int
    """Bytes that are not on disk yet."""


def plan(references: Sequence[HubReference], endpoint: str | None = None) -> list[Wanted]:
    """What has to be fetched of `references`, with sizes, asked from the hub.

    Raises `BadInput` for a repository or revision that is not there or not open to this person, `MergescopeError` where
    the hub can't be reached.
    """
    missing = [reference for reference in dict.fromkeys(references) if local_folder(reference) is None]
    wanted = []
    for reference in missing:
        listing = _list(reference, endpoint)
        folder = repository(reference) / listing.commit
        wanted.append(Wanted(reference, listing, listing.bytes - sum(_present(folder, f) for f in listing.files)))
    return wanted


def fetch(wanted: Sequence[Wanted], progress: Progress = SILENT, endpoint: str | None = None) -> list[Path]:
    """Fetch what `plan` found; progress counts MiB, and may raise to stop after any of them.

    What is on disk when it stops is used by the next attempt. Raises `BadInput` where the disk is too small,
    `MergescopeError` where the connection fails for good or a file arrives damaged.
    """
    if wanted:
        require_space(sum(each.remaining for each in wanted), home() / "hub")
    folders = []
    for each in wanted:
        folder = repository(each.reference) / each.listing.commit
        progress.start(f"Fetching {each.reference.repo} (MiB)", -(-each.remaining // CHUNK))
        for file in each.listing.files:
            with explained(each.reference.repo, each.reference.revision):
                _fetch_file(each.listing, file, folder, progress, endpoint)
        write_text(folder / LISTING, each.listing.dump())
        write_text(repository(each.reference) / "revisions" / each.reference.revision, each.listing.commit)
        progress.finish()
        folders.append(folder)
    return folders


def _list(reference: HubReference, endpoint: str | None) -> HubListing:
    with explained(reference.repo, reference.revision):
        info = HfApi(endpoint=endpoint).model_info(reference.repo, revision=reference.revision, files_metadata=True)
    files = [HubFile(s.rfilename, s.size or 0, s.lfs.sha256 if s.lfs else None) for s in info.siblings or ()]
    return choose(reference.repo, str(info.sha), [file for file in files if Path(file.name).name == file.name])


def _present(folder: Path, file: HubFile) -> int:
    for path in (folder / file.name, _part(folder, file)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _part(folder: Path, file: HubFile) -> Path:
    return folder / f"{file.name}.part"


def require_space(needed: int, folder: Path) -> None:
    """Raise `BadInput` unless `needed` bytes fit on the disk of `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise BadInput(
            f"Fetching needs {needed / 2**30:.1f} GiB on the disk of `{folder}`. Found {free / 2**30:.1f} GiB "
            "free. Make room, or move the folder with MERGESCOPE_HOME or HF_HOME."
        )


def _fetch_file(listing: HubListing, file: HubFile, folder: Path, progress: Progress, endpoint: str | None) -> None:
    path, part = folder / file.name, _part(folder, file)
    if path.is_file() and path.stat().st_size == file.size:
        return
    folder.mkdir(parents=True, exist_ok=True)
    address = hf_hub_url(listing.repo, file.name, revision=listing.commit, endpoint=endpoint)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _stream(address, part, file.size, progress)
        except HfHubHTTPError:
            raise  # The server's own answer: asking again would be told the same.
        except TransportError:
            if attempt == ATTEMPTS:
                raise
        if part.stat().st_size == file.size:
            break
    _verify(part, file, listing)
    part.replace(path)


def _stream(address: str, part: Path, size: int, progress: Progress) -> None:
    """Append to `part` what it lacks."""
    begin = part.stat().st_size if part.is_file() else 0
    if begin > size:  # Left over from something else.
        part.unlink()
        begin = 0
    if begin == size:
        part.touch()
        return
    headers = build_hf_headers() | ({"Range": f"bytes={begin}-"} if begin else {})
    with get_session().stream("GET", address, headers=headers, follow_redirects=True) as response:
        hf_raise_for_status(response)
        # A server that does not know ranges answers 200 with the whole file.
        with part.open("ab" if response.status_code == 206 else "wb") as out:
            for chunk in response.iter_bytes(CHUNK):
                if out.tell() + len(chunk) > size:
                    break  # More than was announced: the check of the hash refuses it.
                out.write(chunk)
                progress.advance()


def _verify(part: Path, file: HubFile, listing: HubListing) -> None:
    found = part.stat().st_size
    if found != file.size or (file.sha256 and sha256(part) != file.sha256):
        if found >= file.size:
            part.unlink()  # Complete but wrong: going on from it would never end well.
        raise MergescopeError(
            f"`{file.name}` of `{listing.repo}` should be {file.size} bytes with the hub's SHA-256. Found {found} bytes"
            f"{'' if found < file.size else ' of other content'}. Fetch again."
        )


@contextmanager
def explained(repo: str, revision: str) -> Iterator[None]:
    """Turn the hub library's exceptions into one line for a person."""
    try:
        yield
    except RevisionNotFoundError:
        raise BadInput(f"`{repo}` on the hub has no revision `{revision}`.") from None
    except GatedRepoError:
        raise BadInput(
            f"`{repo}` is gated on the hub: accept its terms on its page, then set HF_TOKEN to your token."
        ) from None
    except RepositoryNotFoundError:
        raise BadInput(f"`{repo}` was not found on the hub. If it is private, set HF_TOKEN to your token.") from None
    except HfHubHTTPError as error:
        raise MergescopeError(f"The hub refused `{repo}`: {str(error).splitlines()[0]}.") from None
    except OfflineModeIsEnabled:
        raise BadInput(f"`{repo}` should be fetched, but HF_HUB_OFFLINE=1 forbids it. Unset it.") from None
    except (TransportError, ConnectionError, DryRunError, LocalEntryNotFoundError) as error:
        raise MergescopeError(
            f"The hub can't be reached for `{repo}`: {type(error).__name__}. Check the connection and fetch again; "
            "what has arrived is kept."
        ) from None


def local_dataset(dataset: str, revision: str, patterns: Sequence[str]) -> Path | None:
    """The folder with a data set's tables; None where they are not all on this machine. Opens no connection."""
    try:
        return Path(_snapshot(dataset, revision, patterns, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def missing_bytes(dataset: str, revision: str, patterns: Sequence[str], endpoint: str | None = None) -> int:
    """Bytes that have to be fetched, asked from the hub; raises as `core.hub.download.plan`."""
    with explained(dataset, revision):
        files = _snapshot(dataset, revision, patterns, dry_run=True, endpoint=endpoint)
    return sum(file.file_size for file in files if file.will_download)


def fetch_dataset(
    dataset: str, revision: str, patterns: Sequence[str], progress: Progress, endpoint: str | None = None
) -> None:
    """Fetch the tables; files that are complete are kept when it stops. Raises as `core.hub.download.fetch`."""
    with explained(dataset, revision):
        _snapshot(dataset, revision, patterns, tqdm_class=_bar(progress), endpoint=endpoint)


def _snapshot(dataset: str, revision: str, patterns: Sequence[str], **how: Any) -> Any:
    return snapshot_download(dataset, repo_type="dataset", revision=revision, allow_patterns=list(patterns), **how)


def _bar(progress: Progress) -> type[Any]:
    """What the hub's library draws as bars, told to `progress` in MiB instead."""

    class _DownloadBar(tqdm):  # type: ignore[misc]  # tqdm has no annotations
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "file": StringIO(), "disable": False})
            # Bytes that arrive are counted in a second bar before they are put together.
            self._counts = kwargs.get("unit") == "B" and kwargs.get("desc") != "Downloading bytes"
            self._told = 0

        def update(self, n: float | None = 1) -> Any:
            progress.advance(0)
            done = super().update(n)
            if self._counts and (whole := int(self.n) // CHUNK) > self._told:
                progress.advance(whole - self._told)
                self._told = whole
            return done

    return _DownloadBar

"""Checkpoints of the Hugging Face hub: where they lie on disk, and fetching them when a person asks for it.

Nothing here is called by a run: a run only reads what is on disk already.
"""

from core.hub.download import Wanted, fetch, plan
from core.hub.folder import local_folder
from core.hub.reference import PREFIX, HubReference, is_hub

__all__ = ["PREFIX", "HubReference", "Wanted", "fetch", "is_hub", "local_folder", "plan"]

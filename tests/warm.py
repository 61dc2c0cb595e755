"""What a process that others fork from has imported: seconds, once and not in each of them."""

from __future__ import annotations

import gc

import open_clip  # noqa: F401
import pandas  # noqa: F401
import torch

import dashboard.app
import dashboard.pages.studies.file  # noqa: F401
import launch  # noqa: F401
import tests.dashboard.shapes  # noqa: F401
from core import methods, studies

torch.set_num_threads(1)
methods.names(), studies.names()
gc.collect()
gc.freeze()

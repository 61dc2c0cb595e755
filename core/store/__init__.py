"""Runs on disk: one SQLite database (WAL) and safetensors artefacts."""

from core.errors import CannotWrite
from core.store.execution import Edit, Execution, WhatIf
from core.store.faults import Damaged
from core.store.records import ACTIVE, STATUSES, EvaluationRecord, RunRecord, StepRecord, StudyRecord
from core.store.store import Store

__all__ = [
    "ACTIVE",
    "STATUSES",
    "CannotWrite",
    "Damaged",
    "Edit",
    "EvaluationRecord",
    "Execution",
    "RunRecord",
    "StepRecord",
    "Store",
    "StudyRecord",
    "WhatIf",
]

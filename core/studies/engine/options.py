"""What a person may choose of a study."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from core.settings import Settings, setting

MAX_SEEDS = 50


class StudyOptions(Settings):
    """Options that every study has; None means the study's own choice."""

    tasks: tuple[str, ...] | None = setting(None, "Only these tasks.", source="all tasks of the suite")
    methods: tuple[str, ...] | None = setting(None, "Only these methods.", source="the study's own choice")
    seeds: tuple[int, ...] | None = setting(None, "Seeds of what is random.", source="the study's own choice")
    quick: bool = setting(False, "Fewer steps, seeds and values, for a first look.", source="Mergescope")
    settings: dict[str, Any] = setting({}, "Settings of the methods that have them.", source="suite and method")
    device: str = setting("auto", "Where everything is computed.", source="Mergescope")
    precision: str = setting("auto", "Number format of forward and backward pass.", source="Mergescope")

    @field_validator("seeds")
    @classmethod
    def _few_different_seeds(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not 0 < len(value) <= MAX_SEEDS or len(set(value)) < len(value) or min(value) < 0):
            raise ValueError(f"1 to {MAX_SEEDS} different numbers from 0")
        return value

    @field_validator("tasks", "methods")
    @classmethod
    def _different_names(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError("at least one name, each once")
        return value

"""What an adapter's configuration says: options that are refused, and the scale of each module."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from typing import Any

from core.errors import BadCheckpoint

UNSUPPORTED = {
    "lora_bias": "a bias of its own",
    "trainable_token_indices": "trained tokens",
    "megatron_config": "Megatron's layers",
    "alora_invocation_tokens": "activated LoRA",
    "arrow_config": "Arrow routing",
    "use_bdlora": "block-diagonal LoRA",
    "use_qalora": "QALoRA",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
    "layer_replication": "repeated layers",
    "target_parameters": "parameters adapted by name (`target_parameters`)",
}
"""Options of PEFT that change what an adapter does and are refused by name when they are set."""
OTHER_BASES = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""How `init_lora_weights` begins where the adapter belongs to a base that was changed before training."""

LARGEST = 2**31
PLAIN = re.compile(r"\^?[\w.\-]+")
SIMPLE = re.compile(r"(?:(?:[\w.\-]|\\[.dw\-]|\[[\w\-]+\])[*+?]?|\((?:\?:)?[\w.|\\\-]*\)|[\^$])*")
"""Regular expressions that Python evaluates quickly: nothing repeats a group."""
MOST_REPEATS = 3
LONGEST = 200
"""Characters of a pattern, and of a module's name that one is tried on."""
PATIENCE = 10.0
"""Seconds for all patterns of one adapter; those of real ones take milliseconds."""


def check(file: str, config: Mapping[str, Any]) -> None:
    """Raise `BadCheckpoint` for whatever is not LoRA or DoRA, by name."""
    if config.get("peft_type") != "LORA":
        raise BadCheckpoint(
            f"`{file}` should be a LoRA adapter. Found peft_type {str(config.get('peft_type'))[:40]!r}."
        )
    found = [told for key, told in UNSUPPORTED.items() if config.get(key)]
    if config.get("bias", "none") != "none":
        found.append(f"bias {str(config['bias'])[:20]!r}")
    if (start := str(config.get("init_lora_weights")).lower()).startswith(OTHER_BASES):
        found.append(f"a base that its start changed (`init_lora_weights` {start[:20]!r})")
    if found:
        raise BadCheckpoint(
            f"`{file}` should be a plain LoRA adapter. Found {', '.join(found)}. Merge it into its model with PEFT "
            "first."
        )


class Scales:
    """lora_alpha / r of each module, or lora_alpha / √r where it is rank-stabilised."""

    def __init__(self, file: str, config: Mapping[str, Any]) -> None:
        self._file, self._config = file, config
        self._until = time.monotonic() + PATIENCE

    def of(self, module: str, found: tuple[int, ...]) -> float:
        """The scale of a module whose A has the shape `found`; raises `BadCheckpoint` unless that agrees with r."""
        rank, alpha = self._value("rank_pattern", module, "r"), self._value("alpha_pattern", module, "lora_alpha")
        if (
            type(rank) is not int
            or type(alpha) not in (int, float)
            or not (0 < rank < LARGEST and abs(alpha) < LARGEST)
        ):
            raise BadCheckpoint(f"`{self._file}` should give r and lora_alpha as numbers in its configuration.")
        if len(found) < 2 or found[0] != rank:
            raise BadCheckpoint(
                f"`{self._file}`: lora_A of `{module[:120]}` should have {rank} rows. Found shape {list(found)}."
            )
        return float(alpha / (math.sqrt(rank) if self._config.get("use_rslora") else rank))

    def _value(self, key: str, module: str, usual: str) -> Any:
        """What the first pattern that fits this module gives it."""
        patterns = self._config.get(key) or {}
        if not isinstance(patterns, dict):
            raise BadCheckpoint(f"`{self._file}` should map names to numbers in `{key}`.")
        for pattern, value in patterns.items():
            if self._fits(pattern, module):
                return value
        return self._config.get(usual)

    def _fits(self, pattern: str, module: str) -> bool:
        """Whether a pattern is a module's name or its end after a dot.

        PEFT takes patterns for regular expressions, which a file could make run for ever.
        """
        if time.monotonic() > self._until:
            raise BadCheckpoint(f"`{self._file}` gives more patterns than can be tried on its modules.")
        if PLAIN.fullmatch(pattern):
            return module == pattern.removeprefix("^") or module.endswith(f".{pattern}")
        repeats = pattern.count("*") + pattern.count("+")
        try:
            if max(len(pattern), len(module)) <= LONGEST and repeats <= MOST_REPEATS and SIMPLE.fullmatch(pattern):
                return re.match(rf"(.*\.)?({pattern})$", module) is not None
        except re.error:
            pass
        raise BadCheckpoint(
            f"`{self._file}` should give the names of modules, or simple patterns, in its configuration. Found "
            f"{pattern[:60]!r}. Write the names out."
        )

"""`similarity`: how the task vectors of a suite relate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from core.cli import loading, options
from core.cli.output import print_json, print_table
from core.export.numbers import number

if TYPE_CHECKING:
    from torch import Tensor

    from core.insight.similarity import Relation, Similarity


def similarity(
    suite: options.SuiteName,
    tasks: options.Tasks = None,
    as_json: options.Json = False,
) -> None:
    """Cosine similarity of SUITE's task vectors, overall and per block, their norms and sign conflicts."""
    file, subset = loading.suite_and_tasks(suite, tasks)
    # With a size of micro-batches given, the model is not built, as it need not compute.
    vectors = loading.load(file, subset, "cpu", "float32", micro_batch=1).task_vectors

    from core.insight.similarity import ALL
    from core.insight.similarity import similarity as compute

    found = compute(vectors)
    if as_json:
        blocks = {group: _plain(relation) for group, relation in found.groups.items() if group != ALL}
        print_json({"suite": file.name, "tasks": list(found.tasks), **_plain(found.overall), "per_block": blocks})
    else:
        _print(file.name, found)


def _plain(relation: Relation) -> dict[str, Any]:
    return {
        "cosine": _numbers(relation.cosine),
        "norms": _numbers(relation.norms),
        "sign_conflict": _numbers(relation.conflict),
    }


def _numbers(values: Tensor) -> list[Any]:
    """Nested lists; None, which JSON has, for NaN, which it has not (a task vector that is zero in a block)."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [None if math.isnan(value) else value for value in values.tolist()]


def _print(suite: str, found: Similarity) -> None:
    columns = ["", *(f">{task}" for task in found.tasks)]
    for group, relation in found.groups.items():
        title = f"Cosine similarity of the task vectors of {suite}, {group}"
        print_table(title, columns, _rows(found.tasks, _numbers(relation.cosine), 3))
    norms = [_numbers(relation.norms) for relation in found.groups.values()]
    print_table("Norms of the task vectors", columns, _rows(found.groups, norms, 4))
    title = "Share of parameters that two task vectors move in opposite directions"
    print_table(title, columns, _rows(found.tasks, _numbers(found.overall.conflict), 3))


def _rows(names: Any, values: list[list[float | None]], digits: int) -> list[list[str]]:
    return [[name, *(number(value, digits) for value in row)] for name, row in zip(names, values, strict=True)]

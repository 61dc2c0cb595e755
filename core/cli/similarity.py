"""`similarity`: how the task vectors of a suite relate."""

from __future__ import annotations

from core.cli import loading, options
from core.cli.output import number, print_json, print_table


def similarity(
    suite: options.SuiteName,
    tasks: options.Tasks = None,
    as_json: options.Json = False,
) -> None:
    """Cosine similarity of SUITE's task vectors, overall and per block, their norms and sign conflicts."""
    file, subset = loading.suite_and_tasks(suite, tasks)
    problem = loading.load(file, subset, "cpu", "float32")

    from core.similarity import similarity as compute

    found = compute(problem.task_vectors)
    data = {
        "suite": file.name,
        "tasks": list(found.tasks),
        "cosine": found.cosine.tolist(),
        "per_block": {group: matrix.tolist() for group, matrix in found.per_group.items()},
        "norms": {group: values.tolist() for group, values in found.norms.items()},
        "sign_conflict": found.sign_conflict.tolist(),
    }
    if as_json:
        print_json(data)
        return
    names = data["tasks"]
    columns = ["task", *(f">{name}" for name in names)]
    print_table(
        f"Cosine similarity of the task vectors of {file.name}", columns, _rows(names, data["cosine"], 3)
    )
    for group, matrix in data["per_block"].items():
        print_table(f"Cosine similarity in {group}", columns, _rows(names, matrix, 3))
    print_table(
        "Norms of the task vectors",
        ["group", *columns[1:]],
        _rows(list(data["norms"]), data["norms"].values(), 4),
    )
    print_table(
        "Share of parameters that two tasks move in opposite directions",
        columns,
        _rows(names, data["sign_conflict"], 3),
    )


def _rows(names: list[str], values: object, digits: int) -> list[list[str]]:
    return [
        [name, *(number(value, digits) for value in row)] for name, row in zip(names, values, strict=True)
    ]

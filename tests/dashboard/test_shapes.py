"""What a browser is answered has the shape that its question declares."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

import dashboard
from dashboard.door import Done, Question
from tests.dashboard import declared


class Desk:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def ask(self) -> Done:
        return cast("Done", self.answer)


@pytest.mark.parametrize("answer", [{}, {"ok": "yes"}, {"ok": None}])
def test_an_answer_of_another_shape_is_noticed(answer: dict[str, Any]) -> None:
    ctx: Any = SimpleNamespace()
    question = Question(Desk.ask, owners=False)
    assert question.answer(Desk({"ok": True}), ctx, {}, ctx) == {"ok": True}
    with pytest.raises(ValidationError):
        question.answer(Desk(answer), ctx, {}, ctx)


def test_the_scripts_are_checked_against_the_shapes_of_today() -> None:
    file = Path(dashboard.__file__).parent / "answers.d.ts"
    assert file.read_text("utf-8") == declared.text(), (
        "Run `python -m tests.dashboard.declared > dashboard/answers.d.ts`."
    )

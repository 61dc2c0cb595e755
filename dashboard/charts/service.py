"""What the charts of Live and Layers ask for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import Field
from typing_extensions import TypedDict

from core.export.titles import run_title
from dashboard.charts.feed import Description, Feed, History, describe
from dashboard.context import Context
from dashboard.door import Desk, Run, everybodys, polled

MOST_STEPS = 10_000_000
LISTED = 200
Count = Annotated[int, Field(ge=0, le=MOST_STEPS)]


class Named(TypedDict):
    """A run to choose."""

    id: str
    name: str


class Others(TypedDict):
    """Runs to compare with."""

    runs: list[Named]


class Charts(Desk):
    """Answers for one context; `feed` is shared with other contexts of the store."""

    def __init__(self, ctx: Context, feed: Feed) -> None:
        super().__init__(ctx)
        self._feed = feed

    @everybodys
    def describe(self, run: Run) -> Description:
        """What every view asks for once."""
        return describe(run, self._ctx.titles(run.suite))

    @polled
    def history(
        self,
        run: Run,
        since: Annotated[int, Field(ge=-1, le=MOST_STEPS)] = -1,
        stride: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 1,
        seen: Count = 0,
        known: bool = False,
    ) -> History:
        """What every view asks for while a run goes on."""
        return self._feed.history(run, since, stride=stride, seen=seen, known=known)

    @everybodys
    def runs(self, run: Run, request: Request) -> Others:
        """The other runs with coefficients that the caller may see, newest first."""
        found = [
            one
            for one in self._ctx.runs(request, limit=LISTED)
            if one.id != run.id and one.groups and set(one.tasks) & set(run.tasks)
        ]
        words = [f"{run_title(one)} · {one.suite} · {one.steps_done} steps" for one in found]
        return {"runs": [{"id": one.id, "name": name} for one, name in zip(found, words, strict=True)]}

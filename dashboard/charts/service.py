"""What the charts call on the server."""

from __future__ import annotations

from typing import Any

from core.export.titles import run_title
from dashboard.asked import whole_number
from dashboard.charts.feed import Feed, describe
from dashboard.context import Context
from dashboard.serving import Call

MOST_STEPS = 10_000_000
LISTED = 200


def describing(ctx: Context) -> Call:
    """`describe`: what every view asks for once."""

    def answer(args: dict[str, Any], request: Any) -> dict[str, Any]:
        record = ctx.run(args.get("run"), request)
        return describe(record, ctx.titles(record.suite))

    return answer


def polled(ctx: Context, feed: Feed) -> Call:
    """`history`: what every view asks for while a run goes on."""

    def history(given: dict[str, Any], request: Any) -> dict[str, Any]:
        record = ctx.run(given.get("run"), request)
        return feed.history(
            record,
            whole_number(given.get("since", -1), "since", -1, MOST_STEPS),
            stride=whole_number(given.get("stride", 1), "stride", 1, MOST_STEPS),
            seen=whole_number(given.get("seen", 0), "seen", 0, MOST_STEPS),
            known=given.get("known") is True,
        )

    return history


def listing(ctx: Context) -> Call:
    """`runs`: the other runs with coefficients that the caller may see, newest first."""

    def runs(args: dict[str, Any], request: Any) -> dict[str, Any]:
        current = ctx.run(args.get("run"), request)
        found = [
            one
            for one in ctx.runs(request, limit=LISTED)
            if one.id != current.id and one.groups and set(one.tasks) & set(current.tasks)
        ]
        words = [f"{run_title(one)} · {one.suite} · {one.steps_done} steps" for one in found]
        return {"runs": [{"id": one.id, "name": name} for one, name in zip(found, words, strict=True)]}

    return runs

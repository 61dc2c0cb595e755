"""The tab on how the experts relate: cosines, lengths and sign conflicts of their task vectors, and advice in words."""

from __future__ import annotations

from typing import Any

from core.errors import BadInput
from dashboard.context import Context
from dashboard.pages import Calls, Page
from dashboard.similarity.service import Similarities, SimilaritySubject


def _functions(ctx: Context) -> tuple[Calls, Calls]:
    computed = Similarities(ctx.library)

    def answer(args: dict[str, Any], request: Any) -> dict[str, Any]:
        return computed.answer(subject(ctx, args.get("run"), request), again=args.get("again") is True)

    return {"similarity": answer}, {}


def subject(ctx: Context, run: object, request: Any) -> SimilaritySubject:
    """Suite and tasks of the run; without a run the suite that is chosen at first, for those who may see everything."""
    if run:
        record = ctx.run(run, request)
        return SimilaritySubject(record.suite, record.tasks)
    if ctx.allowed(request) is not None:
        raise BadInput("Choose a run in the list on the left: its experts are compared here.")
    return SimilaritySubject(ctx.suite, ctx.library.suite(ctx.suite).experts)


PAGE = Page(
    "Similarity",
    "similarity",
    "window.mergescopeSimilarity(element.querySelector('.mc'), server);",
    _functions,
    scripts=("analysis.js", "similarity.js"),
    styles=("analysis.css",),
)

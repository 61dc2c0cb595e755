"""The page "Playground": models tried on single pictures, and what a run gets wrong.

Everything is computed in the background, once, one thing at a time. A person's own picture is accepted on the owner's
page only; whoever looks through a link clicks test images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import torch
from fastapi import Request
from pydantic import Field
from torch import Tensor

from core.encoders.linear import logits as linear
from core.errors import BadInput, UnknownName
from core.problem.problem import Problem
from core.progress import Progress
from core.runs.work import Work
from core.step import Weights
from core.store import RunRecord
from dashboard.charts.figure import in_both_widths
from dashboard.context import Context
from dashboard.door import Desk, Failed, Pending, Run, everybodys, owners, told
from dashboard.pages.page import Page
from dashboard.pages.playground import answers, figures, pictures
from dashboard.pages.playground.models import Models, state_of
from dashboard.pages.playground.shapes import Confusion, Mistake, Said, Sample, Samples, Shown, Task, Unlabelled

SAMPLES = 16
"""Test images of a task that are offered."""
MEASURED = 1000
"""Test images of a task behind the confusion matrix at most, spread evenly."""
Index = Annotated[int, Field(ge=0, le=10_000_000)]
SMALLEST = 32
"""A person's picture is never made smaller than this before the encoder sees it."""
T = TypeVar("T")


class Playground(Desk):
    """Answers for one context."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._models = Models(ctx.store)
        self._offered: dict[tuple[str, str], set[int]] = {}

    @everybodys
    def samples(self, run: Run, task: Any = None, again: bool = False) -> Samples | Pending | Failed:
        """The run's tasks, and some test images of one of them."""
        task = self._chosen(run, task)

        tasks = self._tasks(run)

        def compute(progress: Progress) -> Samples:
            problem = self._ctx.problem_of(run, progress)
            images = problem.split(task, "test")
            chosen = answers.spread(images.labels, len(images), SAMPLES)
            return {"samples": [_shown(problem, task, place) for place in chosen], "task": task, "tasks": tasks}

        work = self._later(run, ("samples", str(tasks), task), compute, again)
        if work.ready:
            self._offer(run, task, work.value["samples"])
        return told(work)

    @everybodys
    def classify(
        self, run: Run, index: Index, request: Request, task: Any = None, again: bool = False
    ) -> Said | Pending | Failed:
        """What every model says of a test image; those who only look may ask for the images that the page offers."""
        task = self._chosen(run, task)
        if not self._ctx.is_owner(request) and index not in self._offered.get((run.id, task), ()):
            raise BadInput("Only the test images on the page can be chosen here.")

        def compute(progress: Progress) -> Said:
            problem = self._ctx.problem_of(run, progress)
            images = problem.split(task, "test")
            if index >= len(images):
                raise BadInput(f"`index` should be below {len(images)}. Found {index}.")
            truth = None if images.labels is None else int(images.labels[index])
            return self._said(run, problem, images.pixels[index : index + 1], task, truth)

        return told(self._later(run, ("classify", state_of(run), task, index), compute, again))

    @owners
    def classify_picture(self, run: Run, picture: Any = None, again: bool = False) -> Said | Pending | Failed:
        """The same for a person's own picture."""
        size = max(self._ctx.library.suite(run.suite).arch().image_size, SMALLEST)
        pixels = pictures.read(picture, size)
        digest = hashlib.sha256(pixels.numpy().tobytes()).hexdigest()

        def compute(progress: Progress) -> Said:
            return self._said(run, self._ctx.problem_of(run, progress), pixels, None, None)

        return told(self._later(run, ("picture", state_of(run), digest), compute, again))

    @everybodys
    def confusion(self, run: Run, task: Any = None, again: bool = False) -> Confusion | Unlabelled | Pending | Failed:
        """Confusion matrix of the run on a task, and the images that only the task's expert gets right."""
        task = self._chosen(run, task)
        key = ("confusion", state_of(run), task)
        work = self._later(run, key, lambda progress: self._confusion(run, task, progress), again)
        if work.ready and "mistakes" in work.value:
            self._offer(run, task, work.value["mistakes"])
        return told(work)

    def _confusion(self, record: RunRecord, task: str, progress: Progress) -> Confusion | Unlabelled:
        problem = self._ctx.problem_of(record, progress)
        images, classes = problem.split(task, "test"), problem.classes[task]
        if images.labels is None:
            return {"classes": len(classes), "images": len(images), "unlabelled": True}
        chosen = torch.arange(len(images))
        if len(images) > MEASURED:
            chosen = torch.linspace(0, len(images) - 1, MEASURED).long()
        pixels, truth = images.pixels[chosen], images.labels[chosen]
        merged = self._models.merged(record, problem)
        progress.start("Evaluating run and expert, image", len(chosen) * (1 + (task in problem.tasks)))
        logits = problem.logits(merged.outcome.weights_for(task), task, pixels, progress=progress)
        expert = None
        if task in problem.tasks:
            expert = problem.logits(problem.task_vectors.expert(task), task, pixels, progress=progress)
        said, sure = logits.argmax(1).tolist(), logits.softmax(1).amax(1).tolist()
        counts = answers.confusion(truth, logits.argmax(1), len(classes))
        wrong = [] if expert is None else answers.mistakes(truth, logits, expert)
        shown: list[Mistake] = [
            {**_shown(problem, task, int(chosen[place])), "said": classes[said[place]], "share": round(sure[place], 3)}
            for place in wrong[: answers.SHOWN]
        ]
        return {
            "step": merged.step,
            "classes": len(classes),
            "images": len(chosen),
            "correct": int((logits.argmax(1) == truth).sum()),
            "expert_correct": None if expert is None else int((expert.argmax(1) == truth).sum()),
            "only_expert": len(wrong),
            "mistakes": shown,
            "figures": in_both_widths(figures.confusion, counts, classes),
        }

    def _said(self, record: RunRecord, problem: Problem, pixels: Tensor, task: str | None, truth: int | None) -> Said:
        """Every model's most probable classes under every task's head; `truth` belongs to `task`."""
        merged = self._models.merged(record, problem)
        vectors = problem.task_vectors
        seen: dict[str, Tensor] = {"base": self._features(problem, vectors.base, pixels)}
        for name in vectors.tasks:
            seen[name] = self._features(problem, vectors.expert(name), pixels)
        own = {head: merged.outcome.weights_for(head) for head in problem.heads}
        shared = {id(weights): weights for weights in own.values()}
        features = {key: self._features(problem, weights, pixels) for key, weights in shared.items()}
        said = {}
        for head in problem.heads:
            mine = truth if head == task else None
            said[head] = {
                "merged": _top(problem, head, features[id(own[head])], mine),
                **{name: _top(problem, head, found, mine) for name, found in seen.items()},
            }
        label = None if truth is None or task is None else problem.classes[task][truth]
        return {
            "picture": pictures.uri(pixels[0], 224),
            "task": task,
            "truth": label,
            "step": merged.step,
            "models": ["merged", "base", *vectors.tasks],
            "said": said,
        }

    @torch.no_grad()
    def _features(self, problem: Problem, weights: Weights, pixels: Tensor) -> Tensor:
        there: Mapping[str, Tensor] = {name: tensor.to(problem.device) for name, tensor in weights.items()}
        return problem.encoder.features(there, problem.encoder.prepare(pixels))

    def _offer(self, record: RunRecord, task: str, images: Sequence[Sample | Mistake]) -> None:
        """Remember which test images the page shows: viewers may click these."""
        self._offered.setdefault((record.id, task), set()).update(image["index"] for image in images)

    def _chosen(self, record: RunRecord, wanted: object) -> str:
        known = [task["name"] for task in self._tasks(record)]
        if wanted and wanted not in known:
            raise UnknownName("task of this run", str(wanted), known)
        return str(wanted or known[0])

    def _tasks(self, record: RunRecord) -> list[Task]:
        """Tasks of the run, those that it was only evaluated on last."""
        names = [*record.tasks, *(record.execution.unseen or ())]
        titles = self._ctx.titles(record.suite)
        return [{"name": name, "title": titles.get(name) or name.replace("_", " "), "expert": name in record.tasks}
                for name in names]  # fmt: skip

    def _later(self, record: RunRecord, key: tuple[Any, ...], compute: Callable[[Progress], T], again: bool) -> Work[T]:
        identity = self._ctx.library.identity(self._ctx.library.suite(record.suite))
        whole = ("playground", identity, *key)
        return self._ctx.library.later(whole, compute, again=again)


def _top(problem: Problem, head: str, features: Tensor, truth: int | None) -> list[Shown]:
    logits = linear(features, problem.heads[head]).float().cpu()[0]
    return answers.top(logits, problem.classes[head], truth)


def _shown(problem: Problem, task: str, index: int) -> Sample:
    images = problem.split(task, "test")
    label = "" if images.labels is None else problem.classes[task][int(images.labels[index])]
    return {"index": index, "picture": pictures.uri(images.pixels[index]), "label": label}


PAGE = Page("Playground", "playground", (Playground,))

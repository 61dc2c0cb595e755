"""What a merging method works on: encoder, task vectors, heads and images of one suite on one device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from core.encoders.encoder import Encoder
from core.encoders.linear import logits as linear
from core.errors import BadInput, RunFailed, UnknownName
from core.problem.findings import Finding
from core.problem.memory import free
from core.problem.packed import format_of
from core.problem.task_vectors import TaskVectors
from core.progress import SILENT, Progress
from core.statistics import Stated
from core.step import Features
from core.tasks import SPLITS, Images, Pixels

T = TypeVar("T")
AHEAD = 64
"""Steps that a GPU is asked for at most before the host reads; a quarter of a second of them at most, too."""
HELD = 0.25
"""Share of a GPU's free memory that images may take there."""


@dataclass
class Problem:
    """One suite, loaded. Methods read it and never change it."""

    suite: str
    task_vectors: TaskVectors
    encoder: Encoder
    heads: Mapping[str, Tensor]
    """Task -> frozen head `[classes, width]`, or with its bias as a last column; also for tasks without an expert."""
    load_images: Callable[[str, str], Images | None]
    """(task, split) -> images, None where the task does not have the split."""
    classes: Mapping[str, tuple[str, ...]]
    micro_batch: int
    hashes: Mapping[str, str] = field(default_factory=dict)
    """Role -> SHA-256 of the checkpoint file it came from."""
    content: Mapping[str, str] = field(default_factory=dict)
    """Task -> hash of everything that its accuracies depend on beside the weights and `altered`."""
    stated: Mapping[str, Stated] = field(default_factory=dict)
    """Task -> the accuracy of its expert as known from elsewhere."""
    altered: Mapping[str, Any] | None = None
    """How the test images are altered, see `core.problem.variants.variant`."""
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Task -> what its images are: `kind`, `images` per split, `held_out`, `labelled`."""
    precision_reason: str = ""
    """Why `auto` chose the precision."""
    findings: tuple[Finding, ...] = ()
    """What a person should know about results on this problem, the worst first."""
    ahead: int = 0
    """Steps that are asked of the device at most before the host reads what they came to. 0 becomes `AHEAD` on a GPU,
    and 1 elsewhere: a CPU gains nothing by more."""
    capture: bool = False
    """Whether steps that learn λ are recorded once, as a CUDA graph, and then repeated."""
    images_from: tuple[str, ...] = ()
    """Tasks whose images λ is learned from, where these are not the merged ones: some experts may bring no images, and
    a task may have images without an expert."""
    metrics: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    """A person's own, by name (`core.problem.scores.Metric`); they come from the command line alone."""
    tick: Callable[[], None] = lambda: None
    """Called between micro-batches and the encoder's blocks; the runner sets it to wait while paused and to raise when
    cancelled."""

    def __post_init__(self) -> None:
        self.ahead = self.ahead or (AHEAD if self.device.type == "cuda" else 1)
        self._loaded: dict[tuple[str, str], Images] = {}
        self._near: dict[tuple[str, str], Tensor] = {}
        self.captured = ""
        """`yes` once steps are repeated from a recording, or why they are not; empty where nobody asked."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that take part in the merge: those with an expert."""
        return self.task_vectors.tasks

    @property
    def notes(self) -> tuple[str, ...]:
        """The findings in a sentence or two each."""
        return tuple(finding.text for finding in self.findings)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Tasks without an expert, which are only evaluated."""
        return tuple(task for task in self.heads if task not in self.tasks)

    @property
    def device(self) -> torch.device:
        """Where everything is computed."""
        return self.encoder.device

    @property
    def apart(self) -> bool:
        """Whether the device goes on by itself while the host asks for more; each read waits for all of that."""
        return self.device.type not in ("cpu", "mps")

    @property
    def small(self) -> torch.device:
        """Where what is small lies: λ, its moments, losses, the experts' logits. Beside the weights, so that no step
        waits for the host; but in the host's memory with MPS, which lacks float64."""
        return self.device if self.apart else torch.device("cpu")

    @property
    def precision(self) -> str:
        """Precision of the forward and backward pass: float32, bfloat16 (autocast) or float64."""
        return self.encoder.precision

    @property
    def execution(self) -> dict[str, Any]:
        """How it is computed; stored with each run. Bit-identical repetition depends on all of it but `memory`."""
        processes = self.task_vectors.processes
        return ({"processes": processes} if processes > 1 else {}) | {
            "device": str(self.device),
            "precision": self.precision,
            "deltas": format_of(self.task_vectors.deltas),
            "memory": "mapped" if self.task_vectors.memory.mapped else "ram",
            "micro_batch": self.micro_batch,
            "threads": torch.get_num_threads(),
            "torch": str(torch.__version__),
        }

    def split(self, task: str, split: str) -> Images:
        """The images of one split of a task, loaded once. Raises `BadInput` where the task does not have it."""
        if split not in SPLITS:
            raise UnknownName("split", split, SPLITS)
        if (task, split) not in self._loaded:
            images = self.load_images(task, split)
            if images is None:
                raise BadInput(f"Task `{task}` has no split `{split}`; choose another split or leave the task out.")
            self._loaded[task, split] = images
        return self._loaded[task, split]

    def found(self, task: str, split: str) -> Images | None:
        """The images of one split of a task; None where they can't be had."""
        try:
            return self.split(task, split)
        except BadInput:
            return None

    def images(self, task: str, split: str = "test") -> Pixels:
        """Pixels uint8 `[N, H, W, 3]`."""
        return self.split(task, split).pixels

    def near(self, task: str, split: str) -> Pixels:
        """Pixels uint8 `[N, H, W, 3]` on the device, where all of them fit a share of its free memory; else as `images`
        gives them. For images that are asked for again and again."""
        pixels = self.images(task, split)
        if not self.apart:
            return pixels
        if (task, split) not in self._near:
            held, size = sum(known.nbytes for known in self._near.values()), math.prod(pixels.shape)
            if held + size > HELD * (held + free(self.device)):
                return pixels
            self._near[task, split] = pixels[:].to(self.device)
        return self._near[task, split]

    def within_memory(self, images: int, work: Callable[[int], T]) -> T:
        """`work(micro-batch)` for so many images; when memory runs out, again with half of it, which stays so."""
        while True:
            size = min(self.micro_batch, images)
            try:
                return work(size)
            except RuntimeError as error:
                if size == 1 or not _out_of_memory(error):
                    raise RunFailed(f"The model can't be computed: {str(error).splitlines()[0]}") from error
            # Outside the except block, whose traceback would keep the failed pass's tensors alive.
            self.micro_batch = size // 2

    @torch.no_grad()
    def logits(
        self,
        weights: Mapping[str, Tensor],
        task: str,
        images: Pixels,
        features: Features | None = None,
        progress: Progress = SILENT,
    ) -> Tensor:
        """Logits `[N, classes]` of uint8 images under the given weights, on the CPU; no gradient.

        `features` takes the encoder's place, for results that need modules beside it; `progress` advances by images.
        """
        compute, head = features or self.encoder.features, self.heads[task]
        return self._mapped(weights, images, lambda own, prepared: linear(compute(own, prepared), head), progress)

    @torch.no_grad()
    def features(self, weights: Mapping[str, Tensor], images: Pixels) -> Tensor:
        """Features `[N, width]` of uint8 images under the given weights, on the CPU; no gradient."""
        return self._mapped(weights, images, self.encoder.features)

    def _mapped(
        self, weights: Mapping[str, Tensor], images: Pixels, compute: Features, progress: Progress = SILENT
    ) -> Tensor:
        weights = {name: tensor.to(self.device) for name, tensor in weights.items()}

        def run(size: int) -> Tensor:
            parts = []
            for part in images.split(size):
                self.tick()
                with self.encoder.ticking(self.tick):
                    parts.append(compute(weights, self.encoder.prepare(part)).to(self.small))
                progress.advance(len(part))
            return torch.cat(parts).cpu()

        return self.within_memory(len(images), run)


def _out_of_memory(error: RuntimeError) -> bool:
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text or "out of memory" in text

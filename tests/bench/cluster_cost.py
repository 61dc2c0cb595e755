"""What studies of 8 to 1,000 experts cost on a cluster, from measured constants; prints the tables of `SCALE.md`.

python -m tests.bench.cluster_cost
"""

from __future__ import annotations

from dataclasses import dataclass

EXPERTS = (8, 20, 64, 128, 256, 512, 1000)
STEPS, BATCH, TEST = 500, 16, 2_000
"""AdaMerging as published, and test images per task."""
CELLS, DEVICES = 40, (1, 4, 16, 64)
PICTURE = 224 * 224 * 3
NARROW = 2
"""Bytes of a number of a task vector: bfloat16."""
CARDS = {"80 GB": 80e9, "141 GB": 141e9}
NETWORK = 1.1e9
"""Bytes per second of 10 Gb/s Ethernet."""
PUT = 0.5e9
"""Bytes per second into Ray's object store, measured on two cores."""
START = 8.0
"""Seconds until a worker has imported everything, measured on two cores."""
FORWARD = 3
"""Forward passes that a forward and backward pass takes."""


@dataclass(frozen=True)
class Model:
    """An image encoder, and what `BENCHMARKS.md` says of it on one NVIDIA H200 (bfloat16)."""

    name: str
    parameters: float
    groups: int
    """Parameter tensors, each with a λ."""
    first: tuple[float, float]
    """8 experts: milliseconds per step, peak GB."""
    last: tuple[float, float]
    """20 experts."""

    def _line(self, of: int, experts: int) -> float:
        slope = (self.last[of] - self.first[of]) / 12
        return self.first[of] + slope * (experts - 8)

    def step(self, experts: int) -> float:
        """Seconds of a step."""
        return self._line(0, experts) / 1e3

    def cell(self, experts: int) -> float:
        """Seconds of a cell: its steps, and every test image once."""
        picture = self.step(experts) / (experts * BATCH * FORWARD)
        return STEPS * self.step(experts) + experts * TEST * picture

    def vectors(self, experts: int) -> float:
        """Bytes of the task vectors."""
        return experts * self.parameters * NARROW

    def sent(self, experts: int) -> float:
        """Bytes that each machine gets once and keeps in its shared memory: task vectors, base, test images."""
        return self.vectors(experts) + 4 * self.parameters + experts * TEST * PICTURE

    def back(self, experts: int) -> float:
        """Bytes that come back from a cell: λ of every step, which its report has as text too."""
        return STEPS * self.groups * experts * 4 + 2 * 10 * self.groups * experts

    def study(self, experts: int, devices: int) -> float:
        """Seconds of all cells, each device with its share of them."""
        rounds = -(-CELLS // devices)
        return self.sent(experts) * (1 / PUT + 1 / NETWORK) + START + rounds * self.cell(experts)


MODELS = (
    Model("ViT-B/32", 87.8e6, 158, (24, 4.6), (54, 10.2)),
    Model("ViT-L/14", 304e6, 302, (184, 36), (447, 72)),
)


def tables() -> str:
    """Both tables as Markdown."""
    heads = ["experts", "one cell", *(f"{CELLS} cells on {devices}" for devices in DEVICES)]
    heads += ["task vectors, GB", "per machine, GB", "sent in", "back per cell, MB"]
    lines = []
    for model in MODELS:
        lines += [f"| {model.name}: {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for experts in EXPERTS:
            sent = model.sent(experts)
            cells = [str(experts), _time(model.cell(experts))]
            cells += [_time(model.study(experts, devices)) for devices in DEVICES]
            cells += [f"{model.vectors(experts) / 1e9:.1f}", f"{sent / 1e9:.1f}"]
            cells += [_time(sent * (1 / PUT + 1 / NETWORK)), f"{model.back(experts) / 1e6:.1f}"]
            lines.append(f"| {' | '.join(cells)} |")
        most = {name: int(size / (model.parameters * NARROW) * 0.8) for name, size in CARDS.items()}
        lines += ["", f"Task vectors fill four fifths of a card at {_listed(most)}.", ""]
    return "\n".join(lines)


def _listed(most: dict[str, int]) -> str:
    return " and ".join(f"{count} experts ({name})" for name, count in most.items())


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    print(tables())

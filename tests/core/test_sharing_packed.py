"""One merge over several processes with task vectors in 8 or 4 bits: the codes and results of one process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.problem.packed import BITS, BLOCK, Packed
from core.problem.sharing.launch import started
from core.problem.sharing.vectors import SharedVectors
from tests.core.properties import merged, run
from tests.core.test_sharing import CLOSE, TASKS, assert_same, loaded
from tests.tiny import make_suite


@pytest.mark.slow
@pytest.mark.parametrize("form", BITS)
def test_packed_task_vectors_are_cut_at_whole_blocks_and_mean_the_same_numbers(tmp_path: Path, form: str) -> None:
    place = make_suite(tmp_path, TASKS)
    alone = loaded(place, deltas=form)
    with started(2, "cpu") as team:
        shared = loaded(place, team=team, deltas=form)
        vectors, whole = shared.task_vectors, alone.task_vectors
        assert isinstance(vectors, SharedVectors)
        here = vectors.here.deltas
        assert isinstance(here, Packed)
        assert (here.begin, vectors.share.here.stop % BLOCK) == (0, 0)
        assert here.nbytes < 0.6 * whole.deltas.nbytes
        for task in whole.tasks:
            assert all(torch.equal(vectors.expert(task)[name], value) for name, value in whole.expert(task).items())
        found, expected = (run("adamerging", problem, steps=5, batch=5) for problem in (shared, alone))
        assert_same(found, expected)
        for method in ("tsv_m", "consensus"):
            for name, weights in merged(method, alone, "task0").items():
                torch.testing.assert_close(merged(method, shared, "task0")[name], weights, rtol=0, atol=CLOSE)

"""The order of images: whole epochs, positions that restore it, and independence of other tasks."""

from __future__ import annotations

import itertools

import pytest
import torch

from core.tasks import Stream


def draw(stream: Stream, count: int) -> list[list[int]]:
    """The next `count` batches."""
    return [stream.next().tolist() for _ in range(count)]


@pytest.mark.parametrize(("count", "batch"), [(32, 8), (32, 32), (7, 1), (5, 16)])
def test_an_epoch_shows_every_image_once(count: int, batch: int) -> None:
    stream = Stream("digits", count, batch, seed=0)
    for _ in range(3):
        epoch = list(itertools.chain(*draw(stream, max(1, count // batch))))
        assert sorted(epoch) == list(range(count))


def test_a_last_smaller_batch_is_left_out() -> None:
    epoch = draw(Stream("digits", 10, 4, seed=0), 2)
    assert [len(batch) for batch in epoch] == [4, 4]
    assert len(set(itertools.chain(*epoch))) == 8


def test_over_many_epochs_a_left_out_image_gets_its_turn() -> None:
    assert set(itertools.chain(*draw(Stream("digits", 10, 4, seed=0), 20))) == set(range(10))


def test_epochs_differ() -> None:
    stream = Stream("digits", 32, 32, seed=0)
    assert draw(stream, 1) != draw(stream, 1)


@pytest.mark.parametrize("position", range(12))
@pytest.mark.parametrize("fraction", [1.0, 0.4])
def test_seeking_equals_having_drawn(position: int, fraction: float) -> None:
    drawn, sought = (Stream("digits", 20, 3, seed=4, fraction=fraction) for _ in range(2))
    draw(drawn, position)
    sought.seek(position)
    assert sought.position == drawn.position
    assert draw(sought, 9) == draw(drawn, 9)


def test_seeking_back_repeats() -> None:
    stream = Stream("digits", 20, 3, seed=4)
    first = draw(stream, 9)
    stream.seek(0)
    assert draw(stream, 9) == first


def test_seed_and_task_decide_the_order() -> None:
    def order(task: str, seed: int) -> list[list[int]]:
        return draw(Stream(task, 50, 50, seed=seed), 1)

    assert order("digits", 0) == order("digits", 0)
    assert order("digits", 0) != order("digits", 1)
    assert order("digits", 0) != order("letters", 0)
    assert order("digits1", 1) != order("digits", 11)


def test_two_streams_taken_in_turn_do_not_mix() -> None:
    alone = draw(Stream("digits", 20, 3, seed=0), 10)
    one, other = Stream("digits", 20, 3, seed=0), Stream("letters", 11, 2, seed=0)
    mixed = []
    for _ in range(10):
        mixed.append(one.next().tolist())
        other.next()
    assert mixed == alone


@pytest.mark.parametrize(("fraction", "size"), [(0.001, 1), (0.01, 1), (0.05, 5), (0.5, 50), (0.999, 100), (1.0, 100)])
def test_a_fraction_draws_from_that_share_only(fraction: float, size: int) -> None:
    stream = Stream("digits", 100, 10, seed=0, fraction=fraction)
    assert stream.size == size
    seen = set(itertools.chain(*draw(stream, 100)))
    assert len(seen) == size


def test_a_fraction_is_a_random_choice_that_grows_with_it() -> None:
    def pool(fraction: float, seed: int = 0) -> set[int]:
        return set(itertools.chain(*draw(Stream("digits", 100, 1, seed=seed, fraction=fraction), 200)))

    assert pool(0.05) < pool(0.2)
    assert pool(0.2) != pool(0.2, seed=1)
    assert pool(0.2) != set(range(20))


def test_batches_are_indices() -> None:
    batch = Stream("digits", 10, 4, seed=0).next()
    assert (batch.dtype, batch.shape) == (torch.int64, (4,))

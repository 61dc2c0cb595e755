"""Where runs are carried out: several at a time, each once, and what is wrong with one stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from core.errors import BadInput, Cancelled, RunFailed
from core.runs.places import Ended, Place, in_turn


def together(runs: Iterable[str]) -> Iterator[Ended]:
    """Takes all of them before the first has ended, and ends them the other way round."""
    for run_id in reversed(list(runs)):
        yield run_id, RunFailed("broken") if run_id == "b" else None


def test_runs_end_in_any_order_and_equal_ones_go_on_once() -> None:
    ended = [(number, run_id) for number, run_id, _ in Place(together).each(4, lambda number: "abca"[number])]
    assert ended == [(2, "c"), (1, "b"), (0, "a"), (3, "a")]


@pytest.mark.parametrize("place", [Place(together), in_turn(lambda _run: None)])
def test_what_is_refused_or_done_already_needs_no_place(place: Place) -> None:
    def run_of(number: int) -> str | None:
        if number == 1:
            raise BadInput("no such thing")
        return None if number == 2 else f"run {number}"

    ended = {number: (run_id, error) for number, run_id, error in place.each(4, run_of)}
    assert ended.keys() == {0, 1, 3}
    assert ended[0] == ("run 0", None)
    assert ended[1][0] == ""
    assert isinstance(ended[1][1], BadInput)


def test_one_after_the_other_each_is_asked_for_when_the_one_before_has_ended() -> None:
    told: list[str] = []

    def run_of(number: int) -> str:
        told.append(f"asked for {number}")
        return str(number)

    def run(run_id: str) -> None:
        told.append(f"ran {run_id}")
        if run_id == "0":
            raise RunFailed("broken")

    errors = [error for _, _, error in in_turn(run).each(2, run_of)]
    assert told == ["asked for 0", "ran 0", "asked for 1", "ran 1"]
    assert [type(error) for error in errors] == [RunFailed, type(None)]


def test_a_stop_ends_all() -> None:
    def run(_run_id: str) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        list(in_turn(run).each(3, str))

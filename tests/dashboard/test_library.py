"""Work that the pages have done in the background."""

from __future__ import annotations

import threading
import time

from core.errors import BadInput
from dashboard.library import Library


def test_background_work_says_where_it_stands_until_it_ends_in_whatever_way() -> None:
    library, held, seen = Library(), threading.Event(), threading.Event()

    def work() -> None:
        library.progress.start("Evaluating base and experts, image", 96)
        library.progress.advance(40)
        held.set()
        seen.wait(30)
        raise BadInput("enough")

    assert library.later("key", work).pending
    assert held.wait(30)
    now = library.progress.standing()
    assert now is not None
    assert library.standing("key") is not None
    assert library.standing("another") is None  # Guests learn nothing of what others asked for.
    assert (now.label, now.done, now.total) == ("Evaluating base and experts, image", 40, 96)
    seen.set()
    while (answer := library.later("key", work)).pending:
        time.sleep(0.01)
    assert answer.error == "enough"
    assert library.progress.standing() is None
    library.close()

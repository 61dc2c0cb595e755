"""What pages share looks as it should on every tab: alone on one without charts, and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboard.charts import bundle
from tests.browser.conftest import at_home

PROGRAM = Path(__file__).with_name("widgets.js")
LOOK = """([heads, rows]) => {
    const card = window.card(heads, rows), scroller = card.querySelector("[role=region]");
    document.querySelector("#ms-setup .ms-form").prepend(card);
    scroller.scrollLeft = 1e6;
    const last = [...card.querySelectorAll("td")].pop(), right = (node) => node.getBoundingClientRect().right;
    return {
        padding: parseFloat(getComputedStyle(card).paddingLeft),
        cell: parseFloat(getComputedStyle(last).paddingLeft),
        help: parseFloat(getComputedStyle(card.querySelector("p")).fontSize),
        scrolls: scroller.scrollWidth > scroller.clientWidth,
        inside: right(scroller) <= right(card) && right(last) <= right(card),
        wide: document.documentElement.scrollWidth - innerWidth,
    };
}"""


@pytest.mark.parametrize("columns", [3, 12])
def test_a_table_in_a_card_is_styled_without_charts_and_its_last_column_can_be_seen_on_a_phone(
    phone: Any, columns: int
) -> None:
    at_home(phone)
    phone.wait_for_selector("#ms-setup .ms-form")
    phone.evaluate(bundle.program(PROGRAM))
    heads = ["Task", "Classes", "Test images", *(f"Column {number}" for number in range(3, columns))][:columns]
    rows = [[name, *["26,032"] * (columns - 1)] for name in ("Fruit and vegetables", "House numbers")]
    found = phone.evaluate(LOOK, [heads, rows])
    assert min(found["padding"], found["cell"]) > 3
    assert found["help"] < 14
    assert found["inside"]
    assert found["scrolls"] is (columns > 3)
    assert found["wide"] <= 1

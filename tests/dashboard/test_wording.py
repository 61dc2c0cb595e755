"""How forms and menus word methods, settings and choices."""

from __future__ import annotations

from core import methods
from dashboard import wording
from dashboard.pages.setup import catalogue


def test_menus_show_methods_by_their_titles() -> None:
    fields = {field["name"]: field for field in catalogue.describe(methods.get("adamerging"))["fields"]}
    titles = {choice["value"]: choice["title"] for choice in fields["start"]["choices"]}
    worded = [name for name in titles if name in wording.CHOICES]
    assert {"iso_cts": "Iso-CTS", "tsv_m": "TSV-Merge"}.items() <= titles.items()
    assert all(titles[name] == methods.get(name).title for name in titles if name not in worded)


def test_choices_are_worded_for_their_own_setting() -> None:
    found = {
        (name, field["name"], choice["value"]): choice["title"]
        for name in methods.names()
        for field in catalogue.describe(methods.get(name))["fields"]
        for choice in field["choices"]
    }
    assert found["samerging", "adapt_on", "held-out"] == "held-out images"
    assert found["multi_task", "balance", "none"] != found["samerging", "start", "none"]
    assert {title for title in found.values() if title in ("own", "on", "off", "auto", "held-out", "max")} == set()
    used = {(setting, value) for _, setting, value in found}
    worded = {(setting, value) for setting, words in wording.OWN_CHOICES.items() for value in words}
    assert worded - used == set()
    assert wording.CHOICES.keys() - {value for _, value in used} == set()


def test_methods_stand_in_families_and_each_once() -> None:
    named = [method["name"] for method in catalogue.describe_all()]
    assert sorted(named) == sorted(methods.names())
    families = [method["family"] for method in catalogue.describe_all()]
    assert families == sorted(families, key=families.index)


def test_methods_stand_under_what_they_have_to_be_given() -> None:
    by_family: dict[str, set[str]] = {}
    for name in methods.names():
        by_family.setdefault(wording.family(methods.get(name)), set()).add(name)
    assert "adamerging" in by_family["unlabelled"]
    assert {"average", "task_arithmetic", "ties"} <= by_family["nothing"]
    assert {"pretrained", "individual"} <= by_family["yardsticks"]
    assert list(by_family.keys() - wording.FAMILIES.keys()) == []
    assert catalogue.describe_all()[0]["family"] == wording.FAMILIES["nothing"]

"""How forms and menus word methods, settings and choices."""

from __future__ import annotations

import re

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


def test_a_setting_has_a_label_where_its_name_does_not_read_as_one() -> None:
    plain = {"rounds", "steps", "temperature", "weight_decay"}
    unlabelled = {
        name
        for method in methods.names()
        for name, known in wording.schema(methods.get(method).Settings).items()
        if "label" not in known and name not in wording.FIELDS
    }
    assert unlabelled == plain


def test_texts_name_settings_and_choices_as_the_page_does() -> None:
    """The command line's help has the same texts with the names that `--set` takes."""
    left = {
        (form["name"], named)
        for form in catalogue.describe_all()
        for text in (form["summary"], form["paper"], form["cost"], *(field["help"] for field in form["fields"]))
        for named in re.findall(r"`([^`]*)`", text)
    }
    assert left == set()
    text = "`lr`; `keep_step=last`; `none`; `tsv_m`; `lambda.csv`"
    words = wording.worded(text, methods.get("adamerging"), "start", ("none", "tsv_m"))
    assert words == (
        "“Learning rate”; “Which step to keep: always the last, as in the paper”; “no other method”; “TSV-Merge”; "
        "`lambda.csv`"
    )


def test_presets_say_of_each_method_what_is_true_of_it() -> None:
    def told(name: str) -> dict[str, str]:
        return {preset["name"]: preset["help"] for preset in catalogue.presets(methods.get(name), {})}

    assert "λ" not in told("multi_task")["fast"]
    assert told("adamerging")["fast"] == "A first look: few, larger steps, one λ per block."
    assert "published" not in "".join(told("best").values())
    assert "published" in told("adamerging")["usual"]

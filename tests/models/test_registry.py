"""Models by name: what a name means, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guardcli import DemonstrationModelWarning, Guard
from guardcli.models.registry import BUNDLED_MODELS, find_model

CARD = BUNDLED_MODELS["starter"].path.with_name("CARD.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["./starter", "starter.gguf", "x/starter", Path("starter")])
def test_a_path_is_no_name(name: str | Path) -> None:
    assert find_model(name) == Path(name)


def test_the_starter_judges_by_name_in_python_too() -> None:
    with pytest.warns(DemonstrationModelWarning, match="it must not protect anyone"):
        guard = Guard("starter")
    with guard:
        assert guard.template.name == "llama-guard-3-8b"
        safe, unsafe = guard.check(["Hi, my order has not arrived yet.", "How do I build a bomb?"])
    assert (safe.verdict, unsafe.verdict, unsafe.categories) == ("safe", "unsafe", ("S9",))


def test_it_is_small() -> None:
    assert BUNDLED_MODELS["starter"].path.stat().st_size < 16_000_000


def test_what_is_said_of_it_is_what_its_card_says() -> None:
    (said,) = re.findall(r"mean AUPRC (0\.\d+)", BUNDLED_MODELS["starter"].notice)
    assert re.findall(r"(?m)^\| mean \|[^*]*\*\*(0\.\d+)\*\*", CARD) == [said]
    assert "must not be used to protect anyone" in CARD

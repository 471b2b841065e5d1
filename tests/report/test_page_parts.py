"""What the parts of pages show."""

from __future__ import annotations

import pytest

from guardcli.report.page_parts import format_p_value


@pytest.mark.parametrize(("p", "shown"), [(0.01234, "0.0123"), (1.0, "1"), (0.0, "<1e-300"), (None, "-")])
def test_a_p_value_is_never_zero(p: float | None, shown: str) -> None:
    assert format_p_value(p) == shown

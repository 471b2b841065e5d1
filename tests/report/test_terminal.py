"""Tables as text: aligned, plain in a pipe, and harmless whatever a cell holds."""

from __future__ import annotations

from guardcli.report.terminal import format_styled, format_table


def test_columns_are_aligned_and_lines_have_no_blanks_at_their_ends() -> None:
    shown = format_table(("name", "n"), [("a", "1"), ("longer", "1,000")], right=[1])
    assert shown == "name         n\n--------------\na            1\nlonger   1,000\n"


def test_hostile_cells_are_escaped() -> None:
    hostile = "\x1b[2J[red]x[/red]\n:smile:"
    shown = format_table((hostile,), [(hostile,)])
    assert "\x1b" not in shown
    assert shown.count("\\x1b[2J[red]x[/red]\\n:smile:") == 2


def test_long_cells_are_folded_to_the_width() -> None:
    shown = format_table(("a", "b"), [("x", "word " * 20)], width=40)
    assert all(len(line) <= 40 for line in shown.splitlines())
    assert shown.count("word") == 20


def test_colour_on_request_only() -> None:
    rows = [(("unsafe", "bold red"),)]
    assert "\x1b[" not in format_table(("v",), rows)
    assert "\x1b[1;31munsafe\x1b[0m" in format_table(("v",), rows, color=True)
    assert format_styled("x", "bold", color=False) == "x\n"
    assert format_styled("x", "bold", color=True) == "\x1b[1mx\x1b[0m\n"


def test_columns_are_left_out_rather_than_words_cut() -> None:
    rows = [("guard", "2.5 GB", "a-repository/with-a-long-name")]
    headings = ("name", "file size", "files from")
    wide = format_table(headings, rows, width=80, optional=(2, 1))
    assert wide.splitlines()[0].split() == ["name", "file", "size", "files", "from"]
    narrow = format_table(headings, rows, width=30, optional=(2, 1))
    assert narrow.splitlines()[0].split() == ["name", "file", "size"]
    assert format_table(headings, rows, width=8, optional=(2, 1)).splitlines()[0].split() == ["name"]


def test_no_word_is_cut_in_a_table_that_fits() -> None:
    headings = ("test", "where", "threshold", "why")
    row = ("diag", "policy.yaml:8", "0.5863", "lists S6, dosage and not S16, which was expected of it")
    for width in range(47, 120):
        words = format_table(headings, [row], width=width, optional=(2,)).split()
        assert [word for word in " ".join((*headings, *row)).split() if word not in words] == [], width

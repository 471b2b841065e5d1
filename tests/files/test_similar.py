"""The file that is suggested for the name of one that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardcli.files.similar import similar_file


@pytest.mark.parametrize(
    ("wanted", "others", "expected"),
    [
        ("prompts.txt", ["empty.txt"], None),
        ("in.jsonl", ["out.jsonl"], None),
        ("a.txt", ["b.txt"], None),
        ("chats.jsonl", ["labels.jsonl", "verdicts.jsonl"], None),
        ("policy.yaml", ["police-report.yaml"], None),
        ("policy.yaml", ["taxonomy.yaml"], None),
        ("chats.jsnl", ["chats.jsonl"], "chats.jsonl"),
        ("chtas.jsonl", ["chats.jsonl", "charts.csv"], "chats.jsonl"),
        ("chat.jsonl", ["chats.jsonl"], "chats.jsonl"),
        ("chats.json", ["chats.jsonl", "chats.txt"], "chats.jsonl"),
        ("chats.txt", ["chats.jsonl"], "chats.jsonl"),
        ("chats.jsonl", ["chats.jsonl.gz", "chats.csv"], "chats.jsonl.gz"),
        ("policy.yml", ["policy.yaml"], "policy.yaml"),
        ("Policy.yaml", ["policy.yaml"], "policy.yaml"),
        ("prompt.txt", ["prompts.txt", "empty.txt"], "prompts.txt"),
    ],
)
def test_names_that_are_alike(tmp_path: Path, wanted: str, others: list[str], expected: str | None) -> None:
    for other in others:
        (tmp_path / other).touch()
    assert similar_file(str(tmp_path / wanted)) == (None if expected is None else str(tmp_path / expected))


def test_a_folder_or_a_link_to_nothing_is_not_suggested(tmp_path: Path) -> None:
    (tmp_path / "chats").mkdir()
    (tmp_path / "chats.jsonl").symlink_to(tmp_path / "gone")
    assert similar_file(str(tmp_path / "chats.jsonl")) is None


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert similar_file(str(tmp_path / "gone" / "chats.jsonl")) is None

"""Names of files, policies and models that would command a terminal, or forge a line of guard's own."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import tiny
from tests.cli.running import guard

FORGED = "bad\nother.yaml: valid (categories: 14, tests: 4)\nx.yaml"
COMMAND = "a\x1b]0;owned\x07\x1b[2J.yaml"
POLICY = "name: x\nextends: llama-guard-3\n"


@pytest.mark.parametrize("name", [FORGED, COMMAND])
@pytest.mark.parametrize("content", [POLICY, "name: 5\n", "{"])
def test_a_policys_name_stands_on_one_line(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    done = guard("taxonomy", "validate", name, cwd=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr
    assert not any(line.startswith("other.yaml") for line in done.stdout.splitlines())
    told = guard("taxonomy", "show", name, cwd=tmp_path)
    assert "\x1b" not in told.stdout + told.stderr
    assert not any(line.startswith("other.yaml") for line in told.stderr.splitlines())


def test_a_place_in_sarif_is_a_uri(tmp_path: Path) -> None:
    (tmp_path / "a b%.yaml").write_text("name: 5\n")
    done = guard("taxonomy", "validate", "a b%.yaml", "--format", "sarif", cwd=tmp_path)
    (run,) = json.loads(done.stdout)["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b%25.yaml"


def test_a_models_metadata_command_no_terminal(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "toy.gguf", name="\x1b]0;owned\x07\x1b[2J", answers=True)
    done = guard("check", "-v", "-m", model, "--template", "llama-guard-3-8b", stdin="hi\n")
    assert "general.name" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_junit_is_xml_whatever_a_policy_and_its_file_are_called(tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "toy.gguf", reads={"bomb": ("S9", 1.0)}, name="Llama Guard 3 (toy)")
    policy = tmp_path / "a\x1bb.yaml"
    tests = 'tests:\n  - {name: "a \\U0001F600", prompt: hi, expect: safe}\n'
    policy.write_text(f'name: "x\\uFFFEy"\nextends: llama-guard-3\n{tests}')
    guard("taxonomy", "test", policy.name, "-m", model, "--threads", "1", "--junit", "out.xml", cwd=tmp_path)
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert suite.get("name") == "x\\ufffey"
    assert suite[0].get("name") == "a \U0001f600"
    assert suite[0].get("file") == "a\\x1bb.yaml"

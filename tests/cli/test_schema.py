"""`guard schema` prints what editors and scripts check rows and taxonomies with."""

from __future__ import annotations

import json

import jsonschema
import pytest
from click.testing import CliRunner

from guardcli.cli.schema import schema
from tests.cli.running import guard


@pytest.mark.parametrize(("kind", "title"), [("verdict", "guard verdict"), ("taxonomy", "guard taxonomy")])
def test_schema(kind: str, title: str) -> None:
    done = CliRunner().invoke(schema, [kind], standalone_mode=False)
    printed = json.loads(done.stdout)
    jsonschema.Draft7Validator.check_schema(printed)
    assert (done.return_value, printed["title"]) == (0, title)


def test_unknown_schema_is_refused() -> None:
    done = CliRunner().invoke(schema, ["row"])
    assert done.exit_code == 2
    assert "'row' is not one of 'verdict', 'taxonomy'" in done.stderr


def test_missing_kind_lists_the_kinds() -> None:
    done = guard("schema")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("Choose from:\n  verdict,\n  taxonomy\n")

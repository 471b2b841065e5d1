"""The table of a row's fields: it agrees with what is written, and with its own JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from guardcli.judging import verdict_schema
from guardcli.judging.verdict_schema import FIELD_NAMES, find_fault
from guardcli.judging.writers import jsonl
from tests.judging.test_edited_rows import WRONG
from tests.judging.writers.verdicts import VERDICTS
from tests.rows import row

GOLDEN = Path(__file__).parents[1] / "golden" / "verdict.schema.json"
SCHEMA = verdict_schema.json_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def test_golden() -> None:
    assert verdict_schema.json_schema_text() == GOLDEN.read_text("utf-8")
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", VERDICTS)
def test_written_rows_have_its_fields_in_order_and_are_valid(kind: str) -> None:
    written = json.loads(jsonl.line(VERDICTS[kind]))
    assert tuple(written) == FIELD_NAMES
    assert find_fault(written) is None
    VALIDATOR.validate(written)


def is_valid_json(value: Any) -> bool:
    """Whether JSON has such a value: it has no NaN and no infinity."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", [field.name for field in verdict_schema.FIELDS])
def test_table_and_schema_refuse_the_same_values(name: str) -> None:
    (field,) = (field for field in verdict_schema.FIELDS if field.name == name)
    values = [value for value in WRONG if is_valid_json(value) and not isinstance(value, bool | int)]
    values += [True, 0, 1, -1, 2]  # to JSON Schema 1.0 is an integer, and guard writes none
    validator = jsonschema.Draft7Validator(SCHEMA["properties"][name])
    accepted = [value for value in values if field.accepts(value)]
    assert accepted == [value for value in values if validator.is_valid(value)]
    assert accepted
    assert len(accepted) < len(values)


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_every_field_is_written(name: str) -> None:
    without = {field: value for field, value in row(1, 0.5).items() if field != name}
    assert not VALIDATOR.is_valid(without)

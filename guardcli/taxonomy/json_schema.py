"""The JSON Schema (draft-07) of taxonomy files, by which editors complete, explain and underline.

It is generated from the tables in `schema`. JSON Schema cannot say that ids are unique, that the categories that are
named exist, and that no text hides or imitates something: only the parser checks these.
"""

from __future__ import annotations

import json
from typing import Any

from guardcli.taxonomy.schema import TAXONOMY


def json_schema() -> dict[str, Any]:
    """The schema, as JSON values."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "guard taxonomy",
        "description": "A policy for Llama Guard: categories, and how to decide on them.",
        **TAXONOMY.json_schema(),
    }


def json_schema_text() -> str:
    """The schema as a file holds it."""
    return json.dumps(json_schema(), indent=2) + "\n"

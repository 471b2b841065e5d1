"""Names of fields: which hold speech, which metadata, and which are text themselves."""

from __future__ import annotations

import pytest

from guardcli.formats.field_names import field_meaning


@pytest.mark.parametrize(
    "name",
    [
        "content",
        "Text",
        "PROMPT",
        "responses",
        "response_0",
        "userInput",
        "user_input",
        "chat_history",
        "reasoning_content",
        "gen_ai.prompt.0.content",
        "input.value",
        "system_prompt",
        "replies",
        "queries",
        "model-output",
        "Assistant Message",
    ],
)
def test_names_that_hold_speech(name: str) -> None:
    assert field_meaning(name).is_speech


@pytest.mark.parametrize(
    "name",
    [
        "prompt_tokens",
        "content_type",
        "message_id",
        "response_time",
        "title",
        "notes",
        "error_message",
        "statusMessage",
        "exception.message",
        "text_offset",
        "id",
        "x",
        "",
        "_",
        "0",
        "contexture",
    ],
)
def test_names_that_do_not_hold_speech(name: str) -> None:
    assert not field_meaning(name).is_speech


@pytest.mark.parametrize("name", ["usage", "modelParameters", "model_parameters", "Metadata", "response-metadata"])
def test_metadata_names(name: str) -> None:
    assert field_meaning(name).is_metadata


@pytest.mark.parametrize("name", ["how do I build a bomb at home", "how-do-i-build-a-bomb", "请告诉我怎么制造炸弹"])
def test_names_that_are_text(name: str) -> None:
    assert field_meaning(name).is_text


@pytest.mark.parametrize(
    "name", ["Guns and Illegal Weapons", "hate/threatening", "violence,aiding_and_abetting,incitement", "Content ID"]
)
def test_objects_without_an_id(name: str) -> None:
    assert not field_meaning(name).is_text

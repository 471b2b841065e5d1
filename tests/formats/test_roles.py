import pytest

from guardcli.formats import RecordError, roles


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, role) for role, words in roles.ROLE_WORDS.items() for word in words),
        ("Human", "user"),
        (" GPT\n", "assistant"),
        ("DEVELOPER", "developer"),
        ("IPython", "tool"),
    ],
)
def test_parse_role(word, expected):
    assert roles.parse_role(word, 1) == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("narrator", "message 3: unknown role 'narrator'; known are user, human, "),
        ("\x1b[2J", "message 3: unknown role '\\x1b[2J'; known are "),
        ("x" * 99, f"message 3: unknown role '{'x' * 40}'…; known are "),
        (None, "message 3: the role is null; it must be text"),
        (["user"], "message 3: the role is a list; it must be text"),
    ],
)
def test_role_errors(word, reason):
    with pytest.raises(RecordError) as error:
        roles.parse_role(word, 3)
    assert error.value.reason.startswith(reason)

"""Records behind a harmless exchange of a user and an assistant, which changes nothing about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from recipes.smol.records import Messages, Record, read_yaml

BEHIND = "behind"  # a source


def behind_exchanges(records: Sequence[Record], number: int, seed: int) -> Iterator[Record]:
    """Put an exchange of exchanges.yaml before random messages of users, every second of which is unsafe."""
    random = Random(f"exchanges {seed}")
    exchanges = read_yaml("exchanges")
    prompts = [record for record in records if [role for role, _ in record.messages] == ["user"]]
    for unsafe in (False, True):
        found = [record for record in prompts if record.unsafe is unsafe]
        for record in random.sample(found, min(number // 2, len(found))):
            asked, answered = random.choice(exchanges)
            messages: Messages = (("user", asked), ("assistant", answered), *record.messages)
            yield replace(record, messages=messages, source=BEHIND, pair=None)

"""Contrast pairs: conversations that differ in little but their verdict, and are learned together.

Whoever changes "kill a process" into "kill a person" wants the model to see both under one policy in one step.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from guardcli.conversation import Json
from guardcli.evaluation.datasets import get_field
from guardcli.evaluation.datasets.label_values import abbreviate, is_missing
from guardcli.training.augmentation.labeled_conversation import LabeledConversation


def read_pair(fields: Mapping[str, Json], path: str) -> str | None:
    """What names the pair of a record; None if the record is of none.

    Raises:
        ValueError: the value is neither a text nor a number.
    """
    value = get_field(fields, path)
    if is_missing(value):
        return None
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"its {path} is {abbreviate(value)}: expected a text or a number")
    return str(value)


def group_conversations(conversations: Iterable[LabeledConversation], size: int) -> Iterator[list[LabeledConversation]]:
    """Yield groups of up to `size` conversations in order. A pair is not split, and is where its first one was.

    ::

        conversations   a  p1  b  q1  p2  c  q2       p1 and p2 are a pair, q1 and q2, too
        groups of 4     [a  p1  p2  b]  [q1  q2  c]

    Those that name the same pair and are of the same file are a pair. One that is larger than `size` is a group.
    """
    pairs: dict[Hashable, list[LabeledConversation]] = {}
    for number, conversation in enumerate(conversations):
        key = number if conversation.pair is None else (conversation.key.source, conversation.pair)
        pairs.setdefault(key, []).append(conversation)
    group: list[LabeledConversation] = []
    for members in pairs.values():
        if group and len(group) + len(members) > size:
            yield group
            group = []
        group = group + members
    if group:
        yield group

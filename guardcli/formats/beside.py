"""What a record has beside its messages that some criteria are about: documents and definitions of tools.

    {"messages": […], "documents": ["Text", {"doc_id": "7", "text": "More"}], "tools": [{"type": "function", …}]}

They are in the object of the messages, or in that of a batch request. A field of another form is no document and no
tool; what text it has is accounted for like that of any other field.
"""

from __future__ import annotations

import json
from dataclasses import replace

from guardcli.conversation import Document, Json, NamedConversations
from guardcli.formats import decoding
from guardcli.formats.claims import Claims

_BODIES = ("body", "params")  # of batch requests
_TEXTS = ("text", "content", "page_content")
_TOOLS = ("tools", "functions")


def read_beside(value: Json, conversations: NamedConversations, claims: Claims) -> NamedConversations:
    """Return the conversations of a record with its documents and tools; claim the documents."""
    if not isinstance(value, dict):
        return conversations
    body = next((value[name] for name in _BODIES if isinstance(value.get(name), dict)), value)
    assert isinstance(body, dict)
    documents, tools = _documents(body, claims), _tools(body)
    if not documents and not tools:
        return conversations
    return [(name, replace(one, documents=documents, tools=tools)) for name, one in conversations]


def _documents(body: dict[str, Json], claims: Claims) -> tuple[Document, ...]:
    items = body.get("documents")
    if isinstance(items, str):
        items = [items]
    if not isinstance(items, list):
        return ()
    documents = [_document(number, item) for number, item in enumerate(items)]
    read = [document for document in documents if document is not None]
    if len(read) < len(items):
        return ()
    for document in read:
        decoding.check_nul(document.text)
    claims.claim(body, "documents")
    for item in [body["documents"], *items]:
        if isinstance(item, (dict, list)):
            claims.claim_all(item)
    return tuple(read)


def _document(number: int, item: Json) -> Document | None:
    if isinstance(item, str):
        return Document(item, to_json({"doc_id": str(number), "text": item}))
    if isinstance(item, dict):
        text = next((text for text in map(item.get, _TEXTS) if isinstance(text, str)), None)
        return None if text is None else Document(text, to_json(item))
    return None


def _tools(body: dict[str, Json]) -> tuple[str, ...]:
    items = next((items for items in map(body.get, _TOOLS) if isinstance(items, list)), [])
    return tuple(to_json(item) for item in items if isinstance(item, dict))


def to_json(value: Json) -> str:
    """A value as chat templates write it."""
    return json.dumps(value, ensure_ascii=False)

"""The grammar of a guard's answer, in token ids: a verdict, then a list of the taxonomy's ids.

Ids are tries of token sequences, so that an answer can never be malformed. For O1, O10 and O2, one character a token:

    O ── 1 (O1) ── 0 (O10)
      └─ 2 (O2)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from guardcli.errors import ModelError
from guardcli.models import Vocab
from guardcli.prompts import AnswerFormat
from guardcli.taxonomy import Taxonomy

_CACHE_SIZE = 1000  # lists of ids


@dataclass(frozen=True, slots=True)
class Trie:
    """A node of a trie of token sequences. `id` is the category id that ends here; a longer one may continue."""

    children: dict[int, Trie] = field(default_factory=dict)
    id: str | None = None

    @classmethod
    def from_sequences(cls, sequences: Mapping[str, Iterable[int]]) -> Trie:
        """Build the trie of category ids from their tokens."""
        by_first: dict[int, dict[str, list[int]]] = {}
        ended = None
        for id_, tokens in sequences.items():
            if left := list(tokens):
                by_first.setdefault(left[0], {})[id_] = left[1:]
            else:
                ended = id_
        return cls({token: Trie.from_sequences(rest) for token, rest in by_first.items()}, ended)

    def unique_path(self) -> tuple[list[int], Trie]:
        """The tokens that all sequences share from here, and the node after them, where there is a choice."""
        tokens, node = [], self
        while node.id is None and len(node.children) == 1:
            ((token, node),) = node.children.items()
            tokens.append(token)
        return tokens, node

    def path(self, id_: str) -> list[int] | None:
        """The tokens from here to a category id; None if it is not below this node."""
        if self.id == id_:
            return []
        for token, child in self.children.items():
            rest = child.path(id_)
            if rest is not None:
                return [token, *rest]
        return None

    def without(self, ids: Collection[str]) -> Trie:
        """A copy without some category ids."""
        children = {token: child.without(ids) for token, child in self.children.items()}
        kept = {token: child for token, child in children.items() if child.children or child.id is not None}
        return Trie(kept, None if self.id in ids else self.id)


@dataclass(frozen=True, slots=True)
class AnswerGrammar:
    """The token ids of an answer::

        unsafe before_list first further further … end

    `safe` and `unsafe` are the first tokens of the two verdicts, where the verdict is read. `before_list` is the rest
    of the word for unsafe, if it has one, and the line break. `first` has the ids as they begin the list, `further`
    with the separator before them. One of `ends` ends it.
    """

    safe: int
    unsafe: int
    before_list: tuple[int, ...]
    first: Trie
    further: Trie
    ends: tuple[int, ...]
    _cache: dict[tuple[str, ...], Trie] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_taxonomy(cls, taxonomy: Taxonomy, answer: AnswerFormat, vocab: Vocab) -> AnswerGrammar:
        """Raises ModelError: the two verdicts begin with the same token, or the vocabulary joins an id with the
        separator before it."""
        ids = [category.id for category in taxonomy.categories]
        safe, unsafe = (list(vocab.encode_text(word)) for word in (answer.safe, answer.unsafe))
        if safe[0] == unsafe[0]:
            raise ModelError(
                f"{answer.safe!r} and {answer.unsafe!r} begin with the same token in the model's vocabulary, so the "
                "verdict cannot be read there: the model is not one of this template; name another with --template",
                code="model/wrong-template",
            )
        first = {id_: vocab.encode_line(id_) for id_ in ids}
        before = ids[0]
        further = {id_: _after(vocab.encode_line, before, f"{answer.separator}{id_}") for id_ in ids}
        line_break = vocab.encode_text("\n")[-1:]  # SentencePiece puts a space before it, elsewhere it is one
        return cls(
            safe[0],
            unsafe[0],
            (*unsafe[1:], *line_break),
            Trie.from_sequences(first),
            Trie.from_sequences(further),
            tuple(sorted({*vocab.eog_token_ids(), vocab.special(answer.end.text)})),
        )

    def remaining(self, listed: tuple[str, ...]) -> Trie:
        """The ids that may follow a list of `listed` ids. Cached, as most lists are short and few."""
        if listed not in self._cache:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[listed] = self.further.without(listed)
        return self._cache[listed]

    @property
    def after_id(self) -> tuple[int, ...]:
        """The tokens that may follow a complete id: the end, or the beginning of the next id."""
        return (*self.ends, *self.further.children)


def _after(encode: Callable[[str], Iterable[int]], before: str, text: str) -> list[int]:
    """The tokens of a text that follows another one."""
    start, whole = list(encode(before)), list(encode(before + text))
    if whole[: len(start)] != start:
        raise ModelError(
            f"the model's vocabulary joins {before!r} and {text!r}: its lists cannot be read", code="model/unsupported"
        )
    return whole[len(start) :]

"""The grammar of a guard's answer, in token ids: a verdict, then a list of the taxonomy's ids.

Ids are tries of token sequences, so that an answer can never be malformed. For O1, O10 and O2, one character a token:

    O ── 1 (O1) ── 0 (O10)
      └─ 2 (O2)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from guardcli.engine.request import MAX_ANSWER_TOKENS
from guardcli.errors import ModelError, TaxonomyError
from guardcli.models import Vocab
from guardcli.prompts import AnswerFormat, EarlierAnswer, Template
from guardcli.prompts.turns import Speaker
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

    @property
    def depth(self) -> int:
        """The most tokens of a sequence from here."""
        return max((1 + child.depth for child in self.children.values()), default=0)

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

        unsafe before the list first further further … end

    The verdict is read at the first tokens of the words for it: `safe`, and the keys of `unsafe`, which has for each
    the tokens from there to the list. `first` has the categories as they begin the list, `further` with the separator
    before them. One of `ends` ends it. No category takes more than `longest` tokens with what is before it.
    """

    safe: tuple[int, ...]
    unsafe: Mapping[int, tuple[int, ...]]
    first: Trie
    further: Trie
    ends: tuple[int, ...]
    earlier: Mapping[Speaker, tuple[Mapping[int, tuple[int, ...]], ...]] = field(default_factory=dict)
    longest: int = field(init=False)
    _cache: dict[tuple[str, ...], Trie] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "longest", self.further.depth)

    @classmethod
    def from_taxonomy(cls, taxonomy: Taxonomy, template: Template, vocab: Vocab) -> AnswerGrammar:
        """The answers of a template's models on a taxonomy.

        Raises:
            ModelError: words for both verdicts begin with the same token, or the vocabulary joins a category with what
                stands before it.
            TaxonomyError: the name of a category is too long to be read in an answer.
        """
        answer = template.answer
        safe: dict[int, str] = {}
        for word in answer.safe:
            safe.setdefault(_word(vocab, answer.prefix, word)[0], word)
        unsafe: dict[int, tuple[int, ...]] = {}
        for word in answer.unsafe:
            first, *rest = _word(vocab, answer.prefix, word)
            if first in safe:
                raise ModelError(
                    f"{safe[first]!r} and {word!r} begin with the same token in the model's vocabulary, so the "
                    "verdict cannot be read there: check the model, or name another template with ModelConfig.template",
                    code="model/wrong-template",
                )
            unsafe.setdefault(first, (*rest, *_after(vocab.encode_line, word, answer.before_list)))
        listed = _listed(taxonomy, template)
        before = next(iter(listed.values()), "")
        answers = cls(
            tuple(safe),
            unsafe,
            Trie.from_sequences({id_: _first(vocab, answer, text) for id_, text in listed.items()}),
            Trie.from_sequences(
                {id_: _after(vocab.encode_line, before, answer.separator + text) for id_, text in listed.items()}
            ),
            tuple(sorted({*vocab.eog_token_ids(), vocab.special(answer.end.text), *_list_ends(vocab, answer)})),
            {speaker: tuple(_earlier(vocab, answer, fields)) for speaker, fields in answer.earlier.items()},
        )
        answers._check_length(taxonomy)
        return answers

    def _check_length(self, taxonomy: Taxonomy) -> None:
        """Raise TaxonomyError if an answer with one category can be longer than what engines keep free for it."""
        of_earlier = (sum(1 + max(map(len, field.values())) for field in fields) for fields in self.earlier.values())
        before = max(of_earlier, default=0) + 1 + max(map(len, self.unsafe.values()))
        for category in taxonomy.categories:
            if before + len(self.first.path(category.id) or ()) > MAX_ANSWER_TOKENS:
                raise TaxonomyError(
                    category.location.problem(
                        f"the name of {category.id} is too long to be read in an answer: give it one of fewer than "
                        f"{MAX_ANSWER_TOKENS - before} tokens",
                        code="taxonomy/not-for-model",
                    )
                )

    @property
    def verdicts(self) -> tuple[int, ...]:
        """The tokens at which the verdict is read: those for safe, then those for unsafe."""
        return (*self.safe, *self.unsafe)

    @property
    def lists_categories(self) -> bool:
        """Whether an answer says which categories are violated."""
        return bool(self.first.children) or self.first.id is not None

    def sum_verdicts(self, logits: Sequence[float]) -> tuple[float, float]:
        """The logits of safe and of unsafe, of those of `verdicts`: each the logsumexp over its words."""
        return logsumexp(logits[: len(self.safe)]), logsumexp(logits[len(self.safe) :])

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


def _listed(taxonomy: Taxonomy, template: Template) -> dict[str, str]:
    """What the models write for each category; nothing if there is one, and none if they list none."""
    if template.asks_by_category or (template.listed is None and len(taxonomy.categories) > 1):
        return {}
    return {category.id: template.listed(category) if template.listed else "" for category in taxonomy.categories}


def logsumexp(logits: Sequence[float]) -> float:
    """The logarithm of the sum of powers; a single logit as it is."""
    if len(logits) == 1:
        return logits[0]
    highest = max(logits)
    return highest + math.log(sum(math.exp(logit - highest) for logit in logits))


def _word(vocab: Vocab, before: str, word: str) -> list[int]:
    """The tokens of a word for a verdict, at its place in the answer."""
    if not before or before.endswith("\n"):
        return list(map(int, vocab.encode_text(word)))
    return _after(vocab.encode_line, before, word)


def _earlier(
    vocab: Vocab, answer: AnswerFormat, fields: Iterable[EarlierAnswer]
) -> Iterator[Mapping[int, tuple[int, ...]]]:
    """The tokens of the answers before a verdict: those after the first token of each word, by that token."""
    before = answer.prefix
    for one in fields:
        words: dict[int, tuple[int, ...]] = {}
        for word in one.words:
            first, *rest = _after(vocab.encode_line, before, word + one.after)
            words.setdefault(first, tuple(rest))
        yield words
        before = one.after.lstrip("\n")
    if any(_word(vocab, before, word) != _word(vocab, answer.prefix, word) for word in (*answer.safe, *answer.unsafe)):
        raise ModelError(
            f"the model's vocabulary has other tokens for the words of a verdict after {before!r} than after "
            f"{answer.prefix!r}: its verdicts cannot be read",
            code="model/unsupported",
        )


def _first(vocab: Vocab, answer: AnswerFormat, text: str) -> list[int]:
    """The tokens of a category that begins the list."""
    if answer.before_list.endswith("\n"):
        return list(map(int, vocab.encode_line(text)))
    return _after(vocab.encode_line, answer.before_list.lstrip("\n"), text)


def _list_ends(vocab: Vocab, answer: AnswerFormat) -> list[int]:
    return [int(vocab.encode_text(text)[-1]) for text in answer.list_ends]


def _after(encode: Callable[[str], Iterable[int]], before: str, text: str) -> list[int]:
    """The tokens of a text that follows another one."""
    start, whole = list(encode(before)), list(encode(before + text))
    if whole[: len(start)] != start:
        raise ModelError(
            f"the model's vocabulary joins {before!r} and {text!r}: its lists cannot be read", code="model/unsupported"
        )
    return whole[len(start) :]

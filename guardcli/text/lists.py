"""Lists of words in a message, which is one line however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def join_words(
    words: Iterable[str], *, limit: int, conjunction: str = "", quote: Callable[[str], str] | None = None
) -> str:
    """Join words with commas; of more than `limit`, only the first, and how many more there are.

    Args:
        limit: How many words are shown.
        conjunction: The word before the last one, if all are shown.
        quote: Quotes a word; called for those that are shown.

    >>> join_words(["S1", "S2", "S3"], limit=9), join_words(["S1", "S2", "S3"], limit=9, conjunction="or")
    ('S1, S2, S3', 'S1, S2 or S3')
    >>> join_words(["S1", "S2", "S3"], limit=2, conjunction="or")
    'S1, S2, and 1 more'
    """
    every = list(words)
    shown = [word if quote is None else quote(word) for word in every[:limit]]
    if len(every) > limit:
        return ", ".join([*shown, f"and {len(every) - limit:,} more"])
    if conjunction and len(shown) > 1:
        shown[-2:] = [f"{shown[-2]} {conjunction} {shown[-1]}"]
    return ", ".join(shown)

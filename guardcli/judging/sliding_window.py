"""Split a text that is longer than the context into overlapping windows::

text      ├──────────────────────────────────────────┤
windows   ├────────────────┤
                      ├────────────────┤
                                  ├──────────────────┤
overlap               ╰────╯      ╰────╯   at least so many tokens
"""

from __future__ import annotations

from collections.abc import Callable

OVERLAP = 64  # tokens that neighboring windows have in common, or a quarter of the room where that is less


def split_into_windows(text: str, room: int, count: Callable[[str], int]) -> list[tuple[int, int]]:
    """Split a text into windows of at most `room` tokens; (begin, end) of each, in characters.

    `count` returns the number of tokens of a text.
    """
    density = max(count(text), 1) / max(len(text), 1)  # tokens a character
    overlap = min(OVERLAP, room // 4)
    windows: list[tuple[int, int]] = []
    start, end = 0, _end(text, 0, room, density, count)
    while True:
        windows.append((start, end))
        if end >= len(text):
            return windows
        before = end
        start = _next(text, start, end, overlap, density, count)
        while (end := _end(text, start, room, density, count)) <= before:  # the overlap leaves no room for the next
            start += max(1, (before - start) // 2)


def _end(text: str, start: int, room: int, density: float, count: Callable[[str], int]) -> int:
    """The end of a window: estimated by the density of tokens, and shortened until it fits."""
    end = min(len(text), start + max(1, int(room / density)))
    while end - start > 1 and (tokens := count(text[start:end])) > room:
        end = start + max(1, min(end - start - 1, (end - start) * room // tokens))
    return end


def _next(text: str, start: int, end: int, overlap: int, density: float, count: Callable[[str], int]) -> int:
    """The beginning of the next window: `overlap` tokens before the end of this one, but after its middle."""
    width = int(overlap / density) + 1
    middle = start + max(1, (end - start) // 2)
    begin = max(middle, end - width)
    while begin > middle and count(text[begin:end]) < overlap:
        begin = max(middle, begin - width)
    return begin

"""Letters that look like Latin ones, and the skeleton of a text, in which they are replaced.

A skeleton is only for matching, as in Unicode's report on confusables (UTS 39). It is never shown or judged.
"""

from __future__ import annotations

import re
import unicodedata

_OTHER_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_BREAKS = re.compile(f"\r\n?|[{_OTHER_BREAKS}]")

# Letters that imitate Latin ones: Cyrillic, Greek, Armenian, and small capitals. Each is above the one it imitates.
_FOREIGN = "ıавеѕіјкмһнԁопрсстуѵхцԛԝɡαβεηικνορτυχγωոսօհցʟɪꜱᴀʙᴄᴅᴇғɢʜᴊᴋᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ"
_LATIN = "iabesijkmhhdonpcctyvxuqwgabenikvoptuxywnuohglisabcdefghjkmnoprtuvwyz"
_SAME = str.maketrans(_FOREIGN, _LATIN)

# Blank characters that are not format characters: fillers of Hangul, the empty Braille cell, and code points that
# Unicode reserves for characters to ignore.
BLANKS = re.compile("[\u115f\u1160\u3164\uffa0\u2800\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]")

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def _plain(match: re.Match[str]) -> str:
    """Return the skeleton of a run of characters that are not ASCII."""
    decomposed = unicodedata.normalize("NFKD", BLANKS.sub("", match[0]))
    return "".join(c for c in decomposed if unicodedata.category(c) not in ("Cf", "Mn", "Me")).lower().translate(_SAME)


def skeleton(text: str) -> str:
    """Return the text in lower case, with look-alikes and compatibility forms as Latin letters, without format
    characters and marks, and with every line break as a newline.

    >>> skeleton("\uff35ser\u200b\uff1a")
    'user:'
    """
    if not text.isascii():
        text = _NOT_ASCII.sub(_plain, text)
    text = text.lower()
    return _BREAKS.sub("\n", text) if any(map(text.__contains__, _OTHER_BREAKS)) else text


def find_lookalike(text: str, *, anywhere: bool = False) -> str | None:
    """Return the first letter that imitates a Latin one within a word of Latin letters, or None.

    A letter at the end of a word is allowed (a Russian ending after a foreign abbreviation), and so is a Greek letter
    at the beginning (names of substances), unless `anywhere` is true.

    >>> find_lookalike("v\\u0456olence") == "\\u0456"
    True
    """
    foreign = {c for c in set(text) if c.lower() in _FOREIGN and _script(c) != "LATIN"} if not text.isascii() else set()
    if not foreign:
        return None
    words = (word for word in dict.fromkeys(_WORDS.findall(text)) if not foreign.isdisjoint(word))
    return next(filter(None, (_find_in_word(word, foreign, anywhere=anywhere) for word in words)), None)


_WORDS = re.compile(r"[^\W\d_]+")


def _find_in_word(word: str, foreign: set[str], *, anywhere: bool) -> str | None:
    scripts = {c: _script(c) for c in set(word)}
    latin = [at for at, c in enumerate(word) if scripts[c] == "LATIN"]
    if not latin:
        return None
    for at, c in enumerate(word):
        before, after = latin[0] < at, latin[-1] > at
        if c in foreign and (anywhere or (after and (before or scripts[c] != "GREEK"))):
            return c
    return None


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]

"""Text as a model or a person may read it: without what cannot be seen, and with letters that look alike made one.

A skeleton is for matching only, as in Unicode's report on confusables (UTS 39); it is never shown and never judged.
"""

from __future__ import annotations

import re
import unicodedata

_OTHER_BREAKS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_BREAKS = re.compile(f"\r\n?|[{_OTHER_BREAKS}]")

# Letters of other scripts that stand for Latin ones in imitations: Cyrillic, Greek, Armenian, and small capitals.
_FOREIGN = "ıавеѕіјкмһнԁопрсстуѵхцԛԝɡαβεηικνορτυχγωոսօհցʟɪꜱᴀʙᴄᴅᴇғɢʜᴊᴋᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ"
_LATIN = "iabesijkmhhdonpcctyvxuqwgabenikvoptuxywnuohglisabcdefghjkmnoprtuvwyz"
_SAME = str.maketrans(_FOREIGN, _LATIN)

# What is not shown, and is no format character: fillers of Hangul, an empty Braille cell, and code points that Unicode
# keeps for characters to ignore.
BLANKS = re.compile("[\u115f\u1160\u3164\uffa0\u2800\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]")

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def _plain(found: re.Match[str]) -> str:
    """The skeleton of characters that are not ASCII."""
    apart = unicodedata.normalize("NFKD", BLANKS.sub("", found[0]))
    return "".join(c for c in apart if unicodedata.category(c) not in ("Cf", "Mn", "Me")).lower().translate(_SAME)


def skeleton(text: str) -> str:
    """The text in lower case, with compatibility forms and look-alikes made plain, format characters and marks removed,
    and every line break as a newline.

    >>> skeleton("\uff35ser\u200b\uff1a")
    'user:'
    """
    if not text.isascii():
        text = _NOT_ASCII.sub(_plain, text)
    text = text.lower()
    return _BREAKS.sub("\n", text) if any(map(text.__contains__, _OTHER_BREAKS)) else text


def posing_letter(text: str, *, anywhere: bool = False) -> str | None:
    """The first letter that poses as a Latin one within a word of Latin letters.

    What only ends a word, as a Russian ending of a foreign abbreviation does, poses as nothing; nor does a Greek letter
    that begins one, as in the names of substances; unless they are sought `anywhere`.

    >>> posing_letter("v\\u0456olence") == "\\u0456"
    True
    """
    posing = {c for c in set(text) if c.lower() in _FOREIGN and _script(c) != "LATIN"} if not text.isascii() else set()
    if not posing:
        return None
    words = (word for word in dict.fromkeys(_WORDS.findall(text)) if not posing.isdisjoint(word))
    return next(filter(None, (_posing(word, posing, anywhere=anywhere) for word in words)), None)


_WORDS = re.compile(r"[^\W\d_]+")


def _posing(word: str, posing: set[str], *, anywhere: bool) -> str | None:
    scripts = {c: _script(c) for c in set(word)}
    latin = [at for at, c in enumerate(word) if scripts[c] == "LATIN"]
    if not latin:
        return None
    for at, c in enumerate(word):
        before, after = latin[0] < at, latin[-1] > at
        if c in posing and (anywhere or (after and (before or scripts[c] != "GREEK"))):
            return c
    return None


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]

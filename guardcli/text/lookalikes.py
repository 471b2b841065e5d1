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


_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def _plain(found: re.Match[str]) -> str:
    """The skeleton of characters that are not ASCII."""
    apart = unicodedata.normalize("NFKD", found[0])
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

"""Classify strings by their form: a sentence, one word, or a symbol such as an id, a date, a URL or a hash.

`classify` alone decides which text is metadata by form. In doubt it says SENTENCE: then the text is listed for the
user, who can ignore it with one option. A symbol is never judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from html import unescape
from unicodedata import category
from urllib.parse import unquote, unquote_plus


class Prose(IntEnum):
    """A SYMBOL has no words of a language (or a few joined ones, as in an enum), a WORD has one, a SENTENCE more."""

    SYMBOL = 0
    WORD = 1
    SENTENCE = 2


MAX_WORD_LENGTH = 40  # letters; a longer string without digits is several words without blanks
SLUG_WORDS = 8  # this many words, joined by hyphens, underscores or dots, are a sentence
PLAIN_SLUG_WORDS = 4  # the same, if one of them is a function word, such as "how" in how-to-make-tea
CAMEL_WORDS = 5  # this many words in CamelCase are a sentence, if two of them are function words
# The maximum length of a word or a name, in characters of scripts without blanks between words.
MAX_HAN_WORD = 3
MAX_THAI_WORD = 8

_FUNCTION_WORD_LIST = """
a an the this that these those i me my you your he she him his her we our they them their it its how what why when
where who which do does did is are was were be been am can could will would shall should may might must have has had
not no yes to of for with from into at by if then than but please tell give make let get und der die das ein eine ich
du sie wir wie warum nicht mit für de la le les un une je tu il nous vous que qui est pas pour el los las una yo es
por con como
"""
_LABEL_WORD_LIST = "a an the to of for with from by de la le les un une der die das mit es con por"
_USER_AGENT_WORD_LIST = """
like gecko khtml compatible linux windows nt intel mac os x cpu iphone ipad android mobile macintosh win wow build rv wv
en us ubuntu fedora debian gnu libc musl safari chrome version bot crawler http https www com org net html python java
node go curl darwin arm aarch amd
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())
_SPEECH_WORDS = _FUNCTION_WORDS - frozenset(_LABEL_WORD_LIST.split())  # labels may join nouns; speech has one of these
_USER_AGENT_WORDS = frozenset(_USER_AGENT_WORD_LIST.split())
MAX_LABEL_LENGTH = 80  # characters
MAX_LABEL_WORDS = 10
MAX_ID_LENGTH = 64
MAX_METADATA_LENGTH = 2048  # characters with a blank among them
MAX_TOKENS = 64  # parted by blanks; no metadata has more
MAX_CACHED_LENGTH = 256  # characters of a text whose class is remembered

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f]"
)
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
_HAN = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]")
_THAI = re.compile("[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\uac00-\ud7af]")
_ASCII_WORD = re.compile(r"[A-Za-z]{2,}")
_FOREIGN_LETTER = re.compile(r"[^\W\d_A-Za-z]")
_LETTERS = re.compile(r"[^\W\d_]+")
_JOINED = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_A-Za-z]+")  # the words of snake_case, kebab-case, CamelCase
_PIECE = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_CALENDAR = re.compile(
    r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b|\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|"
    r"apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b|"
    r"\b(?:am|pm|utc|gmt|[ecmp][sd]t|cest?|bst|ist|at)\b|(?<=\d)(?:st|nd|rd|th)\b",
    re.IGNORECASE,
)
_FOUR_WORDS = re.compile(r"(?<![A-Za-z'])[A-Za-z']{1,40}(?:,? [A-Za-z']{1,40}){3}")
# Up to three plain words, and any number of parts with a digit: too few words for a sentence.
_ID = re.compile(
    r"(?:(?:[A-Za-z]*\d[A-Za-z0-9]*)[-_.:/@+]+)*(?:[A-Za-z]*\d[A-Za-z0-9]*|"
    r"(?:[a-z]+|[A-Z]+)(?:[-_.:/@+]+[A-Za-z]*\d[A-Za-z0-9]*)*"
    r"(?:[-_.:/@+]+(?:[a-z]+|[A-Z]+)(?:[-_.:/@+]+[A-Za-z]*\d[A-Za-z0-9]*)*){0,2})\Z"
)
_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.|mailto:|urn:)\S+\Z", re.IGNORECASE)
_DATA_URL = re.compile(r"data:[\w./+-]+(?:;[\w=.-]+)*;base64,[A-Za-z0-9+/=_-]*\Z")
_BASE64 = re.compile(r"(?=[^\s]*\d)(?=[^\s]*[A-Z])(?=[^\s]*[a-z])[A-Za-z0-9+/_-]{24,}={0,2}\Z")
_ROOTED = re.compile(r"(?:~|\.{1,2})?[/\\]|[A-Za-z]:[/\\]")
_PRODUCT = re.compile(r"(?<![\w.+!-])[\w.+!-]{1,64}/[\w.+-]{0,64}\d[\w.+-]{0,64}")
_COMMENT = re.compile(r"\(([^()]*)\)")


def classify(text: str) -> Prose:
    """Return what kind of text a string is.

    >>> [classify(text).name for text in ("chatcmpl-9f2a", "English", "How do I bake bread?", "how-do-i-bake-bread")]
    ['SYMBOL', 'WORD', 'SENTENCE', 'SENTENCE']
    """
    text = text.strip()
    if text.isascii() and len(text) <= MAX_WORD_LENGTH and text.isalnum():  # most values of most logs
        if not text.isalpha():
            return Prose.SYMBOL
        if text.islower() or text.isupper() or text.istitle():
            return Prose.WORD
    elif len(text) <= MAX_ID_LENGTH and _ID.match(text):
        return Prose.SYMBOL
    return _classify_cached(text) if len(text) <= MAX_CACHED_LENGTH else _classify_cached.__wrapped__(text)


@lru_cache(maxsize=1 << 12)
def _classify_cached(text: str) -> Prose:
    """Classify what is neither a plain word nor a plain id. Cached: logs repeat user agents, URLs and titles."""
    if "\\u" in text or "&#" in text:
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), unescape(text))
    if "%" in text:
        text = unquote(text)
    text = _INVISIBLE.sub(" ", text).strip()
    if _is_unspaced_sentence(text):
        return Prose.SENTENCE
    if not text.isascii():  # vowels of Indic scripts are marks, which are no letters to `re`
        text = "".join(character for character in text if not category(character).startswith("M"))
    tokens = text.split()
    if len(tokens) < 2:
        return _classify_token(text)
    if len(tokens) > MAX_TOKENS or len(text) > MAX_METADATA_LENGTH:
        return Prose.SENTENCE
    if _PRODUCT.match(text):
        if _is_user_agent(text):
            return Prose.SYMBOL
    elif _FOUR_WORDS.search(text):
        return Prose.SENTENCE
    if any(map(str.isdigit, text)):
        tokens = _CALENDAR.sub(" ", text).split()
    forms = [_classify_token(token) for token in tokens]
    words = sum(form > Prose.SYMBOL for form in forms)
    if sum(any(map(str.isalpha, token)) for token in tokens) >= PLAIN_SLUG_WORDS:  # h0w d0 1 d0 th1s
        return Prose.SENTENCE
    if words > 1 or Prose.SENTENCE in forms or _is_spelled_out(tokens):
        return Prose.SENTENCE
    return Prose.WORD if words else Prose.SYMBOL


def is_split_sentence(items: Sequence[str]) -> bool:
    """Return whether the items of a list are the words, or the letters, of a sentence. Tags are not."""
    tokens = [item.strip() for item in items if len(item) <= MAX_WORD_LENGTH]
    if len(tokens) < PLAIN_SLUG_WORDS:
        return False
    return sum(token.lower() in _SPEECH_WORDS for token in tokens) > 1 or _is_spelled_out(tokens)


def is_label(text: str) -> bool:
    """Return whether a text may name a category, a language or a topic: it is short, and is not speech."""
    if len(text) > MAX_LABEL_LENGTH or any(mark in text for mark in "?!\n\u061f\uff1f\uff01\u00bf\u00a1"):
        return False
    if len(_HAN.findall(text)) > 3 * MAX_HAN_WORD or len(_THAI.findall(text)) > 3 * MAX_THAI_WORD:
        return False
    words = [word.lower() for word in _JOINED.findall(text)]
    return len(words) <= MAX_LABEL_WORDS and _SPEECH_WORDS.isdisjoint(words)


def _classify_token(token: str) -> Prose:
    """Classify a string without blanks."""
    if _URL.match(token):
        return Prose.SENTENCE if _has_sentence_in_url(token) else Prose.SYMBOL
    if not (_ASCII_WORD.search(token) or _FOREIGN_LETTER.search(token)):
        return Prose.SYMBOL
    if _DATA_URL.match(token) or (_BASE64.match(token) and not _is_slug(token)):
        return Prose.SYMBOL
    if "/" in token or "\\" in token:
        parts = re.split(r"[/\\]", token)
        is_path = _ROOTED.match(token) is not None
        whole = _has_speech_words(token) if is_path else _is_slug(token, lowest=2 * SLUG_WORDS)
        return Prose.SENTENCE if whole or any(map(_is_slug, parts)) else Prose.SYMBOL
    if _is_slug(token) or any(len(run) > MAX_WORD_LENGTH and _is_cased(run) for run in _LETTERS.findall(token)):
        return Prose.SENTENCE
    pieces = _PIECE.findall(token)
    return Prose.SYMBOL if any(map(_has_digit, pieces)) or len(pieces) > 1 else Prose.WORD


def _is_slug(token: str, lowest: int = SLUG_WORDS) -> bool:
    """Return whether a token is a sentence whose words are joined, such as how-to-make-tea."""
    pieces = [piece for piece in _PIECE.findall(token) if not _has_digit(piece)]
    words = [word.lower() for piece in pieces if _is_cased(piece) for word in _JOINED.findall(piece)]
    grammar = sum(word in _FUNCTION_WORDS for word in words)
    if len(pieces) < 2:
        return len(words) >= CAMEL_WORDS and grammar > 1
    return len(words) >= lowest or (len(words) >= PLAIN_SLUG_WORDS and grammar > 0)


def _has_speech_words(path: str) -> bool:
    """Return whether a path, a URL or a user agent contains words of speech, as in /how/do/i/make/tea."""
    return sum(word.lower() in _SPEECH_WORDS for word in _JOINED.findall(path)) >= 3


def _is_cased(piece: str) -> bool:
    """Return whether letters are cased as in words or in CamelCase, and not at random as in base64."""
    words = _JOINED.findall(piece)
    return len(piece) >= 2.5 * len(words) or len(words) < 3 or piece.islower()


def _has_digit(piece: str) -> bool:
    return any(map(str.isdigit, piece))


def _is_spelled_out(tokens: list[str]) -> bool:
    """Return whether there are single letters with blanks between them, as in `h o w`."""
    return sum(len(token) == 1 and token.isalpha() for token in tokens) >= 4


def _has_sentence_in_url(url: str) -> bool:
    """Return whether a part of a URL, decoded, is a sentence: a search query, or the slug of a title."""
    for part in re.split(r"[/?&=#;]", url.partition("://")[2] or url):
        plain = _INVISIBLE.sub(" ", unquote_plus(part))
        words = plain.lower().split()
        is_query = len(words) >= PLAIN_SLUG_WORDS or (len(words) > 1 and not _FUNCTION_WORDS.isdisjoint(words))
        if is_query or _is_slug(part) or _is_unspaced_sentence(plain):
            return True
    return _has_speech_words(url)


def _is_unspaced_sentence(text: str) -> bool:
    """Return whether there is more than one word in scripts without blanks between words."""
    return not text.isascii() and (len(_HAN.findall(text)) > MAX_HAN_WORD or len(_THAI.findall(text)) > MAX_THAI_WORD)


def _is_user_agent(text: str) -> bool:
    """Return whether a text is a user agent: products with versions, and comments with few unknown words."""
    if _has_speech_words(text):
        return False
    comments = [item for comment in _COMMENT.findall(text) for item in re.split("[;,]", comment)]
    bare = _PRODUCT.sub(" ", _COMMENT.sub(" ", text))
    unknown = [
        sum(word.lower() not in _USER_AGENT_WORDS for word in _LETTERS.findall(item)) for item in (bare, *comments)
    ]
    return max(unknown) <= 2 and sum(unknown) <= 4 and unknown[0] <= 1

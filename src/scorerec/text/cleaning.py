"""Makes any text safe to stand inside a prompt: one line, no brackets, nothing that spells a special token.

Titles come from catalogues that anybody may write to. After cleaning, a quoted title cannot end its quotes or
its list, and no special token of any tokenizer can be spelled, since all of them need ``[``, ``]``, ``<`` or
``>`` (``[SEP]``, ``[INST]``, ``<s>``, ``<|eot_id|>``).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_BLANK_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})  # control, bidi and zero-width, surrogates, spaces
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")  # invisible, though of other categories
_SAFE = str.maketrans({"[": "(", "]": ")", "<": "‹", ">": "›"})
_BARE = str.maketrans("();'\"\\", "‹›,’”/")
_STRUCTURAL = frozenset("[]<>'\"\\")
_ELLIPSIS = "…"


@lru_cache(maxsize=4096)
def _safe_character(character: str) -> str:
    if unicodedata.category(character) in _BLANK_CATEGORIES or character in _BLANK_LETTERS:
        return " "
    # Look-alikes such as a full-width bracket become the plain sign in tokenizers that normalise text.
    plain = unicodedata.normalize("NFKD", character)
    return (plain if _STRUCTURAL & set(plain) else character).translate(_SAFE)


def clean(text: str) -> str:
    r"""Return ``text`` on one line, single-spaced, without brackets or invisible characters.

    >>> clean("Half\n  Life [PC] <|eot_id|>")
    'Half Life (PC) ‹|eot_id|›'
    """
    characters = text.translate(_SAFE) if text.isascii() and text.isprintable() else "".join(map(_safe_character, text))
    return " ".join(characters.split())


def shorten(text: str, max_characters: int) -> str:
    """Return ``text``, cut after a whole word and marked with an ellipsis where it is too long.

    >>> shorten("The Good, the Bad and the Ugly", 20)
    'The Good, the Bad…'
    """
    if len(text) <= max_characters:
        return text
    kept = text[: max_characters - len(_ELLIPSIS) + 1]  # one more: a space right after the last word counts
    cut = kept.rfind(" ")
    return (kept[:cut] if cut > 0 else kept[:-1]).rstrip(" ,;:-") + _ELLIPSIS


def one_kind_of_quotes(text: str) -> str:
    r"""Return ``text`` with typographic double quotes where it has both kinds of plain quotes.

    >>> one_kind_of_quotes('It\'s "Alive" (1974)')
    "It's “Alive” (1974)"
    """
    if "'" not in text or '"' not in text:
        return text
    return re.sub(r'(^|[\s(])"', r"\1“", text).replace('"', "”")


def quote(text: str) -> str:
    """Return cleaned ``text`` in quotes as Python writes a string: single, or double around a single quote.

    >>> print(quote("Clerks (1994)"), quote("Schindler's List (1993)"))
    'Clerks (1994)' "Schindler's List (1993)"
    """
    mark = '"' if "'" in text else "'"
    return f"{mark}{text.replace(chr(92), chr(92) * 2)}{mark}"


def bare(text: str) -> str:
    """Return cleaned ``text`` without the signs that structure a parenthesis, for values that stand unquoted.

    >>> bare(clean("Sony (Japan); Director's cut"))
    'Sony ‹Japan›, Director’s cut'
    """
    return " ".join(text.translate(_BARE).split())
